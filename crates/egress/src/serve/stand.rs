//! Standing in for a host: TLS with the program under our own certificate,
//! verified TLS with the server, requests in between.
//!
//! The server is greeted first and the program is offered what the server
//! chose, so both sides speak the same version of HTTP and nothing is
//! translated.

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::{Exchange, Names};
use super::far::Far;
use super::servers::NoTls;
use super::{Near, arrive};
use crate::case::Case;
use crate::ear::Hello;
use crate::error::Reason;

/// A program that is spoken to in its host's name.
pub(super) struct Stood {
    pub(super) exchange: Exchange,
    pub(super) two: bool,
    pub(super) near: TlsStream<Near>,
}

/// Stands in for `name`, as far as both handshakes.
pub(super) async fn begin(
    case: Case,
    name: String,
    hello: Hello,
    near: Near,
    server: Option<TcpStream>,
) -> Option<Stood> {
    let (far, protocol) = far(&case, &name, &hello, server).await;
    let near = greet(&case, &name, &protocol, near).await?;
    let two = protocol == b"h2";
    let exchange = Exchange::new(case, Names::Only(name), two, Some(far));
    Some(Stood {
        exchange,
        two,
        near,
    })
}

/// Stands in for `name` to say that nobody may go there.
pub(super) async fn refuse(case: Case, name: String, hello: Hello, near: Near) -> Option<Stood> {
    let protocol = liked(&hello);
    case.denied(&name, None, Reason::Unlisted);
    let near = greet(&case, &name, &protocol, near).await?;
    let two = protocol == b"h2";
    let exchange = Exchange::new(case, Names::Unlisted(name), two, None);
    Some(Stood {
        exchange,
        two,
        near,
    })
}

/// TLS with the program, as `name`.
async fn greet(case: &Case, name: &str, protocol: &[u8], near: Near) -> Option<TlsStream<Near>> {
    let config = match case.gate.authority.as_ref()?.stand_in(name, protocol) {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(name, %error, "cannot stand in");
            return None;
        }
    };
    let greeting = TlsAcceptor::from(config).accept(near);
    match timeout(case.gate.limits.patience, greeting).await {
        Ok(Ok(near)) => Some(near),
        // Most often a program with a list of its own of whom to trust.
        Ok(Err(error)) => {
            let (sandbox, host) = (&case.pass.sandbox, name);
            tracing::info!(sandbox, host, outcome = "untrusted", %error, "egress");
            None
        }
        Err(_) => {
            case.denied(name, None, Reason::Slow);
            None
        }
    }
}

/// What a program that gets nothing but our own answers likes best.
fn liked(hello: &Hello) -> Vec<u8> {
    let offered = |one: &[u8]| hello.protocols.iter().any(|own| own == one);
    match offered(b"h2") {
        true => b"h2".to_vec(),
        false if offered(b"http/1.1") => b"http/1.1".to_vec(),
        false => Vec::new(),
    }
}

/// The server, or why there is none; and the protocol to speak.
async fn far(case: &Case, name: &str, hello: &Hello, server: Option<TcpStream>) -> (Far, Vec<u8>) {
    let alone = liked(hello);
    let stream = match arrive(case, name, server).await {
        Ok(stream) => stream,
        Err(error) => return (Far::broken(&error), alone),
    };
    let limits = &case.gate.limits;
    match case.gate.servers.greet(name, hello, stream, limits).await {
        Ok(stream) => {
            let protocol = stream
                .get_ref()
                .1
                .alpn_protocol()
                .unwrap_or_default()
                .to_vec();
            let two = protocol == b"h2";
            (Far::open(case, two, stream).await, protocol)
        }
        Err(error) => {
            if matches!(error, NoTls::Certificate(_)) {
                case.denied(name, None, Reason::Certificate);
            }
            (Far::broken(&error), alone)
        }
    }
}
