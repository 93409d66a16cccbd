//! The store as its callers see it, every test on both databases.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod append;
mod bed;
mod birth;
#[path = "../../src/testing.rs"]
mod testing;
