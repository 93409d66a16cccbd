//! The join: everything that knows two or more of the other crates.
//!
//! * [`config`] reads what the operator wants, [`node`] builds the parts and
//!   owns every task.
//! * [`driver`] takes leases, folds facts, asks for the duty and does it;
//!   [`tools`] carries out one call in a sandbox.
//! * [`files`] makes the files of sandboxes safe, puts them to sleep and brings
//!   them back.
//! * [`engines`] gives other people's engines a sandbox of their own.
//! * [`client_tokens`] make and know what opens one session to a client.
//! * [`gate`] gives sandboxes their passes and sealed tokens.
//! * [`begin`] makes sessions, whoever wishes for one.
//! * [`delivery`] tells receivers of webhooks what the log says.
//! * [`outside`] carries a command that does not come from a session's run.
//! * [`http`] parses requests into commands and renders answers; it holds no
//!   rules.
//! * [`drill`] breaks servers of its own and compares; it knows them from
//!   outside only.
//! * [`points`] are the moments at which a drill may crash a process.
//! * [`schedules`] are fired when they are due.
//! * [`runtimes`] are the engines and programs installed beside us.
//! * [`skills`] are checked, and written into sandboxes.
//! * [`cli`] is a client of the HTTP face like any other.

pub mod app;
pub mod begin;
pub mod caps;
pub mod cli;
pub mod client_tokens;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod deltas;
pub mod drill;
pub mod driver;
pub mod engines;
pub mod files;
pub mod gate;
pub mod http;
pub mod metrics;
pub mod node;
pub mod outside;
pub mod points;
pub mod prompts;
pub mod runtimes;
pub mod schedules;
pub mod skills;
pub mod sweep;
pub mod tools;
