//! The house from outside: the real server driven through its own doors, and
//! the rules of the house read from its sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod arrows;
mod attacks;
mod canary;
mod cli;
mod clients;
mod crashes;
mod drill;
mod durable;
mod engines;
mod gate;
mod harness;
mod http;
mod libraries;
mod runtimes;
mod schedules;
mod secrets;
mod skills;
mod small_disk;
mod steering;
mod tidy;
mod turns;
mod webhooks;
