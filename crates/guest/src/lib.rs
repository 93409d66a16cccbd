//! What the host and a sandbox say to each other, and the program that answers
//! inside (`bin/guest`).
//!
//! * [`frame`] is the byte format, [`mux`] carries many streams over one
//!   connection with a credit window each.
//! * [`request`] says what either side may open a stream for; [`exec`], [`file`]
//!   and [`pipe`] are its nouns.
//! * The rest is the program: [`boot`], [`serve`], [`runs`], [`files`], [`net`].
//!
//! What this crate may not know: who asks, sessions, where a sandbox comes from.

pub mod boot;
pub mod child;
pub mod exec;
pub mod file;
pub mod files;
pub mod frame;
pub mod gauge;
pub mod mux;
pub mod net;
pub mod output;
pub mod pipe;
pub mod reap;
pub mod request;
pub mod run;
pub mod runs;
pub mod serve;
pub mod sys;
pub mod tree;
mod unwanted;
