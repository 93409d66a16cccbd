//! What is sent to an agent's address: one JSON value and perhaps a key, under
//! stricter rules than elsewhere, because strangers' programs send it.

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use serde_json::Value;

use crate::http::body;
use crate::http::problem::{Code, Problem};

/// Most bytes of a body.
pub const MOST: usize = 24 * 1024;
/// Most characters of a key.
const KEY: usize = 255;
/// Most characters of a parser's words that are passed on: they quote values.
const QUOTED: usize = 200;

/// What was sent.
#[derive(Debug, PartialEq)]
pub struct Asked {
    /// The JSON value; null for an empty body.
    pub payload: Value,
    /// Makes the request happen once.
    pub key: Option<String>,
}

/// Refuses a query: what is asked stands in the body alone.
///
/// # Errors
/// 400 if there is one, be it empty.
pub fn plain(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            Code::Malformed,
            "an agent's address takes no query: send what you have to say as JSON",
        )),
    }
}

/// Reads what was sent. Its key is in the first of these headers that is there.
///
/// # Errors
/// 400, 413 or 415, by what is wrong.
pub async fn read(request: Request, keys: &[&str], may_be_empty: bool) -> Result<Asked, Problem> {
    plain(request.uri())?;
    let key = key(request.headers(), keys)?;
    unpacked(request.headers())?;
    let json = is_json(request.headers());
    let bytes = body::read_up_to(request, MOST).await?;
    let payload = match (bytes.is_empty(), json) {
        (true, _) if may_be_empty => Value::Null,
        (_, false) => {
            return Err(Problem::new(
                Code::UnsupportedMedia,
                "send one JSON value with `Content-Type: application/json`",
            ));
        }
        (_, true) => serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?,
    };
    Ok(Asked { payload, key })
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let words: String = error.to_string().chars().take(QUOTED).collect();
    let message = format!("the body must be exactly one JSON value: {words}");
    Problem::new(Code::Malformed, message)
}

/// Refuses packed bodies: what is counted must be what is read.
fn unpacked(headers: &HeaderMap) -> Result<(), Problem> {
    let packed = |value: &axum::http::HeaderValue| {
        !value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    };
    match headers.get_all(CONTENT_ENCODING).iter().any(packed) {
        false => Ok(()),
        true => Err(Problem::new(
            Code::UnsupportedMedia,
            "send the body as it is, without a Content-Encoding",
        )),
    }
}

/// `application/json` or a type that is said to be JSON, in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(kind) = kind.to_str() else {
        return false;
    };
    let kind = kind.to_ascii_lowercase();
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = essence == "application/json"
        || essence
            .strip_prefix("application/")
            .is_some_and(|sub| sub.len() > "+json".len() && sub.ends_with("+json"));
    let utf8 = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim() == "charset" => {
            matches!(
                value.trim().trim_matches('"'),
                "utf-8" | "utf8" | "us-ascii"
            )
        }
        _ => true,
    };
    json && parts.all(utf8)
}

fn key(headers: &HeaderMap, names: &[&str]) -> Result<Option<String>, Problem> {
    for name in names {
        let mut values = headers.get_all(*name).iter();
        let Some(value) = values.next() else { continue };
        let text = value.to_str().unwrap_or_default().trim();
        if text.is_empty() || text.len() > KEY || values.next().is_some() {
            let message = format!("`{name}` must be given once, as 1 to {KEY} plain characters");
            return Err(Problem::malformed(name, message));
        }
        return Ok(Some(text.to_owned()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;

    const KEYS: [&str; 2] = ["idempotency-key", "webhook-id"];

    async fn asked(headers: &[(&str, &[u8])], body: &str, empty: bool) -> Result<Asked, Problem> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(
            request.body(Body::from(body.to_owned())).unwrap(),
            &KEYS,
            empty,
        )
        .await
    }

    const JSON: (&str, &[u8]) = ("content-type", b"application/json");

    #[tokio::test]
    async fn any_json_value_is_taken_and_nothing_beside_it() {
        for text in ["{\"a\":1}", "[]", "\"x\"", "5", "null", " true\n"] {
            let got = asked(&[JSON], text, false).await.unwrap();
            assert_eq!(got.payload, serde_json::from_str::<Value>(text).unwrap());
        }
        for text in [
            "",
            " ",
            "{",
            "1 2",
            "{}x",
            "'a'",
            "NaN",
            "\u{feff}{}",
            "[1,]",
        ] {
            let problem = asked(&[JSON], text, false).await.unwrap_err();
            assert_eq!(problem.code, Code::Malformed, "{text:?}");
        }
        let deep = "[".repeat(5000);
        assert!(asked(&[JSON], &deep, false).await.is_err());
    }

    #[tokio::test]
    async fn nothing_at_all_is_null_where_that_may_be() {
        let null = Asked {
            payload: json!(null),
            key: None,
        };
        assert_eq!(asked(&[], "", true).await, Ok(null));
        let typed = [("content-type", b"text/plain".as_slice())];
        assert!(asked(&typed, "", true).await.is_ok());
        assert_eq!(
            asked(&[JSON], " ", true).await.unwrap_err().code,
            Code::Malformed
        );
    }

    #[tokio::test]
    async fn the_type_must_be_json_and_the_body_unpacked() {
        let table: [(&[u8], bool); 11] = [
            (b"application/json", true),
            (b"Application/JSON ; Charset=\"UTF-8\"", true),
            (b"application/cloudevents+json", true),
            (b"application/json; charset=utf-16", false),
            (b"application/+json", false),
            (b"application/jsonx", false),
            (b"text/json", false),
            (b"text/plain", false),
            (b"application/x-www-form-urlencoded", false),
            (b"multipart/form-data; boundary=x", false),
            (b"\xff", false),
        ];
        for (kind, good) in table {
            let got = asked(&[("content-type", kind)], "{}", true).await;
            assert_eq!(got.is_ok(), good, "{}", String::from_utf8_lossy(kind));
            if let Err(problem) = got {
                assert_eq!(problem.code, Code::UnsupportedMedia);
            }
        }
        assert!(asked(&[JSON, JSON], "{}", true).await.is_err(), "two types");
        for (packed, good) in [
            ("gzip", false),
            ("identity", true),
            ("gzip, identity", false),
        ] {
            let got = asked(&[JSON, ("content-encoding", packed.as_bytes())], "{}", true).await;
            assert_eq!(got.is_ok(), good, "{packed}");
        }
    }

    #[tokio::test]
    async fn a_body_is_counted_to_the_byte() {
        for (size, fits) in [(MOST, true), (MOST + 1, false)] {
            let text = format!("\"{}\"", "x".repeat(size - 2));
            let got = asked(&[JSON], &text, false).await;
            assert_eq!(
                got.map(drop).map_err(|problem| problem.code),
                match fits {
                    true => Ok(()),
                    false => Err(Code::TooLarge),
                }
            );
        }
    }

    #[tokio::test]
    async fn the_first_key_there_is_counts_and_a_bad_one_is_refused() {
        let long = "k".repeat(KEY + 1);
        type Sent<'a> = &'a [(&'a str, &'a [u8])];
        let table: [(Sent<'_>, Result<Option<&str>, ()>); 8] = [
            (&[], Ok(None)),
            (&[("webhook-id", b"w")], Ok(Some("w"))),
            (
                &[("webhook-id", b"w"), ("Idempotency-Key", b" k ")],
                Ok(Some("k")),
            ),
            (&[("idempotency-key", b""), ("webhook-id", b"w")], Err(())),
            (&[("idempotency-key", b"\xff")], Err(())),
            (&[("idempotency-key", "ü".as_bytes())], Err(())),
            (
                &[("idempotency-key", b"a"), ("idempotency-key", b"b")],
                Err(()),
            ),
            (&[("idempotency-key", long.as_bytes())], Err(())),
        ];
        for (headers, want) in table {
            let got = asked(headers, "", true).await;
            let got = got.map(|asked| asked.key).map_err(|problem| {
                assert_eq!(problem.code, Code::Malformed);
            });
            assert_eq!(got, want.map(|key| key.map(str::to_owned)), "{headers:?}");
        }
    }

    #[test]
    fn a_query_is_refused_even_if_empty() {
        for (uri, good) in [("/", true), ("/?", false), ("/?a=1", false)] {
            assert_eq!(plain(&uri.parse().unwrap()).is_ok(), good, "{uri}");
        }
    }
}
