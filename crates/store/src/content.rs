//! Bodies too large for the log: the whole goes to the blob store before the
//! event that names it, and the event keeps what fits.

use bytes::Bytes;
use serde_json::{Map, Value};
use session::event::Content;
use session::{Draft, excerpt};

use crate::blobs::Blobs;
use crate::{Error, Store};

/// Bytes of a body, as JSON, that stand in the log.
const BODY: usize = 32 * 1024;
/// Bytes of one text that are left of a body over that.
const LEFT: usize = 4 * 1024;
/// Marks a blob that is the body itself, and not what was attached to it.
const IS_BODY: &str = ".body";

/// A draft as it will stand in the log.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) draft: Draft,
    pub(crate) content: Option<Content>,
    /// Its body as JSON.
    pub(crate) body: String,
}

impl Store {
    /// Puts large bodies away. Must be done before the transaction, so that an
    /// event never names a blob that is not there.
    pub(crate) async fn place(
        &self,
        session: &str,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Placed>, Error> {
        let mut placed = Vec::with_capacity(drafts.len());
        for draft in drafts {
            placed.push(self.place_one(session, draft).await?);
        }
        Ok(placed)
    }

    async fn place_one(&self, session: &str, mut draft: Draft) -> Result<Placed, Error> {
        let mut body = json(&draft.body);
        let attached = draft.attached.take().filter(|whole| whole.len() > BODY);
        let mut content = None;
        if let Some(whole) = attached {
            let key = Blobs::key(session, &whole);
            content = Some(
                self.keep(session, key, Bytes::copy_from_slice(&whole))
                    .await?,
            );
        }
        if body.len() > BODY {
            if content.is_none() {
                let key = format!("{}{IS_BODY}", Blobs::key(session, body.as_bytes()));
                content = Some(self.keep(session, key, Bytes::from(body)).await?);
            }
            draft.body = shortened(draft.body);
            body = json(&draft.body);
        }
        Ok(Placed {
            draft,
            content,
            body,
        })
    }

    async fn keep(&self, session: &str, blob: String, bytes: Bytes) -> Result<Content, Error> {
        let size = bytes.len() as u64;
        self.litter(session).await?;
        self.blobs().put(&blob, bytes).await?;
        Ok(Content { blob, bytes: size })
    }

    /// The body as it was before it was shortened, if it was.
    pub(crate) async fn whole_body(
        &self,
        content: &Content,
    ) -> Result<Option<Map<String, Value>>, Error> {
        if !content.blob.ends_with(IS_BODY) {
            return Ok(None);
        }
        let bytes = self.blobs().get(&content.blob).await?;
        let body = serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt {
            what: "large body",
            why: error.to_string(),
        })?;
        Ok(Some(body))
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Maps with text keys always serialize.
    serde_json::to_string(value).unwrap_or_default()
}

/// The body with the two ends of long texts, and without other large values.
fn shortened(body: Map<String, Value>) -> Map<String, Value> {
    let bytes = body.get("bytes").and_then(Value::as_u64);
    let short = |(key, value): (String, Value)| match value {
        Value::String(text) if text.len() > LEFT => {
            let all = bytes.filter(|_| key == "output").unwrap_or_default();
            Some((key, Value::String(excerpt(&text, LEFT, all))))
        }
        Value::Object(_) | Value::Array(_) if json(&value).len() > LEFT => None,
        value => Some((key, value)),
    };
    body.into_iter().filter_map(short).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_shortened_body_keeps_what_is_small_and_both_ends_of_what_is_long() {
        let Value::Object(body) = json!({
            "text": "é".repeat(LEFT) + "end", "n": 7, "small": {"a": 1}, "raw": vec!["x"; LEFT],
        }) else {
            unreachable!()
        };
        let short = shortened(body);
        assert_eq!(short["n"], 7);
        assert_eq!(short["small"], json!({"a": 1}));
        assert!(!short.contains_key("raw"));
        let text = short["text"].as_str().unwrap();
        assert!(text.len() < LEFT + 50 && text.starts_with("éé") && text.ends_with("éend"));
    }
}
