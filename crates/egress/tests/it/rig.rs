//! What stands around the gate in these tests: servers with certificates of a
//! private authority, and the end inside a sandbox, which is an ordinary proxy
//! whose connections are made by `Gate::dial`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use egress::{Authority, Decision, Destination, Gate, Grant, Limits, Pass, Policy, Roots};
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server got.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub type Answer = Response<Full<Bytes>>;
pub type Handler = Arc<dyn Fn(Seen) -> BoxFuture<'static, Answer> + Send + Sync>;

/// An answer that says `text`.
pub fn said(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::from(text.into()))
}

/// A certificate authority of the world outside.
pub struct World {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl World {
    pub fn new() -> World {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        World { issuer, pem }
    }

    pub fn roots(&self) -> Roots {
        Roots::none().and(&self.pem).unwrap()
    }

    /// How a server proves that it is `name`.
    pub fn server(&self, name: &str, protocols: &[&[u8]]) -> TlsAcceptor {
        self.proven(
            CertificateParams::new(vec![name.to_owned()]).unwrap(),
            protocols,
        )
    }

    /// A server whose certificate is of another time.
    pub fn expired(&self, name: &str) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        self.proven(params, &[])
    }

    fn proven(&self, params: CertificateParams, protocols: &[&[u8]]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server at work; ends when dropped.
pub struct Server {
    pub at: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves requests: encrypted when there is an acceptor.
    pub async fn start(tls: Option<TlsAcceptor>, handler: Handler) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let record = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, handler, record) = (tls.clone(), handler.clone(), record.clone());
                connections.spawn(serve(stream, tls, handler, record));
            }
        });
        Server {
            at,
            seen,
            _tasks: tasks,
        }
    }

    /// A server of `name` for both versions of HTTP that says hello.
    pub async fn hello(world: &World, name: &str) -> Server {
        let tls = world.server(name, &[b"h2", b"http/1.1"]);
        Server::start(Some(tls), Arc::new(|_| async { said("hello") }.boxed())).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn to(&self) -> Destination {
        Destination::Address(self.at)
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    record: Arc<Mutex<Vec<Seen>>>,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (handler, record) = (handler.clone(), record.clone());
        async move {
            let (head, body) = request.into_parts();
            let collected = body.collect().await?;
            let seen = Seen {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                trailers: collected.trailers().cloned(),
                body: collected.to_bytes(),
            };
            record.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(handler(seen).await)
        }
    });
    let Some(tls) = tls else {
        let one = hyper::server::conn::http1::Builder::new();
        let _ = one.serve_connection(TokioIo::new(stream), service).await;
        return;
    };
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    // Clients hang up as they like.
    if two {
        let two = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = two.serve_connection(io, service).await;
    } else {
        let one = hyper::server::conn::http1::Builder::new();
        let _ = one.serve_connection(io, service).await;
    }
}

/// The secret of every test, and what the sandbox has in its place.
pub const SECRET: &str = "real-secret-value";
pub const TOKEN: &str = "osb_sealed_0123456789abcdef0123456789abcdef";

/// One sandbox's side: a pass, what was told of it, and a proxy.
pub struct Inside {
    pub gate: Gate,
    pub pass: Arc<Pass>,
    pub told: Arc<Mutex<Vec<Decision>>>,
    /// What programs inside trust.
    pub trust: tempfile::NamedTempFile,
    /// The authority of the world outside.
    pub world: String,
    pub proxy: String,
    _tasks: JoinSet<()>,
}

impl Inside {
    /// A sandbox that has [`TOKEN`] for [`SECRET`], granted to `hosts`; names
    /// lead to `servers`.
    pub async fn new(world: &World, hosts: &[&str], servers: &[(&str, &Server)]) -> Inside {
        Inside::limited(world, hosts, servers, Limits::default()).await
    }

    pub async fn limited(
        world: &World,
        hosts: &[&str],
        servers: &[(&str, &Server)],
        limits: Limits,
    ) -> Inside {
        let authority = Authority::fresh().unwrap();
        let trust = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(trust.path(), authority.certificate_pem()).unwrap();
        let policy = Policy {
            allow_private: true,
        };
        let gate = Gate::new(policy, limits, Some(authority), world.roots());
        let (pass, told) = granted(hosts);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let names = servers
            .iter()
            .map(|(name, one)| ((*name).to_owned(), one.to()));
        let names: Arc<HashMap<_, _>> = Arc::new(names.collect());
        let mut tasks = JoinSet::new();
        let (dialer, whose) = (gate.clone(), Arc::clone(&pass));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(carry(stream, dialer.clone(), whose.clone(), names.clone()));
            }
        });
        Inside {
            gate,
            pass,
            told,
            trust,
            world: world.pem.clone(),
            proxy,
            _tasks: tasks,
        }
    }

    pub fn trust(&self) -> PathBuf {
        self.trust.path().to_owned()
    }

    /// What was told, as text.
    pub fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let line = |one: &Decision| {
            let (secret, reason) = (one.secret.as_deref(), one.reason);
            let about = secret
                .into_iter()
                .chain(reason)
                .collect::<Vec<_>>()
                .join(" ");
            format!("{:?} {} {about}", one.verdict, one.host)
        };
        told.iter().map(line).collect()
    }
}

/// A pass with the one grant.
pub fn granted(hosts: &[&str]) -> (Arc<Pass>, Arc<Mutex<Vec<Decision>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    let grant = Grant {
        name: "KEY".into(),
        token: TOKEN.into(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
    };
    let pass = Pass {
        grants: vec![grant],
        reveal: Arc::new(|name| {
            assert_eq!(name, "KEY");
            async { Some(SECRET.to_owned().into()) }.boxed()
        }),
        audit: Arc::new(move |decision| ear.lock().unwrap().push(decision)),
        ..Pass::open("sb")
    };
    (Arc::new(pass), told)
}

/// `CONNECT name:port`, made to the server that has the name.
async fn carry(
    mut stream: TcpStream,
    gate: Gate,
    pass: Arc<Pass>,
    names: Arc<HashMap<String, Destination>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap();
    let (name, port) = target.rsplit_once(':').unwrap();
    // Names of no server of the test are the gate's to resolve.
    let bare = name.trim_matches(['[', ']']).to_owned();
    let other = Destination::Name(bare, port.parse().unwrap());
    match gate.dial(&pass, names.get(name).unwrap_or(&other)).await {
        Ok(mut far) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut far).await;
        }
        Err(error) => {
            let said = format!("HTTP/1.1 502 Bad Gateway\r\nx-why: {error}\r\n\r\n");
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    }
}
