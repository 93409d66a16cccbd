//! The gate: the one way out of a sandbox.
//!
//! A sandbox has no network interface; each connection a program makes inside
//! arrives here as a wish to reach a [`Destination`]. The [`Gate`] resolves
//! names on the host, checks every address when connecting (never earlier,
//! never on a name alone), connects only to an address it checked, and counts
//! what passes.
//!
//! It knows neither session nor store nor hands: plain addresses and byte
//! streams go in and out. Secrets are no part of it yet.

mod address;
mod connect;
mod error;
mod gate;
mod policy;
mod resolve;
mod seats;
mod stats;
mod stream;

pub use error::{Error, Reason};
pub use gate::{Destination, Gate, Limits};
pub use policy::Policy;
pub use stats::Stats;
pub use stream::Connection;
