//! Hints that something was appended. A hint is never data: who misses one
//! finds the work by looking.

/// A session's log grew, or its lease became free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// The session.
    pub session: String,
    /// Its newest number at that moment; 0 if it was erased.
    pub head: u64,
    /// Whether somebody should drive it and may claim it.
    pub due: bool,
}
