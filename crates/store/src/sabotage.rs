//! Promises broken on purpose, to prove that the drill notices.
//!
//! Only in builds for tests with the feature `sabotage`, and there only where
//! `OC_SABOTAGE` names what to break: in every other build [`sabotaged`] is
//! `false` and the compiler takes the broken way out. A release build has no
//! such way even with the feature.

/// A promise that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Facts are acknowledged before the disk has them.
    FsyncOff,
    /// A key or a name that was used before is taken as a new one.
    DedupeOff,
    /// A stream that is resumed leaves out one event.
    StreamOffByOne,
    /// A receipt is written before its call is carried out.
    ReceiptBeforeEffect,
}

impl Sabotage {
    /// Its name, as in the variable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FsyncOff => "fsync_off",
            Self::DedupeOff => "dedupe_off",
            Self::StreamOffByOne => "stream_off_by_one",
            Self::ReceiptBeforeEffect => "receipt_before_effect",
        }
    }
}

/// Whether this promise is broken in this process.
#[cfg(all(feature = "sabotage", debug_assertions))]
#[must_use]
pub fn sabotaged(what: Sabotage) -> bool {
    use std::sync::LazyLock;

    #[expect(
        clippy::disallowed_methods,
        reason = "no option: it is there in builds for tests alone"
    )]
    static ASKED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("OC_SABOTAGE").ok());
    ASKED.as_deref() == Some(what.name())
}

/// Whether this promise is broken in this process: it never is in this build.
#[cfg(not(all(feature = "sabotage", debug_assertions)))]
#[must_use]
pub const fn sabotaged(_what: Sabotage) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_broken_unless_it_is_asked_for() {
        for what in [
            Sabotage::FsyncOff,
            Sabotage::DedupeOff,
            Sabotage::StreamOffByOne,
            Sabotage::ReceiptBeforeEffect,
        ] {
            assert!(!sabotaged(what), "{}", what.name());
        }
    }
}
