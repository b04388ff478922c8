//! Architecture names and the personality they stand for.
