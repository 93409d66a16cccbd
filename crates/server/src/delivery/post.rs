//! The way to receivers: one attempt to hand over a letter. Receivers are chosen by
//! users, so each is treated as somebody else's: addresses are judged after
//! resolution and connected to as judged, no redirect is followed, no proxy of the
//! host is used, and of an answer only so much is read.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use egress::{Addresses, Limits, Policy, Reason, Roots};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use secrecy::SecretString;
use session::Millis;

use super::letter::Letter;
use super::sign;
use crate::config::Config;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next letter.
const IDLE: Duration = Duration::from_secs(30);
/// Connections kept to one receiver.
const KEPT: usize = 8;
/// Bytes of an answer that are read, so that the connection can be used again.
const READ: usize = 1024;
/// Most characters of an error that are kept.
const TOLD: usize = 200;

/// The way to receivers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Post {
    client: Client,
    addresses: Arc<Addresses>,
    deadline: Duration,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status, if there was an answer.
    pub(super) code: Option<u16>,
    /// Why it failed, if it did; for people.
    pub(super) error: Option<String>,
    /// What the receiver says about trying again.
    pub(super) retry_after: Option<String>,
    /// What it was, in one word for metrics.
    pub(super) state: &'static str,
}

impl Answer {
    /// No answer.
    pub(super) fn none(state: &'static str, error: String) -> Self {
        Self {
            code: None,
            error: Some(error),
            retry_after: None,
            state,
        }
    }
}

/// Gives the client only addresses it may connect to.
#[derive(Clone)]
struct Judged(Arc<Addresses>);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = Arc::clone(&self.0);
        Box::pin(async move {
            let found = addresses.of(name.as_str()).await?;
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

impl Post {
    /// A way that follows this policy and trusts servers that these roots vouch for.
    ///
    /// # Errors
    /// If the client cannot be made; for people.
    pub fn new(config: &Config, policy: Policy, roots: &Roots) -> Result<Self, String> {
        let addresses = Arc::new(Addresses::new(policy, Limits::default()));
        let tls = roots.client().map_err(|error| error.to_string())?;
        let deadline = Duration::from_secs(config.deliveries.delivery_seconds);
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Judged(Arc::clone(&addresses)))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(CONNECT)
            .timeout(deadline)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(KEPT)
            .user_agent(concat!("opencomputer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            addresses,
            deadline,
        })
    }

    /// Whether an address to be connected to may be this host, as far as that can be
    /// told without looking.
    ///
    /// # Errors
    /// The reason why nobody may connect there.
    pub fn may_be(&self, url: &Url) -> Result<(), Reason> {
        self.addresses.may_be(host(url))
    }

    /// Hands a letter over, if the receiver takes it.
    pub(super) async fn send(
        &self,
        url: &str,
        letter: &Letter,
        secrets: &[SecretString],
        at: Millis,
    ) -> Answer {
        let Ok(url) = Url::parse(url) else {
            return Answer::none("refused", "not an address".to_owned());
        };
        // The client looks up names only.
        if let Err(reason) = self.may_be(&url) {
            return Answer::none("refused", format!("refused: {}", reason.as_str()));
        }
        let seconds = at.0.div_euclid(1000);
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &letter.event)
            .header("webhook-timestamp", seconds)
            .header("x-oc-delivery-id", &letter.delivery)
            .header("x-oc-session-id", &letter.session);
        let signed = sign::signatures(secrets, &letter.event, seconds, &letter.body);
        if let Some(signed) = signed {
            request = request.header("webhook-signature", signed);
        }
        match request.body(letter.body.clone()).send().await {
            Ok(response) => answered(response).await,
            Err(error) => self.failed(error),
        }
    }

    /// Waits for lookups that still run.
    pub(super) async fn close(&self) {
        self.addresses.close().await;
    }

    fn failed(&self, error: reqwest::Error) -> Answer {
        if error.is_timeout() {
            let error = match error.is_connect() {
                true => format!("no connection within {} s", CONNECT.as_secs()),
                false => format!("no answer within {} s", self.deadline.as_secs()),
            };
            return Answer::none("timeout", error);
        }
        let error = error.without_url();
        let mut source: Option<&(dyn Error + 'static)> = error.source();
        let mut last = error.to_string();
        while let Some(cause) = source {
            if let Some(egress::Error::Refused(reason)) = cause.downcast_ref() {
                return Answer::none("refused", format!("refused: {}", reason.as_str()));
            }
            last = cause.to_string();
            source = cause.source();
        }
        Answer::none("unreachable", last.chars().take(TOLD).collect())
    }
}

/// The host of an address as the resolver reads it.
fn host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host)
}

/// The head of an answer decides; a little of its body is read, so that the
/// connection can be used again, and never more.
async fn answered(mut response: Response) -> Answer {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut read = 0;
    while read < READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
    }
    let error = match status.as_u16() {
        200..=299 => None,
        300..=399 => Some(format!(
            "status {}: redirects are not followed",
            status.as_u16()
        )),
        code => Some(format!("status {code}")),
    };
    Answer {
        code: Some(status.as_u16()),
        state: if error.is_none() {
            "delivered"
        } else {
            "failed"
        },
        error,
        retry_after,
    }
}
