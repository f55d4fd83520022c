//! Tests of the whole; see the integration tests of this package.
