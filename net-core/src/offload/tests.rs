//! Tests of segmentation and merging.
