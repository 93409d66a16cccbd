//! The `v3` face: durable sessions, as the contract (v3.md) has them. One file
//! per noun; what objects look like on the wire stands beside their routes.

pub mod agents;
pub mod checkpoints;
mod command;
pub mod credentials;
pub mod deliveries;
pub mod destinations;
pub mod event;
pub mod events;
mod limits;
pub mod messages;
mod number;
pub(crate) mod price;
pub mod report;
mod said;
pub mod sessions;
mod stream;
pub mod tokens;
pub mod turns;
mod usage;
