//! What a program says first: TLS (and for which name), HTTP, or something
//! else. Decides nothing; keeps what it heard, for whoever goes on.

use std::io;

use rustls::server::{Acceptor, ClientHello};

/// More than any honest ClientHello or request line.
const LONGEST: usize = 32 * 1024;

/// What the bytes so far are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Too little to tell.
    More,
    /// A whole ClientHello.
    Tls(Hello),
    /// It begins like TLS and cannot be read as such.
    Broken,
    /// A request line, of HTTP/2 without TLS or of HTTP/1.
    Http { two: bool },
    /// Neither.
    Other,
}

/// What of a ClientHello matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The server's name (SNI).
    pub(crate) name: Option<String>,
    /// The protocols offered (ALPN).
    pub(crate) protocols: Vec<Vec<u8>>,
}

/// Listens until it can tell.
#[derive(Default)]
pub(crate) struct Ear {
    heard: Vec<u8>,
    tls: Acceptor,
}

impl Ear {
    /// Hears more; the last answer stands once it is not [`Heard::More`].
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Heard {
        let new = self.heard.len();
        self.heard.extend_from_slice(bytes);
        let heard = match self.heard.first() {
            None => Heard::More,
            Some(0x16) => self.hear_tls(new),
            Some(_) => line(&self.heard),
        };
        match heard {
            Heard::More if self.heard.len() > LONGEST => Heard::Broken,
            heard => heard,
        }
    }

    /// Everything heard.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.heard
    }

    fn hear_tls(&mut self, new: usize) -> Heard {
        let mut bytes = &self.heard[new..];
        while !bytes.is_empty() {
            match self.tls.read_tls(&mut bytes) {
                Ok(1..) => {}
                Ok(0) => return Heard::Broken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Heard::Broken,
            }
            match self.tls.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Heard::Tls(Hello::of(&accepted.client_hello())),
                Err(_) => return Heard::Broken,
            }
        }
        Heard::More
    }
}

impl Hello {
    fn of(hello: &ClientHello<'_>) -> Hello {
        let protocols = hello.alpn().into_iter().flatten();
        Hello {
            name: hello.server_name().and_then(crate::host::plain),
            protocols: protocols.map(<[u8]>::to_vec).collect(),
        }
    }
}

/// A request line ends with its version; nothing else that a client says
/// first (`NICK a b`, `PING`) does.
fn line(bytes: &[u8]) -> Heard {
    let method = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-')
        .count();
    match bytes.get(method) {
        None if method <= 24 => return Heard::More,
        Some(b' ') if (1..=24).contains(&method) => {}
        _ => return Heard::Other,
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Heard::More;
    };
    let line = bytes[..end].trim_ascii_end();
    if line == b"PRI * HTTP/2.0" {
        return Heard::Http { two: true };
    }
    let http = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
    if http {
        Heard::Http { two: false }
    } else {
        Heard::Other
    }
}

#[cfg(test)]
#[path = "ear_tests.rs"]
mod tests;
