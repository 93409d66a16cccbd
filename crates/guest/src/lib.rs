//! What the host and a sandbox say to each other: the frames, the requests and
//! the answers. The program that answers inside a sandbox is `bin/guest`.
//!
//! * [`frame`] is the byte format, [`mux`] carries many streams over one
//!   connection with a credit window each.
//! * [`request`] says what either side may open a stream for.
//! * [`exec`] and [`file`] are the nouns of those requests.
//!
//! What this crate may not know: who asks, sessions, where a sandbox comes from.

pub mod exec;
pub mod file;
pub mod frame;
pub mod mux;
pub mod request;
