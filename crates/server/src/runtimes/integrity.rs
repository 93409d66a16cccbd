//! The published hash of a package, and the hash of what comes while it comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// A published SHA-512 of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hash([u8; 64]);

impl Hash {
    /// Reads the registry's form: hashes by name, apart by spaces. The SHA-512
    /// counts; weaker ones alone are refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hash = text
            .split_ascii_whitespace()
            .find_map(|one| one.strip_prefix("sha512-"))
            .ok_or("no SHA-512 of it is published")?;
        // Options may follow the hash.
        let hash = hash.split('?').next().unwrap_or_default();
        let bytes = STANDARD.decode(hash).map_err(|error| error.to_string())?;
        let bytes = bytes.try_into().map_err(|_| "it is no SHA-512")?;
        Ok(Self(bytes))
    }

    /// The same in the registry's form.
    pub fn text(&self) -> String {
        format!("sha512-{}", STANDARD.encode(self.0))
    }
}

/// A hash that is being computed.
#[derive(Debug, Default)]
pub(super) struct Hashing(Sha512);

impl Hashing {
    /// Takes in what came.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether all that came has that hash; else its own.
    pub fn check(self, want: &Hash) -> Result<(), Hash> {
        let got: [u8; 64] = self.0.finalize().into();
        if bool::from(got.ct_eq(&want.0)) {
            return Ok(());
        }
        Err(Hash(got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty text, as `openssl dgst -sha512 -binary | base64` gives it.
    const EMPTY: &str = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

    #[test]
    fn a_hash_is_that_of_all_that_came() {
        let want = Hash::parse(EMPTY).unwrap();
        assert_eq!(want.text(), EMPTY);
        assert_eq!(Hashing::default().check(&want), Ok(()));
        let mut other = Hashing::default();
        other.update(b"a");
        assert!(other.check(&want).is_err());
    }

    #[test]
    fn the_strong_hash_among_several_counts_and_a_weak_one_alone_does_not() {
        let several = Hash::parse(&format!("sha1-abcd {EMPTY}?x"));
        assert_eq!(several, Hash::parse(EMPTY));
        for text in ["", "sha1-abcd", "sha512-", "sha512-AAAA", "sha512-?"] {
            assert!(Hash::parse(text).is_err(), "{text}");
        }
    }
}
