//! The rules of a durable session: pure and synchronous.
//!
//! * [`decide`] turns a command into events, or into a [`Refusal`].
//! * [`State::apply`] turns an event into the next state.
//! * [`duty`] says what must be happening now.
//! * [`transcript`] says what the model has seen, byte for byte.
//! * [`cron`] says when a schedule is due.
//!
//! What this crate may not know: async, SQL, HTTP, the clock and randomness.
//! Time is an argument; ids follow from what they name (see [`id`]).

mod apply;
pub mod config;
pub mod cron;
pub mod decide;
pub mod duty;
pub mod event;
mod excerpt;
pub mod fact;
pub mod id;
pub mod limits;
pub mod model;
pub mod money;
pub mod retry;
pub mod state;
pub mod time;
pub mod tool;
pub mod transcript;
pub mod usage;
pub mod waiting;

pub use apply::Fold;
pub use config::{Caps, Cause, CauseKind, Egress, Frozen, OnInterrupt, Skill, Skills};
pub use decide::{Command, Decided, Refusal, decide};
pub use duty::{Duty, duty};
pub use event::{Actor, Draft, Event, Level};
pub use excerpt::excerpt;
pub use fact::Fact;
pub use limits::Limits;
pub use model::{ModelRef, Provider};
pub use money::{LongPrices, Prices, Usd};
pub use state::{Phase, State};
pub use time::Millis;
pub use transcript::{Call, Item, Reply, Stop, Transcript};
pub use usage::{Long, SessionUsage, Tokens};
pub use waiting::{Waiting, What, waiting};
