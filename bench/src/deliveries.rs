//! Webhooks: from an append to its arrival at a receiver, and how many a second
//! arrive, beside a bare loop of the same client that posts the same bodies to the
//! same receiver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::figures::{ms, percentile, plain, row, title};
use crate::server::Server;

/// Messages measured one at a time, and of a burst.
const ALONE: usize = 200;
const BURST: usize = 2000;
/// Receivers of the burst.
const SESSIONS: usize = 16;

/// When each event came, by its id, and one body.
#[derive(Default)]
struct Came {
    at: HashMap<String, Instant>,
    body: Bytes,
}

struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Came>>,
    count: watch::Receiver<usize>,
    /// Whether it answers.
    open: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(Mutex::new(Came::default()));
        let (tell, count) = watch::channel(0);
        let (keep, tell) = (came.clone(), Arc::new(tell));
        let open = watch::Sender::new(true);
        let gate = open.subscribe();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (keep, tell, gate) = (keep.clone(), tell.clone(), gate.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (keep, tell, mut gate) = (keep.clone(), tell.clone(), gate.clone());
                    async move {
                        let id = request.headers().get("webhook-id").cloned();
                        let body = request.into_body().collect().await?.to_bytes();
                        if let Some(id) = id {
                            let mut came = keep.lock().unwrap();
                            let id = id.to_str().unwrap().to_owned();
                            came.at.entry(id).or_insert_with(Instant::now);
                            came.body = body;
                            let count = came.at.len();
                            drop(came);
                            tell.send_replace(count);
                        }
                        gate.wait_for(|open| *open).await.unwrap();
                        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"{}"))))
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                served.spawn(connection);
            }
        });
        Self {
            address,
            came,
            count,
            open,
            _task: task,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    async fn until(&self, many: usize) {
        let mut count = self.count.clone();
        count.wait_for(|count| *count >= many).await.unwrap();
    }

    fn many(&self) -> usize {
        self.came.lock().unwrap().at.len()
    }

    fn when(&self, id: &str) -> Instant {
        self.came.lock().unwrap().at[id]
    }
}

pub async fn run() {
    title("webhooks");
    let data = tempfile::tempdir_in(".").unwrap();
    let server = Server::with(data, &[("OC_ALLOW_PRIVATE", "1")]);
    let receiver = Receiver::start().await;
    let agent = server.agent("bench").await;
    alone(&server, &agent, &receiver).await;
    let rate = burst(&server, &agent, &receiver, SESSIONS).await;
    let one = burst(&server, &agent, &receiver, 1).await;
    for (what, rate, lanes) in [
        ("16 receivers, webhooks a second", rate, SESSIONS),
        ("1 receiver, webhooks a second", one, 1),
    ] {
        let floor = bare(&receiver, lanes).await;
        let ratio = rate / floor;
        let floor = format!("{floor:.0}/s bare");
        row(what, &format!("{rate:.0}/s"), &floor, ratio, "≥ 0.3");
    }
}

/// A session at rest whose messages are told to the receiver.
async fn session(server: &Server, agent: &str, receiver: &Receiver) -> String {
    let told = json!([{ "url": receiver.url(), "level": "internal", "types": ["user.message"] }]);
    let body = json!({ "agent": agent, "input": "hello", "destinations": told });
    let made = server.post("/v3/sessions", &body).await;
    let id = made["session"]["id"].as_str().unwrap().to_owned();
    server.stream(&id, 0).await.until("turn.completed").await;
    id
}

/// From the acknowledged append to its arrival, one at a time.
async fn alone(server: &Server, agent: &str, receiver: &Receiver) {
    let session = session(server, agent, receiver).await;
    receiver.until(1).await;
    let path = format!("/v3/sessions/{session}/messages");
    let (mut whole, mut after) = (Vec::new(), Vec::new());
    for n in 0..ALONE + 20 {
        let began = Instant::now();
        let many = receiver.many();
        let said = server.post(&path, &json!({ "text": "again" })).await;
        let acknowledged = Instant::now();
        receiver.until(many + 1).await;
        let came = receiver.when(said["event"]["id"].as_str().unwrap());
        if n >= 20 {
            whole.push(came - began);
            after.push(came.saturating_duration_since(acknowledged));
        }
        server.stream(&session, 0).await.until("user.message").await;
    }
    for (what, samples) in [
        ("POST message → received", &mut whole),
        ("acknowledged append → received", &mut after),
    ] {
        let (p50, p99) = (percentile(samples, 50), percentile(samples, 99));
        plain(what, &format!("{} p50", ms(p50)), "–");
        plain("", &format!("{} p99", ms(p99)), "–");
    }
}

/// Webhooks a second once a receiver answers again that kept so many sessions' first
/// ones waiting.
async fn burst(server: &Server, agent: &str, receiver: &Receiver, sessions: usize) -> f64 {
    let mut all = Vec::new();
    for _ in 0..sessions {
        all.push(session(server, agent, receiver).await);
    }
    receiver.open.send_replace(false);
    let before = receiver.many();
    let paths: Vec<_> = all
        .iter()
        .map(|session| format!("/v3/sessions/{session}/messages"))
        .collect();
    let say = |path: String| async move { server.post(&path, &json!({ "text": "again" })).await };
    futures::stream::iter(paths.iter().cycle().take(BURST).cloned())
        .map(say)
        .buffer_unordered(8)
        .collect::<Vec<_>>()
        .await;
    // Those that came and wait for their answer.
    let waiting = receiver.many();
    receiver.open.send_replace(true);
    let began = Instant::now();
    receiver.until(before + BURST).await;
    (before + BURST - waiting) as f64 / began.elapsed().as_secs_f64()
}

/// The same bodies by the same client, one after the other in so many lanes.
async fn bare(receiver: &Receiver, lanes: usize) -> f64 {
    let body = receiver.came.lock().unwrap().body.clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    let lane = |_| {
        let (client, url, body) = (client.clone(), receiver.url(), body.clone());
        async move {
            for _ in 0..BURST / lanes {
                let answer = client.post(&url).body(body.clone()).send().await.unwrap();
                answer.bytes().await.unwrap();
            }
        }
    };
    futures::future::join_all((0..lanes).map(lane)).await;
    BURST as f64 / began.elapsed().as_secs_f64()
}
