//! How the drill talks to whatever server runs now: requests that are made
//! again until they are answered, as any careful client would.

use std::time::Duration;

use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::error::DrillError;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// A client of the drill's server, wherever that is after a restart.
#[derive(Clone)]
pub(super) struct Line {
    http: Client,
    url: watch::Receiver<String>,
    key: String,
}

/// An answer that was no failure of the server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) value: Value,
}

impl Line {
    pub(super) fn new(url: watch::Receiver<String>, key: &str) -> Result<Self, DrillError> {
        // Whoever was first to install a provider installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(1))
            .build()
            .map_err(|error| DrillError::Tool(format!("no HTTP client: {error}")))?;
        Ok(Self {
            http,
            url,
            key: key.to_owned(),
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", *self.url.borrow())
    }

    /// One try; `None` if there was no answer, or one that invites another try.
    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        once: Option<&str>,
    ) -> Option<Answer> {
        let request = self.http.request(method.clone(), self.at(path));
        let mut request = request.bearer_auth(&self.key).timeout(TRY);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = once {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        let again = status >= 500 || status == 429;
        (!again).then(|| Answer {
            status,
            value: serde_json::from_str(&text).unwrap_or(Value::Null),
        })
    }

    /// Asks until there is an answer, or the time is over. What is not a GET
    /// carries a key, so that it takes effect once.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        once: Option<&str>,
        until: Instant,
    ) -> Option<Answer> {
        loop {
            let answer = self.once(&method, path, body.as_ref(), once).await;
            if answer.is_some() || Instant::now() >= until {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// GETs until there is an answer.
    pub(super) async fn get(&self, path: &str, until: Instant) -> Option<Value> {
        let answer = self.ask(Method::GET, path, None, None, until).await?;
        (answer.status == 200).then_some(answer.value)
    }

    /// GETs the text of an answer, whatever it is in; one try each until there is one.
    pub(super) async fn text(&self, path: &str, until: Instant) -> Option<String> {
        while Instant::now() < until {
            let request = self.http.get(self.at(path)).bearer_auth(&self.key);
            if let Ok(answer) = request.timeout(TRY).send().await
                && let Ok(text) = answer.text().await
            {
                return Some(text);
            }
            sleep(PAUSE).await;
        }
        None
    }

    /// Waits until the server says that it takes no writes.
    pub(super) async fn unready(&self) {
        loop {
            let request = self.http.get(self.at("/readyz")).timeout(TRY);
            if request
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 503)
            {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Opens a stream of events behind number `after`; one try.
    pub(super) async fn stream(&self, session: &str, after: u64) -> Option<Response> {
        let path = self.at(&format!("/v3/sessions/{session}/events?stream=sse"));
        let mut request = self.http.get(path).bearer_auth(&self.key);
        if after > 0 {
            request = request.header("last-event-id", after);
        }
        let opened = tokio::time::timeout(TRY, request.send()).await;
        opened.ok()?.ok().filter(|answer| answer.status() == 200)
    }

    /// Every event of a session, read page by page.
    pub(super) async fn log(&self, session: &str, until: Instant) -> Option<Vec<Value>> {
        let mut log = Vec::new();
        loop {
            let after = log.last().map_or(0, seq);
            let path = format!("/v3/sessions/{session}/events?limit=500&after={after}");
            let mut page = self.get(&path, until).await?;
            let events = page["data"].as_array_mut().map(std::mem::take)?;
            if events.is_empty() {
                return Some(log);
            }
            log.extend(events);
        }
    }
}

/// The number of an event.
pub(super) fn seq(event: &Value) -> u64 {
    event["seq"].as_u64().unwrap_or(0)
}
