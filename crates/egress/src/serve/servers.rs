//! TLS towards servers: always verified, with the protocols the program
//! itself offered.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ear::Hello;
use crate::limits::Limits;
use crate::roots::Roots;

const TWO: &[u8] = b"h2";
const ONE: &[u8] = b"http/1.1";

/// How to call servers, one way for each set of protocols.
#[derive(Debug)]
pub(crate) struct Servers(Result<[Arc<ClientConfig>; 4], rustls::Error>);

/// Why there is no encrypted connection to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTls {
    /// It is not who it should be.
    #[error("its certificate does not verify: {0}")]
    Certificate(rustls::CertificateError),
    /// Anything else.
    #[error("no TLS with it: {0}")]
    Other(String),
}

impl Servers {
    pub(crate) fn new(roots: &Roots) -> Servers {
        let sets: [&[&[u8]]; 4] = [&[], &[ONE], &[TWO], &[TWO, ONE]];
        let made: Result<Vec<_>, _> = sets.iter().map(|set| config(roots, set)).collect();
        let sets = |made: Vec<_>| {
            let wrong = |_| rustls::Error::General("four sets of protocols".into());
            <[_; 4]>::try_from(made).map_err(wrong)
        };
        Servers(made.and_then(sets))
    }

    /// TLS with the server at the end of `stream`, which has to prove that it
    /// is `name`.
    pub(crate) async fn greet(
        &self,
        name: &str,
        hello: &Hello,
        stream: TcpStream,
        limits: &Limits,
    ) -> Result<TlsStream<TcpStream>, NoTls> {
        let other = |error: &dyn std::fmt::Display| NoTls::Other(error.to_string());
        let configs = self.0.as_ref().map_err(|error| other(error))?;
        let offers = |one: &[u8]| usize::from(hello.protocols.iter().any(|own| own == one));
        let config = Arc::clone(&configs[offers(ONE) + 2 * offers(TWO)]);
        let server = ServerName::try_from(name.to_owned()).map_err(|error| other(&error))?;
        let greeting = TlsConnector::from(config).connect(server, stream);
        match timeout(limits.connect, greeting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(NoTls::Other("it took too long".into())),
        }
    }
}

fn config(roots: &Roots, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(&roots.0))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    Ok(Arc::new(config))
}

fn told(error: &std::io::Error) -> NoTls {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => NoTls::Certificate(why.clone()),
        Some(other) => NoTls::Other(other.to_string()),
        None => NoTls::Other(error.to_string()),
    }
}
