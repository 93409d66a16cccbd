//! The way to one provider: an address and the connections to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Response, Url};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use secrecy::{ExposeSecret, SecretString};

use crate::{ConfigError, ErrorKind, ModelError};

/// Time to reach a provider at all.
const CONNECT: Duration = Duration::from_secs(15);
/// An unused connection is kept this long: shorter than most servers do, so
/// that we are rarely the one who finds it closed.
const IDLE: Duration = Duration::from_secs(50);

/// An address of a provider, and the connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    url: Url,
    by: By,
}

/// Who carries a request there.
#[derive(Debug, Clone)]
enum By {
    Net(Client),
    /// Nobody has to: what answers is in this process.
    Here(Router),
}

impl Endpoint {
    /// The address `base` + `path`. A key is not sent in the clear, except to
    /// this machine or where `allow_http` says so.
    pub fn new(
        client: &Client,
        base: &str,
        path: &str,
        allow_http: bool,
    ) -> Result<Self, ConfigError> {
        let bad = || ConfigError::BadUrl(base.to_owned());
        let joined = format!("{}{path}", base.trim_end_matches('/'));
        let url = Url::parse(&joined).map_err(|_| bad())?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => return Err(ConfigError::Insecure(base.to_owned())),
            _ => return Err(bad()),
        }
        let by = By::Net(client.clone());
        Ok(Self { url, by })
    }

    /// That path of a server inside this process.
    pub fn here(router: &Router, path: &str) -> Result<Self, ConfigError> {
        let base = "http://rehearsal.invalid";
        let url = Url::parse(&format!("{base}{path}"));
        let url = url.map_err(|_| ConfigError::BadUrl(path.to_owned()))?;
        let by = By::Here(router.clone());
        Ok(Self { url, by })
    }

    /// Sends a document there, and gives the head of the answer.
    pub async fn post(
        &self,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, reqwest::Error> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self.by {
            By::Net(client) => {
                let request = client.post(self.url.clone()).headers(headers);
                request.body(body).send().await
            }
            By::Here(router) => {
                let mut request = hyper::Request::new(axum::body::Body::from(body));
                *request.method_mut() = hyper::Method::POST;
                *request.headers_mut() = headers;
                if let Ok(uri) = self.url.path().parse() {
                    *request.uri_mut() = uri;
                }
                let Ok(response) = TowerToHyperService::new(router.clone()).call(request).await;
                let (head, body) = response.into_parts();
                let body = Body::wrap_stream(body.into_data_stream());
                Ok(hyper::Response::from_parts(head, body).into())
            }
        }
    }
}

/// Connections for all providers. Nobody may lead a key elsewhere: redirects
/// are not followed.
pub(crate) fn connections() -> Result<Client, ConfigError> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls())
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(Duration::from_secs(30))
        .user_agent(concat!("opencomputer/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| ConfigError::Client(error.to_string()))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// TLS by ring, trusting what the system trusts. A system without certificates
/// can still rehearse: only its connections to real providers fail.
fn tls() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    match trusting_system(&provider) {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(
                %error,
                "no TLS certificates: model providers cannot be reached; install ca-certificates"
            );
            let builder = ClientConfig::builder_with_provider(provider);
            #[expect(clippy::expect_used, reason = "ring has the default versions")]
            let builder = builder
                .with_safe_default_protocol_versions()
                .expect("ring supports TLS 1.2 and 1.3");
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    }
}

fn trusting_system(provider: &Arc<CryptoProvider>) -> Result<ClientConfig, rustls::Error> {
    let verifier = Arc::new(Verifier::new(provider.clone())?);
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions()?.dangerous();
    Ok(builder
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// A header that carries a key, marked so that nothing prints it.
pub(crate) fn key_header(prefix: &str, key: &SecretString) -> Result<HeaderValue, ModelError> {
    let text = format!("{prefix}{}", key.expose_secret().trim());
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        let words = "The model key holds characters that no key has.";
        ModelError::new(ErrorKind::Auth, words)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_over_https_or_stay_on_this_machine() {
        let client = connections().unwrap();
        let insecure = |base: &str| Some(ConfigError::Insecure(base.to_owned()));
        let bad = |base: &str| Some(ConfigError::BadUrl(base.to_owned()));
        for (base, allow, want) in [
            ("https://api.example.com", false, None),
            ("http://127.0.0.1:9900", false, None),
            ("http://localhost:9900/", false, None),
            ("http://[::1]:9900", false, None),
            ("http://10.0.0.1", true, None),
            ("http://10.0.0.1", false, insecure("http://10.0.0.1")),
            (
                "http://localhost.example.com",
                false,
                insecure("http://localhost.example.com"),
            ),
            ("ftp://example.com", true, bad("ftp://example.com")),
            ("nonsense", true, bad("nonsense")),
        ] {
            let got = Endpoint::new(&client, base, "/v1/messages", allow).err();
            assert_eq!(got, want, "{base}");
        }
    }

    #[test]
    fn a_path_is_put_behind_the_base() {
        let (client, base) = (connections().unwrap(), "https://example.com/prefix/");
        let endpoint = Endpoint::new(&client, base, "/v1/messages", false);
        let url = endpoint.unwrap().url;
        assert_eq!(url.as_str(), "https://example.com/prefix/v1/messages");
    }

    #[test]
    fn a_key_header_is_never_printed() {
        let header = key_header("Bearer ", &SecretString::from("sk-1 \n")).unwrap();
        assert_eq!(header.as_bytes(), b"Bearer sk-1");
        assert!(!format!("{header:?}").contains("sk-1"));
        let error = key_header("", &SecretString::from("a\nb")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth);
    }
}
