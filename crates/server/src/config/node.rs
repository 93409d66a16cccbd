//! The node itself: where it listens, where it keeps things, how it holds sessions.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::options::options;
use super::{ConfigError, Secret, at_least, wrong};

options! {
    /// Where a node is and what it keeps.
    Node {
        /// Address to listen on
        "OC_LISTEN" listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Folder that holds everything the server keeps
        "OC_DATA" data: PathBuf = PathBuf::from("./data");
        /// postgres://… instead of the embedded SQLite file
        "OC_DATABASE_URL" (hide_env_values = true) database_url: Secret;
        /// Folder of large bodies and of checkpoints, shared by all nodes; blobs in the data folder if not set
        "OC_BLOBS" blobs: PathBuf;
        /// Folder of installed runtimes; runtimes in the data folder if not set
        "OC_RUNTIMES" runtimes: PathBuf;
        /// Address clients reach the server at, for links it hands out
        "OC_PUBLIC_URL" public_url: String;
        /// Domain whose names agt-<id>.<domain> lead here, for the agents' own addresses; paths of the server if not set
        "OC_AGENT_DOMAIN" agent_domain: String;
        /// Calls each hook takes per minute, on each node
        "OC_HOOK_REQUESTS_PER_MINUTE" hook_requests_per_minute: u64 = 60;
        /// First API key to make, as osb_ and 64 hex digits (automation)
        "OC_BOOTSTRAP_KEY" (hide_env_values = true) bootstrap_key: Secret;
        /// Sessions this node drives at once
        "OC_MAX_RUNNING" max_running: usize = 1024;
        /// Length of a lease on a session, in seconds
        "OC_LEASE_SECONDS" lease_seconds: u64 = 10;
        /// Seconds between heartbeats on a stream
        "OC_HEARTBEAT_SECONDS" heartbeat_seconds: u64 = 15;
    }
}

impl Node {
    /// Tidies what was given.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn check(mut self) -> Result<Self, ConfigError> {
        at_least("max_running", 1, self.max_running as u64)?;
        at_least("heartbeat_seconds", 1, self.heartbeat_seconds)?;
        // It is renewed at a third of its length.
        at_least("lease_seconds", 2, self.lease_seconds)?;
        at_least("hook_requests_per_minute", 1, self.hook_requests_per_minute)?;
        self.agent_domain = self.agent_domain.map(domain).transpose()?.flatten();
        let _ = self.database_url.take_if(Secret::is_empty);
        let _ = self.bootstrap_key.take_if(Secret::is_empty);
        self.public_url = self
            .public_url
            .map(|url| url.trim_end_matches('/').to_owned());
        Ok(self)
    }

    /// The folder of large bodies and checkpoints.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        let own = || self.data.join("blobs");
        self.blobs.clone().unwrap_or_else(own)
    }

    /// The folder of installed runtimes.
    #[must_use]
    pub fn runtimes(&self) -> PathBuf {
        let own = || self.data.join("runtimes");
        self.runtimes.clone().unwrap_or_else(own)
    }

    /// The address for links, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        let own = || format!("http://{}", self.listen);
        self.public_url.clone().unwrap_or_else(own)
    }
}

/// A domain in its one spelling; none if nothing was written.
fn domain(given: String) -> Result<Option<String>, ConfigError> {
    let name = given.trim().trim_end_matches('.').to_ascii_lowercase();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        let edge = label.starts_with('-') || label.ends_with('-');
        (1..64).contains(&label.len()) && label.bytes().all(letter) && !edge
    };
    match name.as_str() {
        "" => Ok(None),
        // Whole names have at most 253 bytes, and a label of 28 stands in front.
        name if name.len() < 224 && name.split('.').all(label) => Ok(Some(name.to_owned())),
        _ => {
            let wants = "give a domain such as agents.example.com, without scheme or port";
            Err(wrong("agent_domain", given, wants))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for (given, want) in [
            ("", None),
            (".", None),
            ("Agents.Example.com.", Some("agents.example.com")),
            ("localhost", Some("localhost")),
        ] {
            assert_eq!(domain(given.to_owned()).unwrap().as_deref(), want);
        }
        let long = format!("{}com", "a.".repeat(120));
        for bad in [
            "https://a.b",
            "a.b:80",
            "a..b",
            ".a",
            "*.a",
            "-a.b",
            "a_b.c",
            "ü.de",
            &long,
        ] {
            let error = domain(bad.to_owned()).unwrap_err().to_string();
            assert!(error.contains("agents.example.com"), "{error}");
        }
    }

    #[test]
    fn what_is_not_given_follows_from_what_is() {
        let node = Given {
            data: Some("/d".into()),
            ..Given::default()
        };
        let node = node.fill().check().unwrap();
        assert_eq!(node.blobs(), PathBuf::from("/d/blobs"));
        assert_eq!(node.runtimes(), PathBuf::from("/d/runtimes"));
        assert_eq!(node.url(), "http://127.0.0.1:8080");
        let node = Given {
            blobs: Some("/b".into()),
            runtimes: Some("/r".into()),
            public_url: Some("https://oc.example.com/".into()),
            database_url: Some(String::new().into()),
            ..Given::default()
        };
        let node = node.fill().check().unwrap();
        assert_eq!(node.blobs(), PathBuf::from("/b"));
        assert_eq!(node.runtimes(), PathBuf::from("/r"));
        assert_eq!(node.url(), "https://oc.example.com");
        assert!(node.database_url.is_none(), "an empty variable is unset");
    }
}
