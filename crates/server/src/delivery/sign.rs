//! The signature of a webhook: a keyed hash over id, moment and body, as the
//! Standard Webhooks scheme has it, so that existing verifiers work.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Base64 with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of `webhook-signature`: one signature for each secret, the newest
/// first; `None` without a secret.
pub(super) fn signatures(
    secrets: &[SecretString],
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Option<String> {
    let each = secrets.iter().map(|secret| sign(secret, id, seconds, body));
    let all: Vec<_> = each.collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn sign(secret: &SecretString, id: &str, seconds: i64, body: &[u8]) -> String {
    let key = key(secret.expose_secret());
    #[expect(clippy::expect_used, reason = "a key of any length will do")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length is a key");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    let signature = general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    format!("v1,{signature}")
}

/// The bytes of a secret: what is encoded behind `whsec_`, if it is encoded there,
/// else the whole text.
fn key(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    match LENIENT.decode(encoded) {
        Ok(bytes) if !bytes.is_empty() => bytes,
        _ => secret.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_is_encoded_or_else_the_text() {
        for (secret, want) in [
            ("whsec_aGVsbG8=", &b"hello"[..]),
            ("whsec_aGVsbG8", b"hello"),
            ("aGVsbG8=", b"hello"),
            ("whsec_not base64!", b"whsec_not base64!"),
            ("whsec_", b"whsec_"),
            ("whsec_aGVsbG9", b"whsec_aGVsbG9"),
            ("", b""),
        ] {
            assert_eq!(key(secret), want, "{secret}");
        }
    }

    #[test]
    fn a_known_message_has_its_known_signature() {
        // The example of the Standard Webhooks libraries.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let got = signatures(
            &[secret.clone(), SecretString::from("x")],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        let got = got.unwrap();
        let (first, second) = got.split_once(' ').unwrap();
        assert_eq!(first, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(second.starts_with("v1,") && second != first);
        assert_eq!(signatures(&[], "m", 1, body), None);
    }
}
