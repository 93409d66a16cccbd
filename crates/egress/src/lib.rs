//! The gate: the one way out of a sandbox.
//!
//! A sandbox has no network interface; each connection a program makes inside
//! arrives here as a wish to reach a [`Destination`]. The [`Gate`] resolves
//! names on the host, checks every address when connecting (never earlier,
//! never on a name alone), connects only to an address it checked, and counts
//! what passes.
//!
//! What the sandbox may do comes with every call as a [`Pass`]: where it may
//! connect and which secrets may go where. The gate knows neither session nor
//! store nor hands: plain addresses, byte streams and lookups go in and out.

mod address;
mod addresses;
mod authority;
mod case;
mod connect;
mod destination;
mod ear;
mod error;
mod gate;
mod host;
mod limits;
mod names;
mod pass;
mod policy;
mod resolve;
mod rewound;
mod roots;
mod seats;
mod serve;
mod stats;
mod stream;

pub use addresses::Addresses;
pub use authority::{Authority, AuthorityError};
pub use destination::Destination;
pub use error::{Error, Reason};
pub use gate::Gate;
pub use host::{HostPattern, NoPattern};
pub use limits::Limits;
pub use pass::{Audit, Decision, Egress, Grant, Pass, Reveal, Verdict};
pub use policy::Policy;
pub use roots::{NoCertificate, Roots};
pub use stats::Stats;
pub use stream::Connection;
