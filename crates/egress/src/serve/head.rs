//! Heads of requests: whom they are for, and what of them concerns only one
//! connection. Pure.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Request, Uri};

use crate::host::plain;

/// The host a request is for, in its one spelling. `None`: it names none, or
/// two.
pub(super) fn host<B>(request: &Request<B>) -> Option<String> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = match (named.next(), named.next()) {
        (_, Some(_)) => return None,
        (None, None) => None,
        (Some(value), None) => Some(of(value.to_str().ok()?)?),
    };
    let line = match request.uri().authority() {
        Some(authority) => Some(of(authority.as_str())?),
        None => None,
    };
    match (line, header) {
        (Some(line), Some(header)) => (line == header).then_some(line),
        (line, header) => line.or(header),
    }
}

/// The host of `host` or `host:port`; nobody has a user before it.
fn of(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    if text.contains('@') {
        return None;
    }
    plain(authority.host())
}

/// Makes the request one between us and the server: its address in the form of
/// that version, nothing left that was between the program and us.
pub(super) fn readdress<B>(request: &mut Request<B>, two: bool, secure: bool) {
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = request.uri().clone().into_parts();
    if two {
        let scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
        parts.scheme = Some(scheme);
        if let Some(host) = request.headers_mut().remove(HOST) {
            let named = || host.to_str().ok()?.parse().ok();
            parts.authority = parts.authority.or_else(named);
        }
    } else {
        if let Some(authority) = parts.authority.take()
            && !request.headers().contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        parts.scheme = None;
    }
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    bare(request.headers_mut());
}

/// Whether this request would go on as another protocol. HTTP/2 without TLS
/// would carry requests past us, so that offer is not passed on.
pub(super) fn upgrades(headers: &HeaderMap) -> bool {
    let mut words = headers.get_all(UPGRADE).iter().map(HeaderValue::to_str);
    headers.contains_key(UPGRADE)
        && words.all(|word| word.is_ok_and(|word| !word.to_ascii_lowercase().contains("h2")))
}

/// Takes out what concerns one connection only (RFC 9110, 7.6.1).
fn bare(headers: &mut HeaderMap) {
    let upgrades = upgrades(headers);
    for name in listed(headers) {
        // How the message is framed and whom it is for is nobody's to remove.
        if ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TE, UPGRADE].contains(&name) {
            headers.remove(name);
        }
    }
    for name in [
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "http2-settings",
    ] {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    if upgrades {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(UPGRADE);
    }
}

fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_request_is_for_one_host_or_for_nobody() {
        type Row = (
            &'static str,
            &'static [(&'static str, &'static str)],
            Option<&'static str>,
        );
        let table: [Row; 11] = [
            ("/", &[("host", "a.example")], Some("a.example")),
            ("/", &[("host", "A.Example.:8443")], Some("a.example")),
            ("/", &[("host", "[::1]:8443")], Some("::1")),
            ("https://a.example/", &[], Some("a.example")),
            (
                "https://a.example:1/",
                &[("host", "a.example")],
                Some("a.example"),
            ),
            ("https://a.example/", &[("host", "b.example")], None),
            ("/", &[("host", "a.example"), ("host", "a.example")], None),
            ("/", &[], None),
            ("/", &[("host", "")], None),
            ("/", &[("host", "a.example@b.example")], None),
            ("/", &[("host", "a.example, b.example")], None),
        ];
        for (uri, headers, expected) in table {
            let host = host(&request(uri, headers));
            assert_eq!(host.as_deref(), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn what_was_between_the_program_and_us_does_not_go_on() {
        let mut given = request(
            "https://a.example/path?q=1",
            &[
                ("connection", "close, X-Own, host"),
                ("x-own", "1"),
                ("proxy-authorization", "Basic eA=="),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABkAAQAAP__"),
                ("te", "trailers"),
                ("accept", "*/*"),
            ],
        );
        readdress(&mut given, false, true);
        assert_eq!(given.uri().to_string(), "/path?q=1");
        let mut left: Vec<_> = given.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host", "te"]);
        assert_eq!(given.headers()["host"], "a.example");
    }

    #[test]
    fn a_request_of_version_two_carries_its_address_in_its_line() {
        let mut given = request("/path", &[("host", "a.example")]);
        readdress(&mut given, true, true);
        assert_eq!(given.uri().to_string(), "https://a.example/path");
        assert!(!given.headers().contains_key("host"));
    }

    #[test]
    fn a_websocket_is_asked_for_and_hidden_requests_are_not() {
        let mut given = request(
            "/",
            &[
                ("host", "a"),
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
            ],
        );
        assert!(upgrades(given.headers()));
        readdress(&mut given, false, true);
        assert_eq!(given.headers()["connection"], "upgrade");
        assert_eq!(given.headers()["upgrade"], "websocket");
        assert!(!upgrades(
            request("/", &[("upgrade", "websocket, H2C")]).headers()
        ));
    }
}
