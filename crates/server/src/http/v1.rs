//! The `v1` face (contract v1.md). Of it, agents' secrets are built.

pub mod secrets;
