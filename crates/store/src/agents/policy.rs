//! What an agent allows besides its limits: which tools may be run again after a
//! crash, and what all its sessions together may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session::{Caps, OnInterrupt};

/// The policy of an agent; its sessions are born with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// What becomes of a call whose outcome is unknown, by tool; `*` is every
    /// tool that is not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on_interrupt: BTreeMap<String, OnInterrupt>,
    /// What all its sessions together may use.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub caps: Caps,
}
