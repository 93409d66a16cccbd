//! Requests of one connection: each judged, its tokens swapped, sent on, and
//! the answer given back as it came.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{self, Body, Refusal};
use super::far::{Far, Owned, SEND_BUFFER, STREAM_WINDOW, WINDOW};
use super::{Near, arrive, head, swap};
use crate::case::Case;
use crate::error::Reason;

/// How many different decisions one connection may have to tell of.
const TOLD: usize = 64;
/// Requests at once on one connection.
const STREAMS: u32 = 128;

/// What a decision is about: host, secret, reason.
type News = (String, Option<String>, Option<Reason>);

/// Whom the requests of a connection may be for.
pub(super) enum Names {
    /// The one host we stand in for.
    Only(String),
    /// Whoever the pass admits; nothing is encrypted.
    Admitted,
    /// Nobody: this host is not on the list, which has been told of.
    Unlisted(String),
}

/// One connection's exchange of requests and answers.
pub(super) struct Exchange {
    case: Case,
    names: Names,
    two: bool,
    far: OnceCell<Far>,
    /// Decisions already told.
    told: Mutex<BTreeSet<News>>,
    /// What a connection became that is no longer HTTP.
    became: Mutex<Option<AbortOnDropHandle<()>>>,
    /// An answer has come on it.
    used: AtomicBool,
}

/// Why a request gets no answer of a server.
enum Stopped {
    /// It gets one of ours.
    Refused(Refusal),
    /// It gets none.
    HungUp,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Stopped {
        Stopped::Refused(refusal)
    }
}

/// Serves requests that are not encrypted.
pub(super) async fn web(case: Case, two: bool, near: Near, server: Option<TcpStream>) {
    let far = match server {
        Some(server) => Some(Far::open(&case, two, server).await),
        None => None,
    };
    serve(Exchange::new(case, Names::Admitted, two, far), two, near).await;
}

/// Serves a program until it or the server has finished.
pub(super) async fn serve<S>(exchange: Exchange, two: bool, near: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchange = Arc::new(exchange);
    if two {
        Box::pin(serve_two(&exchange, near)).await;
    } else {
        Box::pin(serve_one(&exchange, near)).await;
    }
    let became = exchange
        .became
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(became) = became {
        let _ = became.await;
    }
}

async fn serve_two<S>(exchange: &Arc<Exchange>, near: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = exchange.case.gate.limits;
    let answering = Arc::clone(exchange);
    let service = service_fn(move |request| Arc::clone(&answering).answer(request));
    let connection = http2::Builder::new(Owned::by(&exchange.case))
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(limits.patience)
        .keep_alive_timeout(limits.patience)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(near), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = exchange.over() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn serve_one<S>(exchange: &Arc<Exchange>, near: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = exchange.case.gate.limits;
    let answering = Arc::clone(exchange);
    let service = service_fn(move |request| Arc::clone(&answering).answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(8 * 1024) * 2)
        .preserve_header_case(true)
        .auto_date_header(false)
        // A program may have said all and still listen.
        .half_close(true)
        .serve_connection(TokioIo::new(near), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = exchange.over() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl Exchange {
    pub(super) fn new(case: Case, names: Names, two: bool, far: Option<Far>) -> Exchange {
        Exchange {
            case,
            names,
            two,
            far: OnceCell::new_with(far),
            told: Mutex::default(),
            became: Mutex::default(),
            used: AtomicBool::new(false),
        }
    }

    /// Waits until the server has hung up.
    async fn over(&self) {
        match self.far.get() {
            Some(far) => far.over().await,
            None => std::future::pending().await,
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let gone = self.case.gone.clone();
        let answered = gone.run_until_cancelled(self.judged(request)).await;
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(Stopped::Refused(refusal))) => Ok(refusal.into()),
            Some(Err(Stopped::HungUp)) | None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    async fn judged(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Stopped> {
        let host = self.host(&request)?;
        if [Method::CONNECT, Method::TRACE].contains(request.method()) {
            // The one is a way past us, the other would show what we put in.
            let message = "CONNECT and TRACE are not passed on.";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Refusal::new(status, "method_refused", message).into());
        }
        let secure = matches!(self.names, Names::Only(_));
        let swapped = swap::swap(&self.case.pass, &host, secure, request.headers_mut());
        let limit = self.case.gate.limits.connect;
        let swapped = timeout(limit, swapped).await;
        let late = |_| answer::unanswered("the vault", "it took too long");
        match swapped.map_err(late)? {
            Ok(names) => names.iter().for_each(|name| self.granted(&host, name)),
            Err(stop) => {
                self.denied(&host, stop.secret(), stop.reason());
                return Err(answer::stopped(&stop, &host).into());
            }
        }
        let wants = !self.two && head::upgrades(request.headers());
        head::readdress(&mut request, self.two, secure);
        self.forward(&host, wants, request).await
    }

    /// The host the request is for, if this connection may carry it.
    fn host(&self, request: &Request<Incoming>) -> Result<String, Refusal> {
        let host = head::host(request);
        match (&self.names, host) {
            (Names::Only(name), Some(host)) if *name == host => Ok(host),
            (Names::Only(name), other) => {
                self.denied(&other.unwrap_or_default(), None, Reason::Mismatch);
                Err(answer::misdirected(name))
            }
            (Names::Unlisted(name), _) => Err(answer::unlisted(name)),
            (Names::Admitted, Some(host)) if self.case.pass.egress.admits(&host) => Ok(host),
            (Names::Admitted, Some(host)) => {
                self.denied(&host, None, Reason::Unlisted);
                Err(answer::unlisted(&host))
            }
            (Names::Admitted, None) => {
                let message = "The request names no host, or two.";
                Err(Refusal::new(StatusCode::BAD_REQUEST, "no_host", message))
            }
        }
    }

    async fn forward(
        &self,
        host: &str,
        wants: bool,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Stopped> {
        let near = wants.then(|| hyper::upgrade::on(&mut request));
        let far = self.far.get_or_init(|| self.reach(host)).await;
        let asked = timeout(self.case.gate.limits.answer, far.ask(request));
        let unanswered = |why: &str| answer::unanswered(host, why);
        let response = asked.await.map_err(|_| unanswered("it took too long"))?;
        let mut response = match response {
            // A program expects this of a connection it has used before, and
            // asks again; an answer of ours it would believe.
            Err(lost) if lost.hung_up && !self.two && self.used.load(Relaxed) => {
                return Err(Stopped::HungUp);
            }
            Err(lost) => return Err(unanswered(&lost.why).into()),
            Ok(response) => response,
        };
        self.used.store(true, Relaxed);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let near = near.ok_or_else(|| unanswered("it changed the protocol unasked"))?;
            let far = hyper::upgrade::on(&mut response);
            self.become_other(near, far);
        }
        Ok(response.map(Either::Left))
    }

    /// For requests to an address that did not say where to before now.
    async fn reach(&self, host: &str) -> Far {
        match arrive(&self.case, host, None).await {
            Ok(stream) => Far::open(&self.case, self.two, stream).await,
            Err(error) => Far::broken(&error),
        }
    }

    fn become_other(&self, near: hyper::upgrade::OnUpgrade, far: hyper::upgrade::OnUpgrade) {
        let gone = self.case.gone.clone();
        let relay = async move {
            if let Ok((near, far)) = tokio::try_join!(near, far) {
                let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        };
        let task = self.case.gate.tasks.spawn(async move {
            gone.run_until_cancelled(relay).await;
        });
        let mut became = self.became.lock().unwrap_or_else(PoisonError::into_inner);
        *became = Some(AbortOnDropHandle::new(task));
    }

    fn denied(&self, host: &str, secret: Option<&str>, reason: Reason) {
        if self.is_news(host, secret, Some(reason)) {
            self.case.denied(host, secret, reason);
        }
    }

    fn granted(&self, host: &str, secret: &str) {
        if self.is_news(host, Some(secret), None) {
            self.case.granted(host, secret);
        }
    }

    fn is_news(&self, host: &str, secret: Option<&str>, reason: Option<Reason>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let decision = (host.to_owned(), secret.map(ToOwned::to_owned), reason);
        told.len() < TOLD && told.insert(decision)
    }
}
