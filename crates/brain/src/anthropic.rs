//! The Anthropic Messages API: the body of a request, and the answer out of the
//! events of its stream.

mod assembly;
mod request;

pub(crate) use assembly::Assembly;
pub(crate) use request::body;
