//! The engine of Codex: its `app-server`, spoken to by JSON lines over its
//! standard input and output, with our tools as its *dynamic tools*.
//!
//! * It has no tools of its own, no shell and no place to run one: the model sees
//!   our system prompt and our tools, and nothing of the engine's.
//! * Each engine begins an empty thread that is kept in memory only. What was
//!   said before need not be told to it, since it asks with what the door puts
//!   in; a turn is begun without a single word.
//! * It is told about its model by us, too. What its makers put into it would
//!   make newer models write programs that call tools (*code mode*), which is
//!   no sequence of calls that could be told apart after a crash.
//! * It calls tools one after another, under the ids of the answer. All results
//!   are known by then, so each is answered at once. A call of a tool that is
//!   not there it answers itself, as the platform does, and asks on.

mod plan;
mod talk;

pub(super) use plan::plan;
pub(super) use talk::Talk;
