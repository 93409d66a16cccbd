//! Skills: folders of instructions and programs for certain kinds of work, which
//! an agent's sessions are told of and find in their sandboxes.
//!
//! * [`unzip`] reads an archive that nobody vouches for.
//! * [`Bundle`] holds what the rules of skills allow, and nothing else.
//! * [`front`] reads what a skill says of itself.
//! * [`place`] writes the files of a session's skills into a sandbox.
//!
//! Which agent has which skills, and what HTTP is, these may not know.

mod bundle;
mod front;
mod place;
mod unzip;

pub use bundle::{Bundle, File};
pub use place::place;
pub use unzip::unzip;

/// Most files of a bundle.
pub const FILES: usize = 64;
/// Most bytes of all its files together.
pub const BYTES: usize = 256 * 1024;
/// What a skill's folder must hold.
pub const SKILL: &str = "SKILL.md";

/// Why something cannot be the skills of an agent, for whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// Too many bytes.
fn too_large() -> Unfit {
    Unfit(format!(
        "the files have more than {} KiB together",
        BYTES / 1024
    ))
}
