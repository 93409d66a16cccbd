//! How a PostgreSQL server is reached: what its address asks for, deadlines,
//! and TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// How long to wait for a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long a peer may be silent before the connection counts as gone.
const SILENT: Duration = Duration::from_secs(10);
/// Settings of every connection: no statement, and no transaction that waits
/// for us, may last for ever.
const SETTINGS: &str = "-c statement_timeout=20000 -c idle_in_transaction_session_timeout=20000";

/// Reads an address. Certificates are always checked, so the modes of libpq
/// that ask for it mean `require`; an address that says nothing gets TLS
/// unless the server is on this machine.
pub(crate) fn config(url: &str) -> Result<Config, Error> {
    let said = url.contains("sslmode=");
    let url = url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    // The error would repeat the address, and with it a password.
    let mut config: Config = url
        .parse()
        .map_err(|_| Error::Unavailable("the address of the database cannot be read".to_owned()))?;
    if !said {
        let local = config.get_hosts().iter().all(is_local);
        config.ssl_mode(if local {
            SslMode::Disable
        } else {
            SslMode::Require
        });
    }
    let options = config.get_options().unwrap_or_default();
    let options = format!("{SETTINGS} {options}");
    config
        .options(options.trim_end())
        .application_name("oc")
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENT)
        .keepalives_idle(SILENT);
    Ok(config)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
    }
}

/// TLS as the system trusts it.
pub(crate) fn tls() -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unavailable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tls_is_the_rule_beyond_this_machine() {
        let table = [
            ("postgres://u@localhost/d", SslMode::Disable),
            ("postgres://u@127.0.0.1:5433/d", SslMode::Disable),
            ("postgres://u@db.example/d", SslMode::Require),
            (
                "postgres://u@db.example/d?sslmode=disable",
                SslMode::Disable,
            ),
            (
                "postgres://u@localhost/d?sslmode=verify-full",
                SslMode::Require,
            ),
            ("host=/run/postgresql user=u dbname=d", SslMode::Disable),
        ];
        for (url, want) in table {
            assert_eq!(config(url).unwrap().get_ssl_mode(), want, "{url}");
        }
    }

    #[test]
    fn a_bad_address_does_not_show_its_password() {
        let error = config("postgres://u:hunter2@h:port/d").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn own_options_stand_behind_ours_and_win() {
        let config = config("host=/tmp options='-c statement_timeout=1'").unwrap();
        assert!(
            config
                .get_options()
                .unwrap()
                .ends_with("-c statement_timeout=1")
        );
    }
}
