//! Tokens of hooks: what is made of them, and what can be one at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// What each begins with.
const PREFIX: &str = "ochk_v1_";
/// Random bytes of one.
const RANDOM: usize = 32;

/// A new token, which nobody can guess.
#[must_use]
pub fn fresh() -> SecretString {
    let random: [u8; RANDOM] = rand::random();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)).into()
}

/// Whether the text is written as a token is: whatever else stands in a path is
/// none, and need not be looked for.
#[must_use]
pub fn is_one(text: &str) -> bool {
    let random = text.strip_prefix(PREFIX);
    random.is_some_and(|random| {
        random.len() == (RANDOM * 8).div_ceil(6)
            && URL_SAFE_NO_PAD
                .decode(random)
                .is_ok_and(|bytes| bytes.len() == RANDOM)
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_long_url_safe_and_never_the_same() {
        let (one, two) = (fresh(), fresh());
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert_eq!(one.expose_secret().len(), 51);
        assert!(is_one(one.expose_secret()));
    }

    #[test]
    fn nothing_else_is_one() {
        let made = fresh();
        let good = made.expose_secret();
        for bad in [
            String::new(),
            PREFIX.to_owned(),
            good[..50].to_owned(),
            format!("{good}A"),
            format!("{good}/"),
            good.replacen("ochk", "OCHK", 1),
            format!("{}é", &good[..49]),
            format!("{}%2f", &good[..48]),
        ] {
            assert!(!is_one(&bad), "{bad}");
        }
    }
}
