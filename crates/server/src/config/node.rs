//! The node itself: where it listens, where it keeps things, how it holds sessions.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::options::options;
use super::{ConfigError, Secret, at_least};

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

#[cfg(test)]
mod tests {
    use super::*;

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
