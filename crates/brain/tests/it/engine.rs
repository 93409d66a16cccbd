//! Engines on a stage.

pub mod stage;
