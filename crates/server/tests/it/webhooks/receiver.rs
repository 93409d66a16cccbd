//! A receiver of webhooks: a real HTTP server on loopback, plain or with TLS, that
//! keeps what it was sent and answers as it is told.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::PATIENCE;

/// One request that came.
#[derive(Debug, Clone)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number of the event.
    pub fn seq(&self) -> u64 {
        self.json()["event"]["seq"].as_u64().unwrap()
    }
}

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Answer = Arc<dyn Fn(usize, &Got) -> Answering + Send + Sync>;

/// A receiver that runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer of this status.
pub fn status(code: u16) -> Response<Body> {
    let mut answer = Response::new(Body::from("{}"));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

/// An answer that is ready at once.
pub fn ready(answer: Response<Body>) -> Answering {
    Box::pin(std::future::ready(answer))
}

/// No answer, ever.
pub fn never() -> Answering {
    Box::pin(std::future::pending())
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_, _| ready(status(200))).await
    }

    /// One that answers its n-th request (from 0) so.
    pub async fn answering(
        answer: impl Fn(usize, &Got) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, answer)
    }

    /// One at an address that was listened on before.
    pub fn on(
        listener: TcpListener,
        answer: impl Fn(usize, &Got) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (router, got, count) = router(Arc::new(answer));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            got,
            count,
            task,
        }
    }

    /// One that speaks TLS as `localhost`.
    pub async fn secure(secure: &Secure) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, got, count) = router(Arc::new(|_, _| ready(status(200))));
        let acceptor = secure.acceptor.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    // Who does not trust us hangs up.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let service = hyper_util::service::TowerToHyperService::new(router);
                        let stream = hyper_util::rt::TokioIo::new(stream);
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(stream, service)
                            .await;
                    }
                });
            }
        });
        Self {
            address,
            got,
            count,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What came until now.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until so many came; all of them.
    pub async fn until(&self, many: usize) -> Vec<Got> {
        self.until_all(|got| got.len() >= many).await
    }

    /// Waits until what came is enough; all of it.
    pub async fn until_all(&self, enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let mut count = self.count.clone();
        let came = async {
            while !enough(&self.got()) {
                count.changed().await.unwrap();
            }
        };
        let came = tokio::time::timeout(PATIENCE, came).await;
        assert!(came.is_ok(), "only {} came", self.got().len());
        self.got()
    }
}

fn router(answer: Answer) -> (Router, Arc<Mutex<Vec<Got>>>, watch::Receiver<usize>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let (tell, count) = watch::channel(0);
    let (keep, tell) = (got.clone(), Arc::new(tell));
    let handle = move |request: Request| {
        let (keep, tell, answer) = (keep.clone(), tell.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let one = Got {
                headers: head.headers,
                body,
            };
            let n = {
                let mut all: std::sync::MutexGuard<'_, Vec<Got>> = keep.lock().unwrap();
                all.push(one.clone());
                all.len()
            };
            let _ = tell.send(n);
            answer(n - 1, &one).await
        }
    };
    (Router::new().fallback(handle), got, count)
}

/// Waits a little, as a slow receiver does, and then answers.
pub fn slowly(time: Duration, code: u16) -> Answering {
    Box::pin(async move {
        wait(time).await;
        status(code)
    })
}

async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A certificate for `localhost`, and the authority that vouches for it.
pub struct Secure {
    authority: String,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl Secure {
    pub fn make() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let authority = root.pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], secret.into())
            .unwrap();
        Self {
            authority,
            acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(config)),
        }
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }
}
