//! Promises broken on purpose, to prove that the drill and its canaries notice.
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
    /// What sessions share is not reserved before it is used.
    BudgetOff,
    /// What a run that died had reserved is given back as not used.
    BudgetForgotten,
    /// A secret stands in the environment of commands.
    LeakEnvironment,
    /// A secret is written into a file of a sandbox.
    LeakFile,
    /// A secret stands in an event.
    LeakEvent,
    /// A secret is logged.
    LeakLog,
    /// A secret is written to the database in the clear.
    LeakDatabase,
    /// A secret is a label of a metric.
    LeakMetric,
    /// A secret is beside the pieces of a checkpoint.
    LeakCheckpoint,
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
            Self::BudgetOff => "budget_off",
            Self::BudgetForgotten => "budget_forgotten",
            Self::LeakEnvironment => "leak_environment",
            Self::LeakFile => "leak_file",
            Self::LeakEvent => "leak_event",
            Self::LeakLog => "leak_log",
            Self::LeakDatabase => "leak_database",
            Self::LeakMetric => "leak_metric",
            Self::LeakCheckpoint => "leak_checkpoint",
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

/// The secret that was read last, where it is to leak in this way.
#[cfg(all(feature = "sabotage", debug_assertions))]
#[must_use]
pub fn leaked(how: Sabotage) -> Option<String> {
    let known = READ
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    known.clone().filter(|_| sabotaged(how))
}

/// The secret that leaks in this way: none does in this build.
#[cfg(not(all(feature = "sabotage", debug_assertions)))]
#[must_use]
pub const fn leaked(_how: Sabotage) -> Option<String> {
    None
}

#[cfg(all(feature = "sabotage", debug_assertions))]
static READ: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);

/// Keeps a secret that was read, if one is to leak.
#[cfg(all(feature = "sabotage", debug_assertions))]
pub(crate) fn was_read(secret: &secrecy::SecretString) {
    use secrecy::ExposeSecret;

    let mut known = READ
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    *known = Some(secret.expose_secret().to_owned());
}

/// Keeps nothing in this build.
#[cfg(not(all(feature = "sabotage", debug_assertions)))]
pub(crate) const fn was_read(_secret: &secrecy::SecretString) {}

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
            Sabotage::LeakEnvironment,
            Sabotage::LeakDatabase,
        ] {
            assert!(!sabotaged(what), "{}", what.name());
            assert_eq!(leaked(what), None);
        }
    }
}
