//! What an agent allows besides its limits: which tools may be run again after a
//! crash, what all its sessions together may use, and what their sandboxes may
//! reach with which secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session::{Caps, Egress, OnInterrupt};

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
    /// What the sandboxes of its sessions may reach.
    #[serde(default, skip_serializing_if = "Egress::is_open")]
    pub egress: Egress,
    /// The store, by its name, whose secrets they are given besides the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_store: Option<String>,
}
