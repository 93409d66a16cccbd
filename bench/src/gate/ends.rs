//! The two ends of a connection through the gate: an HTTPS server, and clients
//! that reach it each way.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use egress::{Authority, Destination, Gate, Grant, Limits, Pass, Policy, Roots};
use futures::{FutureExt, StreamExt, stream};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const HOST: &str = "bench.example";
const TOKEN: &str = "osb_sealed_0123456789abcdef0123456789abcdef";
const PIECE: usize = 64 * 1024;

/// How a client reaches the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Direct,
    Passed,
    Stood,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Direct, Way::Passed, Way::Stood];
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Way::Direct => "direct",
            Way::Passed => "passed",
            Way::Stood => "stood in for",
        })
    }
}

/// Server, gate and what clients need.
pub struct Ends {
    at: SocketAddr,
    gate: Gate,
    passed: Arc<Pass>,
    stood: Arc<Pass>,
    tls: TlsConnector,
    _server: JoinSet<()>,
}

/// One connection.
pub struct Client {
    sender: SendRequest<Empty<Bytes>>,
    _task: JoinSet<()>,
}

impl Ends {
    pub async fn start() -> Ends {
        let (pem, acceptor) = certified();
        let authority = Authority::fresh().unwrap();
        let mut trusted = RootCertStore::empty();
        for one in [pem.as_str(), authority.certificate_pem()] {
            trusted
                .add(CertificateDer::from_pem_slice(one.as_bytes()).unwrap())
                .unwrap();
        }
        let config = ClientConfig::builder()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, acceptor));
        let policy = Policy {
            allow_private: true,
        };
        let limits = Limits {
            per_sandbox: 4096,
            ..Limits::default()
        };
        Ends {
            at,
            gate: Gate::new(
                policy,
                limits,
                Some(authority),
                Roots::none().and(&pem).unwrap(),
            ),
            passed: Arc::new(granted("other.example")),
            stood: Arc::new(granted(HOST)),
            tls: TlsConnector::from(Arc::new(config)),
            _server: server,
        }
    }

    pub async fn connect(&self, way: Way) -> Client {
        let to = Destination::Address(self.at);
        match way {
            Way::Direct => {
                let stream = TcpStream::connect(self.at).await.unwrap();
                stream.set_nodelay(true).unwrap();
                self.greet(stream).await
            }
            Way::Passed => {
                self.greet(self.gate.dial(&self.passed, &to).await.unwrap())
                    .await
            }
            Way::Stood => {
                self.greet(self.gate.dial(&self.stood, &to).await.unwrap())
                    .await
            }
        }
    }

    async fn greet(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Client {
        let name = HOST.try_into().unwrap();
        let stream = self.tls.connect(name, stream).await.unwrap();
        let made = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = connection.await;
        });
        Client {
            sender,
            _task: task,
        }
    }
}

impl Client {
    /// Bytes of the answer's body.
    pub async fn get(&mut self, path: &str) -> usize {
        self.sender.ready().await.unwrap();
        let request = Request::get(path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Empty::new())
            .unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let (mut body, mut bytes) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        bytes
    }
}

fn granted(host: &str) -> Pass {
    let grant = Grant {
        name: "KEY".into(),
        token: TOKEN.into(),
        hosts: vec![host.parse().unwrap()],
    };
    Pass {
        grants: vec![grant],
        reveal: Arc::new(|_| async { Some("real-secret".to_owned().into()) }.boxed()),
        ..Pass::open("bench")
    }
}

/// An authority's certificate, and a server it vouches for.
fn certified() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let tls = tls.clone();
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let service = hyper::service::service_fn(answer);
            let server = hyper::server::conn::http1::Builder::new();
            // Clients hang up as they like.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Body = StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// `/bytes/N`: so many MiB; anything else: one small piece.
async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mib = request.uri().path().strip_prefix("/bytes/");
    let pieces = mib.map_or(1, |mib| (mib.parse::<usize>().unwrap() << 20) / PIECE);
    let piece = Bytes::from(vec![7; if mib.is_some() { PIECE } else { 100 }]);
    let frames = stream::repeat_with(move || Ok(Frame::data(piece.clone()))).take(pieces);
    Ok(Response::new(StreamBody::new(frames.boxed())))
}
