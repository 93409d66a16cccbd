//! What a sandbox may reach and be given: joins what is frozen of a session
//! (its egress policy, its secret stores) with the vault and the gate.
//!
//! It promises that a sandbox of nobody reaches nothing, that a sandbox sees
//! sealed tokens only ([`tokens`]), that a secret is read at the moment it is
//! swapped in and held no longer, and that each decision is told to the
//! session's log ([`audit`]). What it may not know: how connections are carried
//! and looked into (the gate's), and how secrets are kept (the store's).

mod audit;
mod passes;
mod stores;
mod tokens;

pub use audit::{Heard, keep};
pub use passes::Passes;
pub use stores::{is_gone, own_store};
pub use tokens::Tokens;
