//! Reading the query and the path: every parameter has a type, and a wrong one
//! is named (400).

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use session::Millis;
use store::{Cursor, Page};

use super::json::wrong;
use super::problem::{Code, Problem};

/// The query as a type.
#[derive(Debug)]
pub struct Params<T>(pub T);

/// The parameters of the path, in order.
#[derive(Debug)]
pub struct At<const N: usize>(pub [String; N]);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    // A NUL is nothing that any row could hold, and not every database says so.
    if query.contains("%00") {
        return Err(Problem::new(
            Code::Malformed,
            "the query must not hold NUL characters",
        ));
    }
    let pairs = serde_urlencoded::Deserializer::new(form(query));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        wrong(Code::Malformed, &path, &error.into_inner())
    })
}

fn form(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for At<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params =
            params.map_err(|_| Problem::new(Code::NotFound, "there is nothing at this path"))?;
        let values: Vec<_> = params.iter().map(|(_, value)| value.to_owned()).collect();
        if values
            .iter()
            .any(|value| value.chars().any(char::is_control))
        {
            return Err(Problem::new(
                Code::NotFound,
                "there is nothing at this path",
            ));
        }
        let values = values.try_into();
        values
            .map(Self)
            .map_err(|_| Problem::new(Code::Internal, "a route and its handler do not match"))
    }
}

/// The page asked for: `limit` clamped to `most`, `cursor` as we gave it out.
///
/// # Errors
/// 400 naming the parameter.
pub fn page(
    limit: Option<u64>,
    cursor: Option<&str>,
    default: usize,
    most: usize,
) -> Result<Page, Problem> {
    let after = match cursor.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let cursor = Cursor::parse(text);
            Some(cursor.ok_or_else(|| {
                Problem::malformed("cursor", "`cursor` must be a `next_cursor` of this list")
            })?)
        }
    };
    Ok(Page {
        after,
        limit: size(limit, default, most)?,
    })
}

/// The page size asked for, clamped to `most`.
///
/// # Errors
/// 400 if it is zero.
pub fn size(limit: Option<u64>, default: usize, most: usize) -> Result<usize, Problem> {
    match limit {
        None => Ok(default),
        Some(0) => Err(Problem::malformed("limit", "`limit` must be 1 or more")),
        Some(n) => Ok(usize::try_from(n).unwrap_or(most).min(most)),
    }
}

/// A moment as RFC 3339.
///
/// # Errors
/// 400 naming the parameter.
pub fn moment(text: Option<&str>, param: &str) -> Result<Option<Millis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::malformed(
            param,
            format!("`{param}` must be a time such as 2026-01-31T12:00:00Z"),
        )
    })?;
    Ok(Some(Millis(at.as_millisecond())))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Query {
        after: Option<u64>,
        kind: Option<String>,
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, param) in [
            ("after=x", "after"),
            ("after=-1", "after"),
            ("after=", "after"),
        ] {
            let problem = read::<Query>(query).unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::Malformed, Some(param)),
                "{query}"
            );
        }
        let twice = read::<Query>("after=1&after=2").unwrap_err();
        assert!(twice.message.contains("`after`"), "{}", twice.message);
        assert!(read::<Query>("kind=a%00b").is_err());
    }

    #[test]
    fn unknown_parameters_are_ignored_and_text_is_decoded() {
        let query: Query = read("after=5&kind=tool.%2A&new=1").unwrap();
        assert_eq!(
            (query.after, query.kind.as_deref()),
            (Some(5), Some("tool.*"))
        );
    }

    #[test]
    fn a_page_is_clamped_and_its_cursor_is_ours() {
        for (limit, want) in [
            (None, 50),
            (Some(7), 7),
            (Some(1000), 100),
            (Some(u64::MAX), 100),
        ] {
            assert_eq!(page(limit, None, 50, 100).unwrap().limit, want);
        }
        assert_eq!(
            page(Some(0), None, 50, 100).unwrap_err().param.as_deref(),
            Some("limit")
        );
        assert_eq!(
            page(None, Some("zzz"), 50, 100)
                .unwrap_err()
                .param
                .as_deref(),
            Some("cursor")
        );
        let cursor = Cursor {
            created: Millis(7),
            id: "ses_1".to_owned(),
        };
        assert_eq!(
            page(None, Some(&cursor.to_string()), 50, 100)
                .unwrap()
                .after,
            Some(cursor)
        );
    }

    #[test]
    fn a_moment_is_rfc_3339() {
        assert_eq!(
            moment(Some("1970-01-01T00:00:01Z"), "after").unwrap(),
            Some(Millis(1000))
        );
        assert_eq!(moment(None, "after").unwrap(), None);
        assert_eq!(
            moment(Some("yesterday"), "after")
                .unwrap_err()
                .param
                .as_deref(),
            Some("after")
        );
    }
}
