//! Client tokens: each opens one session, for a while, to somebody who must not
//! have the org's key.
//!
//! A token says itself what it opens, signed with a key of this installation
//! (HMAC-SHA256, RFC 2104). So nothing need be written to make one, nothing swept
//! when it has expired, and every node of a database knows the tokens of the
//! others. It opens nothing once its session is erased: whoever reads one looks
//! for the session. It may not know what its scopes allow.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use session::Millis;
use sha2::Sha256;
use store::{Error, Store};

/// How every token begins.
pub const MARK: &str = "ct_";
/// What is signed begins with this, so that nothing else signed with the key can
/// ever be taken for a token.
const PURPOSE: &[u8] = b"client token 1:";
/// Bytes of a signature.
const SIGNATURE: usize = 32;
/// Bytes before the session's name: scopes and expiry.
const HEAD: usize = 9;
const READ: u8 = 1;
const STEER: u8 = 2;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes {
    /// Reading events.
    pub read: bool,
    /// Sending messages.
    pub steer: bool,
}

impl Scopes {
    /// Everything a token can allow.
    pub const ALL: Self = Self {
        read: true,
        steer: true,
    };
}

/// What a token opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The session.
    pub session: String,
    /// What may be done there.
    pub scopes: Scopes,
    /// Until when.
    pub expires: Millis,
}

/// Makes tokens, and knows its own again.
pub struct ClientTokens(SecretBox<Vec<u8>>);

impl ClientTokens {
    /// With the key of this installation.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn open(store: &Store) -> Result<Self, Error> {
        let fresh = || rand::random::<[u8; 32]>().to_vec();
        Ok(Self(store.install_secret("client tokens", fresh).await?))
    }

    /// The token that opens this.
    #[must_use]
    pub fn token(&self, grant: &Grant) -> String {
        let Scopes { read, steer } = grant.scopes;
        let scopes = u8::from(read) * READ + u8::from(steer) * STEER;
        let mut bytes = vec![scopes];
        bytes.extend(grant.expires.0.to_be_bytes());
        bytes.extend(grant.session.as_bytes());
        let signature = self.sign(&bytes);
        bytes.extend(signature.into_bytes());
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a token opens, if it is one of this installation and has not expired.
    #[must_use]
    pub fn grant(&self, token: &str, now: Millis) -> Option<Grant> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(MARK)?).ok()?;
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE)?)?;
        let signature: [u8; SIGNATURE] = signature.try_into().ok()?;
        // Compared in a time that does not depend on where they differ.
        if self.sign(signed) != CtOutput::new(signature.into()) {
            return None;
        }
        let (head, session) = signed.split_at_checked(HEAD)?;
        let (scopes, expires) = head.split_first()?;
        let grant = Grant {
            session: String::from_utf8(session.to_vec()).ok()?,
            scopes: Scopes {
                read: scopes & READ != 0,
                steer: scopes & STEER != 0,
            },
            expires: Millis(i64::from_be_bytes(expires.try_into().ok()?)),
        };
        (grant.expires > now).then_some(grant)
    }

    fn sign(&self, bytes: &[u8]) -> CtOutput<Hmac<Sha256>> {
        #[expect(clippy::expect_used, reason = "a key of any length is one (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("a key");
        mac.update(PURPOSE);
        mac.update(bytes);
        mac.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(key: u8) -> ClientTokens {
        ClientTokens(SecretBox::new(Box::new(vec![key; 32])))
    }

    fn grant(read: bool, steer: bool) -> Grant {
        Grant {
            session: "ses_01k0".to_owned(),
            scopes: Scopes { read, steer },
            expires: Millis(1_000),
        }
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_until_it_expires() {
        for (read, steer) in [(true, true), (true, false), (false, true)] {
            let (tokens, grant) = (tokens(7), grant(read, steer));
            let token = tokens.token(&grant);
            assert_eq!(tokens.grant(&token, Millis(999)), Some(grant));
            assert_eq!(tokens.grant(&token, Millis(1_000)), None, "expired");
            assert_eq!(super::tests::tokens(8).grant(&token, Millis(0)), None);
        }
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed_added_or_left_out() {
        let tokens = tokens(7);
        let token = tokens.token(&grant(true, false));
        let bytes = URL_SAFE_NO_PAD.decode(&token[MARK.len()..]).unwrap();
        let refused = |bytes: &[u8]| {
            let token = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes));
            assert_eq!(tokens.grant(&token, Millis(0)), None, "{bytes:?}");
        };
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                refused(&other);
            }
            refused(&bytes[..at]);
            refused(&bytes[at + 1..]);
            let mut longer = bytes.clone();
            longer.insert(at, b'0');
            refused(&longer);
        }
    }

    #[test]
    fn what_is_no_token_opens_nothing() {
        for text in ["", "ct_", "ct_x", "ct_====", "osb_1", "ct_\u{e9}"] {
            assert_eq!(tokens(7).grant(text, Millis(0)), None, "{text}");
        }
    }

    #[test]
    fn a_token_may_stand_in_an_address() {
        let token = tokens(7).token(&grant(true, true));
        let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        assert!(
            token.starts_with(MARK) && token.bytes().all(safe),
            "{token}"
        );
    }
}
