//! The store as its callers see it, every test on both databases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    clippy::disallowed_methods
)]

mod agents;
mod alone;
mod append;
mod bed;
mod birth;
mod budgets;
mod checkpoints;
mod content;
mod crash;
mod credentials;
mod destinations;
mod disk;
mod erase;
mod events;
mod folds;
mod follow;
mod forks;
mod full;
mod grants;
mod history;
mod hooks;
mod keys;
mod leases;
mod lists;
mod migrations;
mod nodes;
mod outage;
mod outbox;
mod quota;
mod rotation;
mod schedules;
mod sealed;
mod secret_stores;
mod skills;
mod sweep;
#[path = "../../src/testing.rs"]
mod testing;
mod turns;
mod usage;
mod vault_history;
