//! The rules, seen from outside: tables given/when/then, random histories, and
//! frozen forms of everything that is persisted or sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod budgets;
mod commands;
mod compaction;
mod cron;
mod duties;
mod facts;
mod forks;
mod golden;
mod histories;
mod limits;
mod loops;
mod replies;
mod scene;
mod steering;
mod texts;
mod view;
mod waits;
