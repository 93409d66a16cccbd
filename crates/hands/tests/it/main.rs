//! Real sandboxes, really started. On a machine that cannot isolate, these fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod attacks;
mod checkpoints;
mod execs;
mod files;
mod limits;
mod lost;
mod mounts;
mod network;
mod orphans;
mod pieces;
mod pipes;
mod process;
mod restart;
mod single;
mod start;
mod support;
mod trust;
mod walls;
