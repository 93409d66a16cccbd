//! What both providers share: the connection, the event stream with its
//! deadlines, errors, and JSON that stays as it came. Knows no provider.

pub(crate) mod client;
pub(crate) mod conversation;
pub(crate) mod fault;
pub(crate) mod raw;
pub(crate) mod sse;
pub(crate) mod stream;
