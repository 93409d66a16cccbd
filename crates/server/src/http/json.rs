//! A body as JSON, whatever the Content-Type says, with refusals that name the
//! field.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::body::read;
use super::canonical::canonical;
use super::problem::{Code, Problem};
use super::words;

/// Most characters of a parser's words that are passed on: they quote values.
const QUOTED: usize = 300;

/// A JSON object as it was sent.
#[derive(Debug)]
pub struct Sent {
    bytes: Bytes,
    value: Value,
}

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

    /// Refuses a null where null means nothing.
    ///
    /// # Errors
    /// 422 naming the field.
    pub fn no_null(&self, name: &str) -> Result<(), Problem> {
        match self.value.get(name) {
            Some(Value::Null) => Err(Problem::invalid(name, format!("`{name}` must not be null"))),
            _ => Ok(()),
        }
    }

    /// The same text for the same request, however it was written down: keys in
    /// order, no space, without the field `but`.
    #[must_use]
    pub fn canonical(&self, but: &str) -> String {
        canonical(&self.value, but)
    }
}

/// A refusal that names the field of that path, where the parser knows it.
pub(super) fn wrong(code: Code, path: &str, error: &dyn std::fmt::Display) -> Problem {
    let words = error.to_string();
    if let Some(wrong) = words::wrong(path, &words).filter(|_| path != ".") {
        return Problem::new(code, wrong.message).at(&wrong.field);
    }
    let message = cut(&words);
    match path {
        "." => Problem::new(code, message),
        path => Problem::new(code, format!("`{path}`: {message}")).at(path),
    }
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

fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::http::field::Object;

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
}
