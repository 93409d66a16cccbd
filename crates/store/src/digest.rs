//! Digests of what must be found again but never be read back.

use sha2::{Digest, Sha256};

/// The SHA-256 of a text.
pub(crate) fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
