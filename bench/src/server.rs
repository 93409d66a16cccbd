//! The real server, started on a folder of its own, and its client.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const KEY: &str = "osb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub struct Server {
    child: Child,
    pub url: String,
    pub http: reqwest::Client,
    env: Vec<(&'static str, &'static str)>,
    /// Kept so that the folder outlives the server.
    pub data: TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::on(tempfile::tempdir_in(".").unwrap())
    }

    pub fn on(data: TempDir) -> Self {
        Self::with(data, &[])
    }

    /// A server with more options, as variables.
    pub fn with(data: TempDir, env: &[(&'static str, &'static str)]) -> Self {
        let child = spawn(data.path(), env);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self {
            child,
            url: String::new(),
            http,
            env: env.to_vec(),
            data,
        };
        server.listens();
        server
    }

    /// Kills the server as a crash would and starts it again on the same folder,
    /// without waiting for it to listen. Tells when the new one was started.
    pub fn crash(&mut self) -> Instant {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let began = Instant::now();
        self.child = spawn(self.data.path(), &self.env);
        began
    }

    /// Waits until the server listens.
    pub fn listens(&mut self) {
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        self.url = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_prefix("OpenComputer listens on ")
                    .map(|url| url.trim().to_owned())
            })
            .expect("the server starts");
    }

    /// Resident memory of the server in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(KEY)
            .json(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// Waits until the sandboxes that are kept warm are there, and with them what
    /// every sandbox is made of.
    pub async fn keeps_sandboxes_warm(&self) {
        let warm = "oc_sandboxes{state=\"warm\"} 2";
        let page = format!("{}/metrics", self.url);
        loop {
            let answer = self.http.get(&page).bearer_auth(KEY).send().await;
            if answer.unwrap().text().await.unwrap().contains(warm) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Whether the server has no such route.
    pub async fn is_missing(&self, path: &str) -> bool {
        let request = self.http.post(format!("{}{path}", self.url));
        let answer = request.bearer_auth(KEY).json(&json!({})).send().await;
        answer.unwrap().status() == reqwest::StatusCode::NOT_FOUND
    }

    pub async fn agent(&self, name: &str) -> String {
        let body = json!({ "name": name, "model": "test/script", "prompt": "Bench." });
        self.post("/v3/agents", &body).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub async fn session(&self, agent: &str, input: &str) -> String {
        let made = self
            .post("/v3/sessions", &json!({ "agent": agent, "input": input }))
            .await;
        made["session"]["id"].as_str().unwrap().to_owned()
    }

    /// Says something to a session.
    pub async fn say(&self, session: &str, text: &str) {
        let path = format!("/v3/sessions/{session}/messages");
        self.post(&path, &json!({ "text": text })).await;
    }

    /// What stands there.
    pub async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(KEY).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub async fn stream(&self, session: &str, after: u64) -> Frames {
        let url = format!(
            "{}/v3/sessions/{session}/events?stream=sse&after={after}",
            self.url
        );
        let answer = self.http.get(url).bearer_auth(KEY).send().await.unwrap();
        assert!(answer.status().is_success());
        Frames {
            body: answer.bytes_stream().boxed(),
            text: Vec::new(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bench is told which program to measure"
)]
fn spawn(data: &Path, env: &[(&str, &str)]) -> Child {
    let program =
        std::env::var_os("OC").map_or_else(|| PathBuf::from("target/release/oc"), PathBuf::from);
    Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("OC_BOOTSTRAP_KEY", KEY)
        .env("OC_LOG", "error")
        .env("OC_MAX_RUNNING", "4096")
        .env("OC_ORG_TURNS", "4096")
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("build the server first: cargo build --release -p server")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Frames of a stream as text.
pub struct Frames {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: Vec<u8>,
}

impl Frames {
    /// The next frame with data.
    pub async fn next(&mut self) -> String {
        loop {
            if let Some(at) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.text.drain(..at + 2).collect();
                let frame = String::from_utf8(frame).unwrap();
                if frame.contains("data:") {
                    return frame;
                }
                continue;
            }
            let part = self.body.next().await.expect("the stream goes on").unwrap();
            self.text.extend_from_slice(&part);
        }
    }

    /// Skips to the frame that holds these words.
    pub async fn until(&mut self, words: &str) -> String {
        loop {
            let frame = self.next().await;
            if frame.contains(words) {
                return frame;
            }
        }
    }
}
