//! How much and how long.

use std::time::Duration;

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections one sandbox may have at once, being made or open.
    pub per_sandbox: usize,
    /// Connections of all sandboxes together.
    pub total: usize,
    /// Name lookups at once.
    pub lookups: usize,
    /// How long a name may take.
    pub resolve: Duration,
    /// How long a connection may take, over all addresses of its name; and how
    /// long after that a server may take for its side of a TLS handshake.
    pub connect: Duration,
    /// Bytes one connection may carry, both ways together.
    pub bytes: u64,
    /// Bytes of a request's head, where requests are looked at.
    pub head: usize,
    /// How long a program may take to say what it wants, once it began: its
    /// TLS handshake, each request's head.
    pub patience: Duration,
    /// How long a server may take to begin its answer to a request.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            per_sandbox: 256,
            total: 8192,
            lookups: 64,
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            bytes: 256 << 30,
            head: 64 * 1024,
            patience: Duration::from_secs(30),
            answer: Duration::from_secs(30 * 60),
        }
    }
}
