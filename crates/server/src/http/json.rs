//! Reading a body: JSON whatever the Content-Type says, with a limit on its size
//! and on the time it may take, and refusals that name the field.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::{Code, Problem};

/// Most bytes of a body.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// Bytes beyond the limit that are read and dropped, so that a client that
/// writes first and reads later still gets its answer.
const DROPPED: usize = 4 * BODY_LIMIT;
/// Longest a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most characters of a parser's words that are passed on: they quote values.
const QUOTED: usize = 300;

/// A JSON object as it was sent.
#[derive(Debug)]
pub struct Sent {
    bytes: Bytes,
    value: Value,
}

/// A part of a body that must be an object: a list of values in the order of its
/// fields would do for a derived type, and must not do here.
#[derive(Debug)]
pub struct Object<T>(pub T);

/// A JSON object as it was sent; no body at all is an empty object.
#[derive(Debug)]
pub struct MaybeSent(pub Sent);

impl Sent {
    fn read(bytes: Bytes) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let what = if bytes.is_empty() {
                "the body is empty".to_owned()
            } else {
                cut(&error.to_string())
            };
            Problem::new(
                Code::Malformed,
                format!("the body must be a JSON object: {what}"),
            )
        })?;
        if !value.is_object() {
            return Err(Problem::new(
                Code::Invalid,
                "the body must be a JSON object",
            ));
        }
        Ok(Self { bytes, value })
    }

    /// The object as a type.
    ///
    /// # Errors
    /// 422 naming the field that has another type or a wrong value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let path = error.path().to_string();
            wrong(Code::Invalid, &path, &error.into_inner())
        })
    }

    /// A part of the object, read from the very text that was sent.
    ///
    /// # Errors
    /// 422 if it cannot be read so.
    pub fn verbatim<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Problem::new(Code::Invalid, cut(&error.to_string())))
    }

    /// Refuses fields of the contract that this build does not have yet, rather
    /// than ignoring them. A field that asks for nothing is no request.
    ///
    /// # Errors
    /// 422 naming the field.
    pub fn refuse(&self, unbuilt: &[&str]) -> Result<(), Problem> {
        let asks = |name: &&&str| match self.value.get(**name) {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        match unbuilt.iter().find(asks) {
            None => Ok(()),
            Some(name) => {
                let message = format!(
                    "`{name}` is not supported by this build yet; send the request without it"
                );
                Err(Problem::new(Code::FieldNotSupported, message).at(name))
            }
        }
    }

    /// Whether a field is there at all, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// The same text for the same request, however it was written down: keys in
    /// order, no space, without the field `but`.
    #[must_use]
    pub fn canonical(&self, but: &str) -> String {
        let mut text = String::with_capacity(self.bytes.len());
        write_sorted(&self.value, but, &mut text);
        text
    }
}

fn write_sorted(value: &Value, but: &str, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().filter(|(key, _)| *key != but).collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, field)) in fields.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(field, "", out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_sorted(item, "", out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// A refusal that names the field of that path, where the parser knows it.
pub(super) fn wrong(code: Code, path: &str, error: &dyn std::fmt::Display) -> Problem {
    let message = cut(&error.to_string());
    match path {
        "." => Problem::new(code, message),
        path => Problem::new(code, format!("`{path}`: {message}")).at(path),
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(Fields(std::marker::PhantomData))
    }
}

/// The value of a field that must be there.
///
/// # Errors
/// 422 naming the field.
pub fn need<T>(field: Option<T>, name: &str) -> Result<T, Problem> {
    field.ok_or_else(|| Problem::invalid(name, format!("`{name}` is required")))
}

/// A short text without control characters: a name, a key, a model.
///
/// # Errors
/// 422 naming the field.
pub fn short(text: String, name: &str, most: usize) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must not be empty"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must not hold control characters"),
        ));
    }
    if text.chars().count() > most {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must have at most {most} characters"),
        ));
    }
    Ok(text)
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Self::read(read(request).await?)
    }
}

impl<S: Send + Sync> FromRequest<S> for MaybeSent {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        Sent::read(if blank {
            Bytes::from_static(b"{}")
        } else {
            bytes
        })
        .map(Self)
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let told = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let reading = collect(request.into_body(), told.unwrap_or(0));
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| {
            let message = format!(
                "the body did not arrive within {} seconds",
                PATIENCE.as_secs()
            );
            Err(Problem::new(Code::Timeout, message))
        })
}

async fn collect(body: Body, told: usize) -> Result<Bytes, Problem> {
    let mut parts = body.into_data_stream();
    if told > BODY_LIMIT {
        return Err(too_large(parts, 0).await);
    }
    let mut whole = BytesMut::with_capacity(told);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            Problem::new(Code::Malformed, format!("the body broke off: {error}"))
        })?;
        if whole.len() + part.len() > BODY_LIMIT {
            return Err(too_large(parts, whole.len()).await);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

async fn too_large(mut rest: BodyDataStream, mut seen: usize) -> Problem {
    while let Some(Ok(part)) = rest.next().await {
        seen += part.len();
        if seen > DROPPED {
            break;
        }
    }
    Problem::new(
        Code::TooLarge,
        format!("the body is over the limit of {BODY_LIMIT} bytes"),
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only its type matters")]
        tokens: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        name: Option<String>,
        #[expect(dead_code, reason = "only its type matters")]
        limits: Option<Object<Inner>>,
    }

    fn sent(text: &str) -> Result<Sent, Problem> {
        Sent::read(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_by_what_is_wrong_with_it() {
        for (text, code) in [
            ("", Code::Malformed),
            ("{", Code::Malformed),
            ("name=x", Code::Malformed),
            ("{\"a\":\"\\ud800\"}", Code::Malformed),
            ("[]", Code::Invalid),
            ("null", Code::Invalid),
        ] {
            assert_eq!(sent(text).unwrap_err().code, code, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(sent(&deep).unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        for (text, param) in [
            ("{\"name\":5}", "name"),
            ("{\"limits\":{\"tokens\":\"many\"}}", "limits.tokens"),
            ("{\"limits\":{\"tokens\":-1}}", "limits.tokens"),
            ("{\"limits\":[7]}", "limits"),
        ] {
            let problem = sent(text).unwrap().parse::<Outer>().unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::Invalid, Some(param)),
                "{text}"
            );
            assert!(problem.message.contains(param), "{}", problem.message);
        }
        let long = format!("{{\"limits\":\"{}\"}}", "x".repeat(100_000));
        assert!(
            sent(&long)
                .unwrap()
                .parse::<Outer>()
                .unwrap_err()
                .message
                .len()
                < 1000
        );
    }

    #[test]
    fn unknown_and_null_fields_are_ignored() {
        let outer: Outer = sent("{\"name\":null,\"new\":1}").unwrap().parse().unwrap();
        assert_eq!(outer.name, None);
    }

    #[test]
    fn an_unbuilt_field_is_refused_only_if_it_asks_for_something() {
        for (text, refused) in [
            ("{}", false),
            ("{\"sources\":null}", false),
            ("{\"sources\":[]}", false),
            ("{\"sources\":[1]}", true),
            ("{\"sources\":\"x\"}", true),
        ] {
            let answer = sent(text).unwrap().refuse(&["webhook", "sources"]);
            assert_eq!(answer.is_err(), refused, "{text}");
            if let Err(problem) = answer {
                assert_eq!(problem.param.as_deref(), Some("sources"));
            }
        }
    }

    #[test]
    fn the_canonical_form_forgets_order_space_and_the_key_but_nothing_else() {
        let one = sent("{\"b\":[1, {\"y\":1,\"x\":2}], \"key\":\"k\", \"a\":\"ü\"}").unwrap();
        let two =
            sent("{\"a\":\"\\u00fc\",\"b\":[1,{\"x\":2,\"y\":1}],\"key\":\"other\"}").unwrap();
        assert_eq!(one.canonical("key"), two.canonical("key"));
        assert_ne!(one.canonical(""), two.canonical(""));
        assert_eq!(
            one.canonical("key"),
            "{\"a\":\"ü\",\"b\":[1,{\"x\":2,\"y\":1}]}"
        );
    }

    #[test]
    fn a_short_text_is_short_and_plain() {
        for (text, good) in [
            ("coder", true),
            ("ein Name", true),
            ("", false),
            ("  ", false),
            ("a\0b", false),
        ] {
            assert_eq!(short(text.to_owned(), "name", 8).is_ok(), good, "{text:?}");
        }
        assert!(short("x".repeat(9), "name", 8).is_err());
    }
}
