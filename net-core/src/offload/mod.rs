//! Super-segments: what a device or the stack itself cuts and merges.
