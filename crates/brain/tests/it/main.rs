//! The providers' clients against the rehearsal server, over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod cancel;
mod conversations;
mod counts;
mod engine;
mod failures;

mod golden;
mod hall;
mod metered;
mod random;
mod raw;
mod server;
mod suite;
mod window;
