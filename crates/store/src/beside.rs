//! A database of its own beside another one on the same PostgreSQL, for drills:
//! it is made, used through whatever address, and dropped.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::Error;
use crate::db::connect;

/// A database that is there for a while.
#[derive(Debug)]
pub struct Beside {
    server: Config,
    name: String,
}

/// Where a PostgreSQL server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Host and port.
    Tcp(String, u16),
    /// A socket of this machine.
    Unix(PathBuf),
}

impl Beside {
    /// Makes an empty database of that name (letters, digits and `_`) on the
    /// server of that address.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not let this user make one.
    pub async fn make(url: &str, name: &str) -> Result<Self, Error> {
        let beside = Self {
            server: connect::config(url)?,
            name: name.to_owned(),
        };
        beside.run(&format!("CREATE DATABASE {name}")).await?;
        Ok(beside)
    }

    /// Drops it, whoever is still connected.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn drop(self) -> Result<(), Error> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        self.run(&drop).await
    }

    /// Where its server listens.
    #[must_use]
    pub fn place(&self) -> Place {
        let port = self.server.get_ports().first().copied().unwrap_or(5432);
        match self.server.get_hosts().first() {
            Some(Host::Tcp(host)) => Place::Tcp(host.clone(), port),
            Some(Host::Unix(folder)) => Place::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            None => Place::Tcp("localhost".to_owned(), port),
        }
    }

    /// Its address, reached by way of `through`; certificates are still checked
    /// against the server's own name.
    #[must_use]
    pub fn url(&self, through: SocketAddr) -> String {
        let host = match self.server.get_hosts().first() {
            Some(Host::Tcp(host)) => host.as_str(),
            _ => "localhost",
        };
        let mode = match self.server.get_ssl_mode() {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            _ => "require",
        };
        let mut url = format!(
            "host={host} hostaddr={} port={} dbname={} sslmode={mode}",
            through.ip(),
            through.port(),
            self.name
        );
        if let Some(user) = self.server.get_user() {
            url.push_str(&format!(" user={}", quoted(user)));
        }
        if let Some(password) = self.server.get_password() {
            let password = String::from_utf8_lossy(password);
            url.push_str(&format!(" password={}", quoted(&password)));
        }
        url
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        let failed = |error: tokio_postgres::Error| crate::db::classify(&error);
        let connecting = self.server.connect(connect::tls()?);
        let connected = tokio::time::timeout(connect::CONNECT, connecting).await;
        let (client, connection) = connected
            .map_err(|_| Error::Unavailable("no connection in time".to_owned()))?
            .map_err(failed)?;
        tokio::select! {
            done = client.batch_execute(sql) => done.map_err(failed),
            ended = connection => match ended {
                Err(error) => Err(failed(error)),
                Ok(()) => Err(Error::Unavailable("the connection was closed".to_owned())),
            },
        }
    }
}

/// A value of a connection string.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn beside(url: &str) -> Beside {
        Beside {
            server: connect::config(url).unwrap(),
            name: "oc_drill_1".to_owned(),
        }
    }

    #[test]
    fn an_address_by_another_way_keeps_who_and_how() {
        let through: SocketAddr = "127.0.0.1:7000".parse().unwrap();
        let url = beside("postgres://u:p'w@db.example:5433/oc").url(through);
        let config: Config = url.parse().unwrap();
        assert_eq!(config.get_user(), Some("u"));
        assert_eq!(config.get_password(), Some(&b"p'w"[..]));
        assert_eq!(config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!(config.get_hostaddrs(), [through.ip()]);
        assert_eq!(config.get_ports(), [7000]);
        assert_eq!(config.get_dbname(), Some("oc_drill_1"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn a_server_is_found_by_name_or_by_socket() {
        let place = |url| beside(url).place();
        let tcp = |host: &str, port| Place::Tcp(host.to_owned(), port);
        assert_eq!(place("postgres://u@db.example/oc"), tcp("db.example", 5432));
        assert_eq!(place("host=h port=7 user=u"), tcp("h", 7));
        let socket = Place::Unix("/run/pg/.s.PGSQL.5432".into());
        assert_eq!(place("host=/run/pg user=u dbname=d"), socket);
    }
}
