//! One step of thought: a conversation and tools in, a stream of deltas and one
//! finished [`session::Reply`] out.
//!
//! * [`Model`] is the interface; [`Models`] knows who implements it.
//! * The providers: the Anthropic Messages API and the OpenAI Responses API.
//! * [`Engines`] are other people's programs that think by a provider's API.
//! * [`Rehearsal`] plays a script, for free and without a key;
//!   [`rehearse_router`] serves it over both providers' HTTP interfaces.
//!
//! What this crate may not know: the store, the hands, and who asked.

mod anthropic;
mod api;
mod count;
mod door;
mod engine;
mod error;
mod meter;
mod model;
mod models;
mod openai;
mod patience;
mod prices;
mod prompt;
mod rehearsal;
mod remote;
mod retry;
mod serve;
mod shorten;
mod table;
mod wire;

pub use count::most_tokens;
pub use engine::{
    CHECKED, DOOR, DOOR_ADDRESS, EngineConfig, Engines, Finding, Kept, Place, Reach, Spawn, Start,
    Stream,
};
pub use error::{ErrorKind, ModelError};
pub use meter::Meter;
pub use model::{Ask, Delta, Deltas, Model, Purpose};
pub use models::{BrainConfig, ConfigError, Models};
pub use patience::Patience;
pub use prompt::{SKILLS_FOLDER, compaction_prompt, native_prompt};
pub use rehearsal::Rehearsal;
pub use serve::rehearse_router;

/// What a model is told of a call inside which its answer was cut.
pub(crate) const CUT_CALL: &str = "The answer reached its output limit inside this call, so the \
     call was not run. Make it again, in smaller parts if it is large.";

/// What a model is told of a call whose arguments cannot be used.
pub(crate) fn bad_arguments(why: &str) -> String {
    format!(
        "The arguments of this call were no JSON object ({why}), so it was not run. \
         Make it again with valid arguments."
    )
}
