//! The runtimes of this install: other people's engines, each in a folder of its
//! own, and the programs that users registered. What is there is read from the
//! folder each time, so that a server sees what the command line did beside it.
//!
//! It promises that a runtime is there whole or not at all. It may not know how
//! an engine is run, or by whom.

mod custom;
mod error;
mod fetch;
mod folder;
mod install;
mod integrity;
mod package;
pub mod process;
mod registry;
mod unpack;

pub use custom::Custom;
pub use error::Error;
pub use folder::{Installed, Runtime, Runtimes};
pub use install::{Install, Step};
pub use package::{ENGINES, Engine, Package, engine};
pub use registry::Registry;
