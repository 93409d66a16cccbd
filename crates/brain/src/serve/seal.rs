//! Signatures of thinking. One covers the thinking itself and everything that
//! came before it, so that a client that changes a byte of either is found out.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What came before, as far as it was taken in. Marks for caching do not count.
#[derive(Clone, Default)]
pub(super) struct Seal(Sha256);

impl Seal {
    /// Takes in a part of the prefix.
    pub fn take(&mut self, value: &Value) {
        let mut value = value.clone();
        strip(&mut value);
        self.0.update(value.to_string().as_bytes());
        self.0.update([0]);
    }

    /// The signature of something said right after the prefix.
    pub fn sign(&self, said: &str) -> String {
        let mut hash = self.0.clone();
        hash.update(said.as_bytes());
        let digest = hash.finalize();
        digest.iter().fold(String::from("sig_"), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("cache_control");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signature_covers_all_that_came_before_except_cache_marks() {
        let sign = |prefix: &[Value], said: &str| {
            let mut seal = Seal::default();
            prefix.iter().for_each(|value| seal.take(value));
            seal.sign(said)
        };
        let (a, b) = (json!({ "text": "a" }), json!({ "text": "b" }));
        let marked = json!({ "text": "a", "cache_control": { "type": "ephemeral" } });
        let plain = sign(std::slice::from_ref(&a), "hm");
        assert_eq!(plain, sign(&[marked], "hm"));
        assert_ne!(plain, sign(std::slice::from_ref(&a), "hmm"));
        assert_ne!(plain, sign(std::slice::from_ref(&b), "hm"));
        assert_ne!(sign(&[a.clone(), b.clone()], "x"), sign(&[b, a], "x"));
    }
}
