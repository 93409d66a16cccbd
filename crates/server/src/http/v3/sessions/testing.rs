//! What tests of this face freeze with a session.

use session::config::Bounds;
use session::{Caps, Frozen, Limits, ModelRef};

/// A configuration without limits or prices.
pub fn frozen() -> Frozen {
    Frozen {
        agent: "agt_1".into(),
        revision: 3,
        prompt: "secret of the agent".into(),
        prompt_hash: "sha256:00".into(),
        model: ModelRef::parse("test/demo", "native").unwrap(),
        runtime: "native".into(),
        credential: "managed".into(),
        limits: Limits::default(),
        bounds: Bounds::default(),
        on_interrupt: std::collections::BTreeMap::new(),
        prices: None,
        caps: Caps::default(),
        egress: session::Egress::Open,
        secret_stores: Vec::new(),
        skills: None,
        cause: None,
    }
}
