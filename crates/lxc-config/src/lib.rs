//! The configuration language: text to typed values and back.
