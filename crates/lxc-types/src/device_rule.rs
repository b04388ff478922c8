//! A rule of the device controller.
