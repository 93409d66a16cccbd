//! Finds the demo's server, or starts it: in the background, in a session of its
//! own, its output in a file.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::pid::{self, Process};
use crate::cli::api::{Api, Ask};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::progress::during;

/// How long a server may take to be ready.
const READY: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of its log that are shown when it fails.
const TAIL: usize = 12;

/// The server of a demo.
pub(super) struct Launched {
    /// Where it is.
    pub url: String,
    /// The process, if this run started it and it is not to be kept yet.
    own: Option<(Process, PathBuf)>,
}

impl Launched {
    /// Whether this run started it.
    pub(super) fn fresh(&self) -> bool {
        self.own.is_some()
    }

    /// Lets it go on when we end.
    pub(super) fn keep(mut self) {
        self.own = None;
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if let Some((process, data)) = self.own.take() {
            process.signal(Signal::SIGTERM);
            pid::forget(&data);
        }
    }
}

/// The server of this data folder, started if it does not run.
pub(super) async fn ensure(
    context: &Context,
    data: &Path,
    listen: SocketAddr,
    key: &str,
) -> Result<Launched, CliError> {
    if Process::read(data).is_some() {
        let url = url_of(address(data).unwrap_or(listen));
        during(context.out, "waiting for the server", answers(&url, key)).await?;
        context.out.note(&format!(
            "Using the server that runs on {url} since an earlier demo."
        ));
        return Ok(Launched { url, own: None });
    }
    if TcpStream::connect(url_address(listen)).await.is_ok() {
        let url = url_of(listen);
        during(
            context.out,
            "asking who listens there",
            known(&url, key, listen, data),
        )
        .await?;
        context
            .out
            .note(&format!("Using the server that runs on {url}."));
        return Ok(Launched { url, own: None });
    }
    context.out.note(&format!(
        "Starting a server on {listen}, data in {} …",
        data.display()
    ));
    start(context, data, listen, key).await
}

async fn start(
    context: &Context,
    data: &Path,
    listen: SocketAddr,
    key: &str,
) -> Result<Launched, CliError> {
    let _ = fs::remove_file(data.join("address"));
    let mut child = spawn(data, listen, key)
        .map_err(|error| CliError::Local(format!("the server cannot be started: {error}")))?;
    let process = Process::of(child.id()).ok_or_else(|| died(data))?;
    let mut launched = Launched {
        url: String::new(),
        own: Some((process.clone(), data.to_owned())),
    };
    process.write(data)?;
    let bound = during(context.out, "starting the server", bound(&mut child, data)).await?;
    launched.url = url_of(bound);
    during(
        context.out,
        "waiting until it is ready",
        answers(&launched.url, key),
    )
    .await?;
    Ok(launched)
}

fn spawn(data: &Path, listen: SocketAddr, key: &str) -> std::io::Result<Child> {
    let log = fs::File::create(data.join("server.log"))?;
    Command::new(std::env::current_exe()?)
        .args(["serve", "--own-session", "--listen"])
        .arg(listen.to_string())
        .arg("--data")
        .arg(data)
        .env("OC_BOOTSTRAP_KEY", key)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Waits for the address it listens on.
async fn bound(child: &mut Child, data: &Path) -> Result<SocketAddr, CliError> {
    let begin = Instant::now();
    while begin.elapsed() < READY {
        if let Some(address) = address(data) {
            return Ok(address);
        }
        if child.try_wait()?.is_some() {
            return Err(died(data));
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(CliError::Local(format!(
        "the server did not start in {} s:\n{}",
        READY.as_secs(),
        tail(data)
    )))
}

/// Waits until the server is ready and takes our key.
async fn answers(url: &str, key: &str) -> Result<(), CliError> {
    let api = Api::new(url, Some(key))?;
    let begin = Instant::now();
    loop {
        match api.send(Ask::get("/readyz")).await {
            Ok(_) => break,
            Err(CliError::Local(_) | CliError::Api(_)) if begin.elapsed() < READY => {
                tokio::time::sleep(LOOK).await
            }
            Err(error) => return Err(error),
        }
    }
    api.send(Ask::get("/v3/agents").with("limit", Some(1)))
        .await
        .map(drop)
}

/// Whether what listens there is a server that knows our key.
async fn known(url: &str, key: &str, listen: SocketAddr, data: &Path) -> Result<(), CliError> {
    let api = Api::new(url, Some(key))?;
    match api
        .send(Ask::get("/v3/agents").with("limit", Some(1)))
        .await
    {
        Ok(answer) if answer.value["data"].is_array() => Ok(()),
        Err(CliError::Api(refused)) if refused.status == 401 => Err(CliError::Local(format!(
            "the server on {listen} does not know this demo's key: it runs on another folder than {}. Give that one with --data, or another address with --listen",
            data.display()
        ))),
        _ => Err(CliError::Local(format!(
            "something else listens on {listen}: choose another address, as in --listen 127.0.0.1:8090"
        ))),
    }
}

fn died(data: &Path) -> CliError {
    CliError::Local(format!(
        "the server ended at once. `oc doctor` may tell why; the end of {}:\n{}",
        data.join("server.log").display(),
        tail(data)
    ))
}

fn tail(data: &Path) -> String {
    let log = fs::read_to_string(data.join("server.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn address(data: &Path) -> Option<SocketAddr> {
    fs::read_to_string(data.join("address"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The address a client uses for one that a server listens on.
fn url_address(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            address.set_ip(Ipv4Addr::LOCALHOST.into())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            address.set_ip(Ipv6Addr::LOCALHOST.into())
        }
        _ => {}
    }
    address
}

fn url_of(listen: SocketAddr) -> String {
    format!("http://{}", url_address(listen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_goes_to_an_address_that_is_one() {
        for (listen, want) in [
            ("127.0.0.1:1", "http://127.0.0.1:1"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:9", "http://[::1]:9"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()), want);
        }
    }

    #[test]
    fn the_end_of_the_log_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (0..30).map(|n| format!("line {n}\n")).collect();
        fs::write(folder.path().join("server.log"), lines).unwrap();
        let shown = tail(folder.path());
        assert!(
            shown.starts_with("  line 18\n") && shown.ends_with("line 29"),
            "{shown}"
        );
    }
}
