//! The registry of packages: what it says about a version, and the version's
//! bytes. It speaks npm's protocol; the machine's proxy variables hold.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::integrity::Hash;
use super::{Error, Package};

/// Where packages are, unless told otherwise.
const NPM: &str = "https://registry.npmjs.org";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(15);
/// How long nothing may come.
const GAP: Duration = Duration::from_secs(60);
/// Most bytes of what the registry says about a package.
const SAID: usize = 64 << 20;
/// The short form of it, without what is for readers.
const SHORT: &str = "application/vnd.npm.install-v1+json, application/json;q=0.9";
/// Most bytes of a package as it comes.
const BYTES: u64 = 1 << 30;

/// A registry of packages.
#[derive(Debug, Clone)]
pub struct Registry {
    base: Url,
    http: Client,
}

/// What a registry says about one version of a package.
#[derive(Debug)]
pub(super) struct Published {
    /// Where its bytes are.
    pub address: Url,
    /// Their hash.
    pub integrity: Hash,
}

/// What is said about a package: all its versions. Registries answer for one
/// alone, too, but their own clients do not ask so, and not all of them do it for
/// names with a scope.
#[derive(Deserialize)]
struct Said {
    versions: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
struct Version {
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    tarball: String,
    integrity: Option<String>,
}

impl Registry {
    /// The registry at that address, or npm's own.
    ///
    /// # Errors
    /// If the address is none.
    pub fn new(address: Option<&str>) -> Result<Self, Error> {
        let text = address.unwrap_or(NPM);
        let wrong = || Error::Registry(format!("`{text}` is no http or https address"));
        let base = Url::parse(&format!("{}/", text.trim_end_matches('/')));
        let base = base.map_err(|_| wrong())?;
        if !matches!(base.scheme(), "https" | "http") {
            return Err(wrong());
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(GAP)
            .redirect(Policy::limited(5))
            .https_only(base.scheme() == "https")
            .user_agent(concat!("oc/", env!("CARGO_PKG_VERSION")));
        let http = match base.host_str() {
            Some("127.0.0.1" | "localhost" | "[::1]") => http.no_proxy(),
            _ => http,
        };
        let http = http
            .build()
            .map_err(|error| Error::Registry(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { base, http })
    }

    /// What the registry says about that version. Where this build knows the
    /// hash, the registry must say the same one.
    pub(super) async fn look_up(&self, package: &Package) -> Result<Published, Error> {
        let path = package.name.replace('/', "%2f");
        let named = format!("{} {}", package.name, package.published);
        let url = self
            .base
            .join(&path)
            .map_err(|_| Error::Version(package.published.clone()))?;
        let answer = self.get(url).await?;
        let missing = || Error::Registry(format!("{} has no package {named}", self.base));
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(missing());
        }
        let said: Said = serde_json::from_slice(&whole(well(answer)?).await?).map_err(|error| {
            Error::Registry(format!("{} does not describe {named}: {error}", self.base))
        })?;
        let version = said.versions.get(&package.published).ok_or_else(missing)?;
        let Version { dist } = serde_json::from_str(version.get())
            .map_err(|error| Error::Registry(format!("{named} cannot be read: {error}")))?;
        let told = Hash::parse(&dist.integrity.unwrap_or_default())
            .map_err(|why| Error::Registry(format!("{named} cannot be checked: {why}")))?;
        let integrity = match package.integrity {
            Some(known) => Hash::parse(known).map_err(Error::Registry)?,
            None => told.clone(),
        };
        if told != integrity {
            return Err(Error::Hash {
                package: named,
                got: told.text(),
                want: integrity.text(),
            });
        }
        let address = self.base.join(&dist.tarball);
        Ok(Published {
            address: address
                .map_err(|_| Error::Registry(format!("{named} has no address to get it from")))?,
            integrity,
        })
    }

    /// Sends the bytes at an address on as they come; `told` hears how many came,
    /// of how many if that is known.
    pub(super) async fn fetch(
        &self,
        address: Url,
        to: mpsc::Sender<bytes::Bytes>,
        mut told: impl FnMut(u64, Option<u64>),
    ) -> Result<(), Error> {
        let answer = well(self.get(address).await?)?;
        let whole = answer.content_length();
        let mut came = 0;
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| failed(&error))?;
            came += piece.len() as u64;
            if came > BYTES {
                return Err(Error::Package(format!("it has more than {BYTES} bytes")));
            }
            told(came, whole);
            // Whoever unpacks may have had enough: it tells why.
            if to.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn get(&self, url: Url) -> Result<Response, Error> {
        let asked = self.http.get(url).header(ACCEPT, SHORT).send().await;
        asked.map_err(|error| failed(&error))
    }
}

fn well(answer: Response) -> Result<Response, Error> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(Error::Registry(format!(
        "{} answered {status}",
        answer.url().origin().ascii_serialization()
    )))
}

/// A body of bounded size.
async fn whole(mut answer: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| failed(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > SAID {
            return Err(Error::Registry("the registry says too much".to_owned()));
        }
    }
    Ok(body)
}

/// The innermost reason is the one that tells what to mend.
fn failed(error: &reqwest::Error) -> Error {
    let mut why: &dyn std::error::Error = error;
    while let Some(below) = why.source() {
        why = below;
    }
    let host = error.url().and_then(Url::host_str).unwrap_or("it");
    Error::Registry(format!(
        "the registry cannot be reached at {host}: {why}. A proxy is taken from HTTPS_PROXY, another registry from --registry"
    ))
}
