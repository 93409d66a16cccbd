//! The end inside, byte by byte: TLS with any name, requests in any shape.

use std::sync::Arc;
use std::time::Duration;

use egress::{Connection, Destination, Pass};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::rig::Inside;

/// TLS through the gate to `to`, asking for `name`; trusts the gate and the
/// servers of the world outside.
pub async fn greet(
    inside: &Inside,
    pass: &Arc<Pass>,
    to: &Destination,
    name: &str,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<Connection>> {
    let stream = inside
        .gate
        .dial(pass, to)
        .await
        .map_err(std::io::Error::other)?;
    let mut roots = rustls::RootCertStore::empty();
    let gate = CertificateDer::from_pem_file(inside.trust()).unwrap();
    let world = CertificateDer::from_pem_slice(inside.world.as_bytes()).unwrap();
    roots.add(gate).unwrap();
    roots.add(world).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    let name = name.to_owned().try_into().unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Sends `request` to `name` at `to` in HTTP/1.1; all that came back.
pub async fn say(
    inside: &Inside,
    to: &Destination,
    name: &str,
    request: impl AsRef<[u8]>,
) -> String {
    let mut stream = greet(inside, &inside.pass, to, name, &[b"http/1.1"])
        .await
        .unwrap();
    // A request that is refused at its beginning is not read to its end.
    let _ = stream.write_all(request.as_ref()).await;
    let _ = stream.flush().await;
    until_end(&mut stream).await
}

/// Everything that comes until the other side ends, in whatever way.
pub async fn until_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let reading = async { while let Ok(1..) = stream.read_buf(&mut all).await {} };
    let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
    ended.expect("the other side ends");
    String::from_utf8_lossy(&all).into_owned()
}
