//! Real sandboxes, really started. On a machine that cannot isolate, these fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod checkpoints;
mod execs;
mod files;
mod limits;
mod lost;
mod network;
mod orphans;
mod pieces;
mod process;
mod restart;
mod single;
mod start;
mod support;
mod walls;
