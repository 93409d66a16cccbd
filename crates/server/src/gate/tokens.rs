//! Sealed tokens: what stands in a sandbox in the place of a secret.
//!
//! A token follows from the sandbox, the secret and a key of this installation
//! (HMAC-SHA256, RFC 2104), so nothing need be kept: it is the same after a
//! restart and after the secret's value changed, is good for that sandbox alone,
//! and means nothing once the sandbox is gone. A fork or a restored sandbox is
//! another sandbox, and has others.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use store::{Error, Store};

/// How every token begins.
const MARK: &str = "osb_sealed_";
/// Bytes of a token that are not its mark.
const LENGTH: usize = 16;

/// The key that tokens follow from.
pub struct Tokens(SecretBox<Vec<u8>>);

impl Tokens {
    /// The key of this installation.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn open(store: &Store) -> Result<Self, Error> {
        let fresh = || rand::random::<[u8; 32]>().to_vec();
        Ok(Self(store.install_secret("tokens", fresh).await?))
    }

    /// The token of a secret in a sandbox.
    #[must_use]
    pub fn token(&self, sandbox: &str, store: &str, secret: &str) -> String {
        let mut token = String::from(MARK);
        // A key of any length is one (RFC 2104): this cannot fail.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) {
            mac.update(format!("{sandbox}|{store}|{secret}").as_bytes());
            for byte in mac.finalize().into_bytes().iter().take(LENGTH) {
                let _ = write!(token, "{byte:02x}");
            }
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_secret_in_one_sandbox() {
        let tokens = Tokens(SecretBox::new(Box::new(vec![7; 32])));
        let token = tokens.token("sbx_1", "sec_1", "KEY");
        assert_eq!(token.len(), MARK.len() + 2 * LENGTH);
        assert!(token.starts_with(MARK));
        assert_eq!(token, tokens.token("sbx_1", "sec_1", "KEY"));
        let other = Tokens(SecretBox::new(Box::new(vec![8; 32])));
        let others = [
            tokens.token("sbx_2", "sec_1", "KEY"),
            tokens.token("sbx_1", "sec_2", "KEY"),
            tokens.token("sbx_1", "sec_1", "KEY2"),
            other.token("sbx_1", "sec_1", "KEY"),
        ];
        assert!(others.iter().all(|one| *one != token));
    }
}
