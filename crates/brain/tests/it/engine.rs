//! Engines on a stage: what they ask, and what becomes of them when they die.

mod alike;
mod codex;
mod custom;
mod deaths;
mod doors;
mod random;
pub mod stage;
