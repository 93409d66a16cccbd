//! The engine of Claude Code, as its vendor's SDK runs it: JSON lines over its
//! standard input and output, tools served by us over the same lines.
//!
//! * It is started bare: no tools of its own, no settings, no network use but
//!   the door. The model sees its one-line preamble, then our system prompt.
//! * Its history is a file of lines that we write, one for each side's part of
//!   the conversation; it takes whole content arrays as they are.
//! * A history that ends with results of calls is not continued by itself in a
//!   way that one can rely on (it begins before it knows our tools), so a turn
//!   is always begun by a message. The engine then puts "No response requested."
//!   between the two. Neither reaches the model: the door puts in what was said.
//! * The message has the same words each time, since the engine takes some words
//!   of a user (`/clear`, `@file`) for commands.
//! * It calls tools one after another, under the ids of the answer. All results
//!   are known by then, so each is answered at once.

mod history;
mod plan;
mod talk;

pub(super) use plan::plan;
pub(super) use talk::Talk;

/// The words by which a turn is begun.
const GO: &str = "Go on with the conversation.";

/// The name of our tools' server.
const SERVER: &str = "hands";
