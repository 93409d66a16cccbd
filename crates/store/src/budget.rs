//! Caps, and what is spent of them: the words. How they are kept: `reserve.rs`.

use session::Usd;

/// Tokens and money together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Tokens of all four parts.
    pub tokens: u64,
    /// Money; zero where no price is known.
    pub usd: Usd,
}

/// One cap of those that hold for a session: what a scope may spend in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// Whose, such as `org:org_1` or `agent:agt_1`.
    pub scope: String,
    /// When, such as `2026-11-21`, `2026-11` or `ever`.
    pub period: String,
    /// Most tokens; `None` caps none.
    pub tokens: Option<u64>,
    /// Most money; `None` caps none.
    pub usd: Option<Usd>,
}
