//! Engines on a stage: conversations of many shapes, played to their end.

mod first;
pub mod stage;
