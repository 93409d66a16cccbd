//! The same listener as an HTTP proxy, for where there is no redirect and
//! programs are told of it by `HTTP_PROXY` and `HTTPS_PROXY`.
//!
//! `CONNECT host:port` becomes a stream; the plain form (`GET http://…`) is
//! passed on with its first line made relative and one request for each
//! connection. Names are resolved on the host.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::carry::carry;
use super::host::Host;
use crate::mux::{Channel, Item};
use crate::request::{CONNECTED, Open};

/// A request's head may be so long and take so long.
const LONGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// A parsed request head.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    host: String,
    port: u16,
    /// What goes to the server first; `None` for CONNECT.
    head: Option<Vec<u8>>,
}

/// Serves one proxy client. False: it was refused without a word, reset it.
pub(super) async fn serve(stream: &mut TcpStream, host: &Host) -> bool {
    let Ok(Ok((head, rest))) = timeout(PATIENCE, hear(stream)).await else {
        return false;
    };
    let Some(request) = parse(&head) else {
        return say(stream, "400 Bad Request").await;
    };
    let Some(channel) = connect(host, &request).await else {
        return say(stream, "502 Bad Gateway").await;
    };
    let opening = match &request.head {
        None => stream
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .is_ok(),
        Some(head) => channel.tx.data(head.clone()).await.is_ok(),
    };
    if !opening || (!rest.is_empty() && channel.tx.data(rest).await.is_err()) {
        return false;
    }
    let (reader, writer) = stream.split();
    carry(channel, reader, writer).await.is_ok()
}

/// The head up to its empty line, and what came after it.
async fn hear(stream: &mut TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok((bytes, rest));
        }
        if bytes.len() > LONGEST || stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

async fn connect(host: &Host, request: &Request) -> Option<Channel> {
    let open = Open::DialName {
        host: request.host.clone(),
        port: request.port,
    };
    let mut channel = host.open(&open).await.ok()?;
    match channel.rx.next().await {
        Ok(Some(Item::Tell(word))) if word == CONNECTED => Some(channel),
        _ => None,
    }
}

/// Answers without a connection; the client sees why, then the end.
async fn say(stream: &mut TcpStream, status: &str) -> bool {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let said = stream.write_all(answer.as_bytes()).await;
    said.is_ok() && stream.shutdown().await.is_ok()
}

fn parse(head: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(head).ok()?;
    let (first, headers) = text.split_once("\r\n")?;
    let mut words = first.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        let (host, port) = authority(target, None)?;
        return Some(Request {
            host,
            port,
            head: None,
        });
    }
    let rest = target.strip_prefix("http://")?;
    let (server, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = authority(server, Some(80))?;
    let mut head = format!("{method} {path} {version}\r\n");
    for line in headers.split_terminator("\r\n").filter(|line| passes(line)) {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("connection: close\r\n\r\n");
    Some(Request {
        host,
        port,
        head: Some(head.into_bytes()),
    })
}

/// Headers meant for the proxy end here; one request for each connection.
fn passes(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or(line);
    !line.is_empty()
        && !["connection", "proxy-connection", "proxy-authorization"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
}

/// `host:port`, `[v6]:port`, or only the host if there is a usual port.
fn authority(text: &str, usual: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => usual?,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_read_and_the_proxys_own_headers_end_here() {
        type Read = (&'static str, u16, Option<&'static str>);
        let table: [(&str, Option<Read>); 9] = [
            (
                "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
                Some(("example.com", 443, None)),
            ),
            (
                "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n\r\n",
                Some(("2001:db8::1", 8443, None)),
            ),
            (
                "GET http://example.com/a?b=c HTTP/1.1\r\nHost: example.com\r\n\
                 Proxy-Connection: keep-alive\r\nAccept: */*\r\n\r\n",
                Some((
                    "example.com",
                    80,
                    Some(
                        "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\
                         connection: close\r\n\r\n",
                    ),
                )),
            ),
            (
                "GET http://example.com:8080 HTTP/1.0\r\n\r\n",
                Some((
                    "example.com",
                    8080,
                    Some("GET / HTTP/1.0\r\nconnection: close\r\n\r\n"),
                )),
            ),
            ("GET /relative HTTP/1.1\r\n\r\n", None),
            ("GET https://example.com/ HTTP/1.1\r\n\r\n", None),
            ("CONNECT example.com HTTP/1.1\r\n\r\n", None),
            ("CONNECT :443 HTTP/1.1\r\n\r\n", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
        ];
        for (given, expected) in table {
            let got = parse(given.as_bytes());
            let expected = expected.map(|(host, port, head)| Request {
                host: host.to_owned(),
                port,
                head: head.map(|head| head.as_bytes().to_vec()),
            });
            assert_eq!(got, expected, "{given}");
        }
    }
}
