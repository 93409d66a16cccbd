//! Talks to a server: one request with a deadline, its answer or a clear error.
//! What may be sent twice is tried again when the network or the server fails.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::error::{CliError, Refused};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Times a request that may be repeated is sent.
const ATTEMPTS: u32 = 3;

/// A server and the key for it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    base: Url,
    key: SecretString,
    http: Client,
}

/// An answer: as it came, and as JSON (`null` where it has no body).
#[derive(Debug)]
pub(super) struct Answer {
    /// 2xx.
    pub status: u16,
    /// Word for word.
    pub text: String,
    /// The same, read.
    pub value: Value,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    query: Vec<(&'a str, String)>,
    body: Option<Body>,
    idempotency: Option<String>,
    after: Option<u64>,
}

/// What a request carries.
#[derive(Debug, Clone)]
enum Body {
    Json(Value),
    Zip(bytes::Bytes),
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            idempotency: None,
            after: None,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(Body::Json(body));
        self
    }

    /// An archive as the body.
    pub(super) fn zip(mut self, archive: Vec<u8>) -> Self {
        self.body = Some(Body::Zip(archive.into()));
        self
    }

    /// A query parameter, where it is given.
    pub(super) fn with(mut self, name: &'a str, value: Option<impl ToString>) -> Self {
        self.query
            .extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// A key that makes the request safe to repeat.
    pub(super) fn idempotent(mut self, key: String) -> Self {
        self.idempotency = Some(key);
        self
    }

    /// The number of the last event that was seen of a stream.
    pub(super) fn resumed(mut self, after: u64) -> Self {
        self.after = (after > 0).then_some(after);
        self
    }

    fn repeatable(&self) -> bool {
        self.method == Method::GET || self.idempotency.is_some()
    }
}

/// An address without the face of the API that some people give with it.
pub(super) fn plain(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let faces = ["/v3", "/api"];
    let bare = faces.iter().find_map(|face| url.strip_suffix(face));
    bare.unwrap_or(url)
}

impl Api {
    /// A client for the server at `url`; the address may end in `/v3` or `/api`.
    pub(super) fn new(url: &str, key: Option<&str>) -> Result<Self, CliError> {
        let trimmed = plain(url);
        let wrong =
            |why: String| CliError::Usage(format!("`{url}` is not the address of a server: {why}"));
        let base = Url::parse(trimmed).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong("it must begin with http:// or https://".to_owned()));
        }
        // Whoever was first to install a provider installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .connect_timeout(CONNECT)
            .user_agent(concat!("oc/", env!("CARGO_PKG_VERSION")));
        if base.host_str().is_some_and(is_loopback) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|error| CliError::Local(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self {
            base,
            key: SecretString::from(key.unwrap_or_default()),
            http,
        })
    }

    /// Where the server is, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Answer, CliError> {
        let attempts = if ask.repeatable() { ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let outcome = self.once(&ask).await;
            let again = match &outcome {
                Err(Failed { wait, .. }) if attempt < attempts => *wait,
                _ => None,
            };
            let Some(wait) = again else {
                return outcome.map_err(|failed| failed.error);
            };
            tokio::time::sleep(wait * attempt).await;
            attempt += 1;
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let request = self.request(ask).timeout(ANSWER);
        let response = request
            .send()
            .await
            .map_err(|error| Failed::here(self.unreachable(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response
            .text()
            .await
            .map_err(|error| Failed::here(self.unreachable(&error)))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(Answer {
                status: status.as_u16(),
                text,
                value,
            });
        }
        Err(Failed::there(
            Refused::read(status.as_u16(), &value),
            &headers,
        ))
    }

    fn request(&self, ask: &Ask<'_>) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}{}",
            self.base.path().trim_end_matches('/'),
            ask.path
        ));
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = self.http.request(ask.method.clone(), url);
        if !self.key.expose_secret().is_empty() {
            request = request.bearer_auth(self.key.expose_secret());
        }
        if let Some(key) = &ask.idempotency {
            request = request.header("idempotency-key", key);
        }
        if let Some(seq) = ask.after {
            request = request.header("last-event-id", seq);
        }
        match &ask.body {
            Some(Body::Json(body)) => request.json(body),
            Some(Body::Zip(archive)) => request
                .header("content-type", "application/zip")
                .body(archive.clone()),
            None => request,
        }
    }

    /// Opens a stream; it fails when nothing comes for `silence`.
    pub(super) async fn stream(
        &self,
        ask: Ask<'_>,
        silence: Duration,
    ) -> Result<Response, CliError> {
        let request = self.request(&ask).header("accept", "text/event-stream");
        let opening = tokio::time::timeout(silence, request.send()).await;
        let response = opening
            .map_err(|_| {
                CliError::Local(format!(
                    "no answer from {} in {} s",
                    self.url(),
                    silence.as_secs()
                ))
            })?
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = tokio::time::timeout(ANSWER, response.text())
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
        Err(Refused::read(status, &serde_json::from_str(&text).unwrap_or(Value::Null)).into())
    }

    /// What to tell of a request that got no answer. The address is ours to
    /// print, the query is not: it may hold a token.
    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let why = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else if error.is_connect() {
            "nothing listens there. Is the server running (`oc serve`, `oc demo`)? Is OPENCOMPUTER_API_URL right?".to_owned()
        } else {
            root(error)
        };
        CliError::Local(format!("cannot reach {}: {why}", self.url()))
    }
}

/// A request that got no good answer, and after what pause it may be repeated.
struct Failed {
    error: CliError,
    wait: Option<Duration>,
}

impl Failed {
    fn here(error: CliError) -> Self {
        Self {
            error,
            wait: Some(Duration::from_millis(200)),
        }
    }

    fn there(refused: Refused, headers: &HeaderMap) -> Self {
        let told = headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let wait = match refused.status {
            429 | 500.. => Some(told.map_or(Duration::from_millis(500), |s: u64| {
                Duration::from_secs(s.min(10))
            })),
            _ => None,
        };
        // Never built means never, however often one asks.
        let wait = if refused.status == 501 { None } else { wait };
        Self {
            error: refused.into(),
            wait,
        }
    }
}

fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_end_in_a_face_and_slashes() {
        for (given, want) in [
            ("http://h:1", "http://h:1"),
            ("http://h:1/", "http://h:1"),
            ("https://h/v3", "https://h"),
            ("https://h/api/", "https://h"),
            ("https://h/v3/", "https://h"),
            ("https://h/base/v3", "https://h/base"),
        ] {
            assert_eq!(Api::new(given, None).unwrap().url(), want);
        }
    }

    #[test]
    fn what_is_no_address_is_a_wrong_command_line() {
        for given in ["", "localhost:8080", "ftp://h", "http://"] {
            assert_eq!(Api::new(given, None).unwrap_err().code(), 2, "{given}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let api = Api::new("http://h", Some("osb_secret")).unwrap();
        assert!(!format!("{api:?}").contains("osb_secret"));
    }

    #[test]
    fn only_what_may_be_sent_twice_is() {
        assert!(Ask::get("/x").repeatable());
        assert!(!Ask::post("/x").repeatable());
        assert!(Ask::post("/x").idempotent("k".into()).repeatable());
    }

    #[test]
    fn a_path_is_joined_to_the_base_and_a_query_is_encoded() {
        let api = Api::new("http://h/base", Some("k")).unwrap();
        let request = api.request(
            &Ask::get("/v3/agents")
                .with("cursor", Some("a b"))
                .with("x", None::<String>),
        );
        let request = request.build().unwrap();
        assert_eq!(request.url().as_str(), "http://h/base/v3/agents?cursor=a+b");
        assert_eq!(request.headers()["authorization"], "Bearer k");
    }
}
