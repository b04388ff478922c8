//! Writing id maps.
