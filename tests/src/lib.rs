//! What the integration tests share: hosts joined by links under virtual time.

pub mod hosts;
