//! A host on the internet that takes a secret, with a certificate of its own
//! authority: it proves that a canary arrives, and where it must not.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::needles::Needles;
use super::report::Place;
use crate::drill::DrillError;

/// The name that may have the secret; it has another one that may not.
pub(super) const NAME: &str = "localhost";
/// Its other name.
pub(super) const OTHER: &str = "127.0.0.1";
/// Longest a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a request.
const LARGEST: usize = 64 * 1024;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// What it was asked, whole requests.
type Asked = Arc<Mutex<Vec<String>>>;

/// The host. It ends when it is dropped.
pub(super) struct Host {
    /// The port of both its names.
    pub(super) port: u16,
    /// The file with its authority's certificate.
    pub(super) roots: PathBuf,
    asked: Asked,
    _task: JoinSet<()>,
}

impl Host {
    /// Opens it, and writes its authority's certificate to that file.
    pub(super) async fn open(roots: &Path) -> Result<Self, DrillError> {
        let (root, config) = papers().map_err(failed)?;
        std::fs::write(roots, root).map_err(DrillError::at(roots))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let asked = Asked::default();
        let mut task = JoinSet::new();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        task.spawn(accept(listener, acceptor, Arc::clone(&asked)));
        Ok(Self {
            port,
            roots: roots.to_owned(),
            asked,
            _task: task,
        })
    }

    /// Whether that value came under the name that may have it.
    pub(super) fn was_given(&self, value: &str) -> bool {
        let (right, _) = self.asked();
        right.iter().any(|request| request.contains(value))
    }

    /// What came under its other name.
    pub(super) fn others(&self, needles: &Needles) -> Place {
        let mut place = Place::new("requests to another host");
        let (_, wrong) = self.asked();
        for request in wrong {
            place.search(needles, OTHER, request.as_bytes());
        }
        place
    }

    /// What came under the one name, and what under the other.
    fn asked(&self) -> (Vec<String>, Vec<String>) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let right = format!("host: {NAME}:{}", self.port);
        let all = asked.iter().cloned();
        all.partition(|request| request.to_lowercase().contains(&right))
    }
}

fn failed(error: impl std::fmt::Display) -> DrillError {
    DrillError::Tool(format!("no host to send a secret to: {error}"))
}

/// The authority's certificate, and what the host shows.
fn papers() -> Result<(String, ServerConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let root = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let leaf = KeyPair::generate()?;
    let mut proof = CertificateParams::new(vec![NAME.to_owned(), OTHER.to_owned()])?;
    // With the issuer's name it would pass for self-signed.
    proof.distinguished_name = DistinguishedName::new();
    let proof = proof.signed_by(&leaf, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![proof.der().clone()], key)?;
    Ok((root, config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, asked: Asked) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((line, _)) = listener.accept() => {
                let answered = answer(line, acceptor.clone(), Arc::clone(&asked));
                lines.spawn(async move {
                    // Whoever goes away halfway asked nothing.
                    let _ = tokio::time::timeout(PATIENCE, answered).await;
                });
            }
            Some(_) = lines.join_next() => {}
        }
    }
}

/// Takes one request without a body.
async fn answer(line: TcpStream, acceptor: TlsAcceptor, asked: Asked) -> std::io::Result<()> {
    let mut line = acceptor.accept(line).await?;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < LARGEST {
        if line.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(text);
    line.write_all(ANSWER).await?;
    line.shutdown().await
}
