//! Sealed tokens in header values, and what goes out in their place.
//!
//! Only values of headers are looked at, and in them also the credentials of
//! `Basic`. All tokens of a request are judged before any secret is asked for,
//! and one that may not go on stops the request.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::error::Reason;
use crate::pass::{Grant, Pass};

/// What every sealed token begins with.
const PREFIX: &str = "osb_sealed_";

/// Programs write base64 with and without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a request with a token does not go on. Knows names, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not a token of this sandbox.
    Unknown,
    /// The secret may go to `hosts`, and this is another.
    NotHere { name: String, hosts: Vec<String> },
    /// Anybody on the way could read it.
    Plain { name: String },
    /// It was deleted, or cannot be read.
    Gone { name: String },
    /// No header can carry it.
    Unfit { name: String },
}

impl Stop {
    /// The secret it is about.
    pub(super) fn secret(&self) -> Option<&str> {
        match self {
            Stop::Unknown => None,
            Stop::NotHere { name, .. }
            | Stop::Plain { name }
            | Stop::Gone { name }
            | Stop::Unfit { name } => Some(name),
        }
    }

    pub(super) fn reason(&self) -> Reason {
        match self {
            Stop::Plain { .. } => Reason::Plain,
            _ => Reason::Token,
        }
    }
}

/// Puts secrets in the place of their tokens; the names of those used.
pub(super) async fn swap(
    pass: &Pass,
    host: &str,
    secure: bool,
    headers: &mut HeaderMap,
) -> Result<Vec<String>, Stop> {
    let used = used(pass, host, secure, headers)?;
    if used.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = BTreeMap::new();
    for grant in used {
        let value = (pass.reveal)(grant.name.clone()).await;
        let gone = || Stop::Gone {
            name: grant.name.clone(),
        };
        values.insert(grant.token.as_str(), (grant, value.ok_or_else(gone)?));
    }
    for (_, value) in headers.iter_mut().filter(|(name, _)| **name != HOST) {
        if let Some(swapped) = replaced(value, &values)? {
            *value = swapped;
        }
    }
    Ok(values
        .values()
        .map(|(grant, _)| grant.name.clone())
        .collect())
}

type Values<'a> = BTreeMap<&'a str, (&'a Grant, SecretString)>;

/// The grants whose tokens are in there, each allowed to go.
fn used<'a>(
    pass: &'a Pass,
    host: &str,
    secure: bool,
    headers: &HeaderMap,
) -> Result<Vec<&'a Grant>, Stop> {
    let mut used: Vec<&Grant> = Vec::new();
    for (name, value) in headers {
        let inside = credentials(value);
        let texts = [Some(value.as_bytes()), inside.as_deref()];
        for token in texts.into_iter().flatten().flat_map(tokens) {
            let known = pass
                .grants
                .iter()
                .find(|grant| grant.token.as_bytes() == token);
            let grant = known.ok_or(Stop::Unknown)?;
            if name == HOST {
                return Err(Stop::Unknown);
            }
            let (name, covers) = (grant.name.clone(), grant.covers(host));
            if !covers {
                let hosts = grant.hosts.iter().map(ToString::to_string).collect();
                return Err(Stop::NotHere { name, hosts });
            }
            if !secure {
                return Err(Stop::Plain { name });
            }
            if !used.iter().any(|one| one.token == grant.token) {
                used.push(grant);
            }
        }
    }
    Ok(used)
}

/// The value with its secrets, if it had tokens.
fn replaced(value: &HeaderValue, values: &Values<'_>) -> Result<Option<HeaderValue>, Stop> {
    let bytes = match credentials(value) {
        Some(inside) if tokens(&inside).next().is_some() => {
            let inside = fill(&inside, values);
            let text = format!("Basic {}", BASE64.encode(inside.expose_secret()));
            SecretSlice::from(text.into_bytes())
        }
        _ if tokens(value.as_bytes()).next().is_some() => fill(value.as_bytes(), values),
        _ => return Ok(None),
    };
    let mut made = HeaderValue::from_bytes(bytes.expose_secret()).map_err(|_| Stop::Unfit {
        name: unfit(value, values),
    })?;
    // Kept out of logs, and out of the tables of HTTP/2's compression.
    made.set_sensitive(true);
    Ok(Some(made))
}

/// The first secret of this value that no header can carry.
fn unfit(value: &HeaderValue, values: &Values<'_>) -> String {
    let bad = |token: &&[u8]| {
        let found = values.iter().find(|one| one.0.as_bytes() == *token);
        found.is_some_and(|one| HeaderValue::from_str(one.1.1.expose_secret()).is_err())
    };
    let token = tokens(value.as_bytes()).find(|token| bad(token));
    token
        .and_then(|token| values.iter().find(|one| one.0.as_bytes() == token))
        .map_or_else(String::new, |one| one.1.0.name.clone())
}

fn fill(text: &[u8], values: &Values<'_>) -> SecretSlice<u8> {
    let mut filled = Vec::with_capacity(text.len() + 128);
    let mut rest = text;
    for token in tokens(text) {
        let at = offset(rest, token);
        filled.extend_from_slice(&rest[..at]);
        rest = &rest[at + token.len()..];
        match values.iter().find(|one| one.0.as_bytes() == token) {
            Some((_, (_, value))) => filled.extend_from_slice(value.expose_secret().as_bytes()),
            None => filled.extend_from_slice(token),
        }
    }
    filled.extend_from_slice(rest);
    SecretSlice::from(filled)
}

fn offset(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len())
        .position(|here| here == part)
        .unwrap_or(0)
}

/// Everything that looks like a token: the prefix and the letters and digits
/// that follow it.
fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let prefix = PREFIX.as_bytes();
        let at = rest.windows(prefix.len()).position(|here| here == prefix)?;
        let tail = &rest[at + prefix.len()..];
        let length = tail
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let token = &rest[at..at + prefix.len() + length];
        rest = &tail[length..];
        Some(token)
    })
}

/// `user:password` of `Basic` credentials.
fn credentials(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, rest) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    BASE64.decode(rest.trim_ascii()).ok()
}

#[cfg(test)]
#[path = "swap_tests.rs"]
mod tests;
