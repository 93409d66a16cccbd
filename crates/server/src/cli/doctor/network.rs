//! The port to listen on and the database to reach.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpStream};

use super::Check;
use crate::cli::api::{Api, Ask};
use crate::config::Config;

/// How long the database may take to answer.
const REACH: Duration = Duration::from_secs(5);

pub(super) async fn look(config: &Config) -> Vec<Check> {
    vec![port(config.node.listen).await, database(config).await]
}

async fn port(address: SocketAddr) -> Check {
    match TcpListener::bind(address).await {
        Ok(_) => Check::ok("port", format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && serves(address).await => Check::ok(
            "port",
            format!("a server of ours listens on {address} already"),
        ),
        Err(error) => Check::missing(
            "port",
            format!("cannot listen on {address}: {error}"),
            "choose another with --listen",
        ),
    }
}

async fn serves(address: SocketAddr) -> bool {
    match Api::new(&format!("http://{address}"), None) {
        Ok(api) => api.send(Ask::get("/readyz")).await.is_ok(),
        Err(_) => false,
    }
}

async fn database(config: &Config) -> Check {
    let Some(url) = &config.node.database_url else {
        return Check::ok(
            "database",
            format!("SQLite, in {}", config.node.data.join("oc.db").display()),
        );
    };
    let fix =
        "check --database-url (postgres://user:password@host:port/name) and that PostgreSQL runs";
    let Some((host, port)) = Url::parse(url.expose_secret())
        .ok()
        .and_then(|url| Some((url.host_str()?.to_owned(), url.port().unwrap_or(5432))))
    else {
        return Check::weaker(
            "database",
            "PostgreSQL, at an address that names no host: not tried",
            fix,
        );
    };
    match tokio::time::timeout(REACH, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Check::ok(
            "database",
            format!("something listens on {host}:{port}; user and password are tried at the start"),
        ),
        Ok(Err(error)) => Check::missing(
            "database",
            format!("{host}:{port} cannot be reached: {error}"),
            fix,
        ),
        Err(_) => Check::missing(
            "database",
            format!("{host}:{port} did not answer in {} s", REACH.as_secs()),
            fix,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Settings;

    #[tokio::test]
    async fn a_port_that_a_stranger_has_is_missing() {
        let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = stranger.local_addr().unwrap();
        // A stranger that hangs up at once: no server of ours does that.
        let strange = async {
            while let Ok((connection, _)) = stranger.accept().await {
                drop(connection);
            }
        };
        let check =
            tokio::select! { check = port(address) => check, () = strange => unreachable!() };
        assert_eq!(check.state, State::Missing);
        drop(stranger);
        assert_eq!(port(address).await.state, State::Ok);
    }

    #[tokio::test]
    async fn a_database_is_reached_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let check = async |url: String| {
            let mut settings = Settings::default();
            settings.node.database_url = Some(url.into());
            let config = settings.hold().unwrap();
            database(&config).await
        };
        assert_eq!(
            check(format!("postgres://u:hunter2@{there}/d")).await.state,
            State::Ok
        );
        drop(listener);
        let gone = check(format!("postgres://u:hunter2@{there}/d")).await;
        assert!(
            gone.state == State::Missing && !gone.found.contains("hunter2"),
            "{gone:?}"
        );
        assert_eq!(check("postgres:///d".into()).await.state, State::Weaker);
    }
}
