//! A real server for tests: the `oc` binary on a folder of its own, a client for
//! its API, and ways to kill it and start it again on the same files.
//!
//! Nothing here sleeps: whoever waits, waits for an event on a stream or for a
//! line the server prints.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up; never waited for when
/// things go well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The key every test server begins with.
pub const KEY: &str = "osb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A running server.
pub struct Server {
    child: Option<Child>,
    /// Its folder; gone when the server is dropped.
    pub data: TempDir,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    env: BTreeMap<String, String>,
    http: reqwest::Client,
    /// In which its agents think.
    runtime: &'static str,
}

impl Server {
    /// A server with default options.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with these environment variables besides.
    pub fn with(env: &[(&str, &str)]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), env)
    }

    /// A server with default options whose agents think in that runtime.
    pub fn of(runtime: &'static str) -> Self {
        let mut server = Self::start();
        server.runtime = runtime;
        server
    }

    /// Its agents think in that runtime from here on.
    pub fn think_in(&mut self, runtime: &'static str) {
        self.runtime = runtime;
    }

    /// A server on a folder that may have been prepared.
    pub fn on(data: TempDir, env: &[(&str, &str)]) -> Self {
        let mut server = Self {
            child: None,
            data,
            url: String::new(),
            env: env
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            http: client(),
            runtime: "native",
        };
        server.launch();
        server
    }

    /// The `oc` program under test.
    pub fn program() -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_oc"))
    }

    /// Starts the server on the files that are there.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.path().join("server.log"))
            .unwrap();
        let mut child = Command::new(Self::program())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data.path())
            .env_remove("ANTHROPIC_API_KEY")
            .env_remove("OPENAI_API_KEY")
            .env("OC_BOOTSTRAP_KEY", KEY)
            .env("OC_SANDBOX_WARM", "0")
            .env("OC_ORG_TURNS", "1000")
            .env("OC_LOG_FORMAT", "text")
            .env("OC_RUNTIMES", runtimes())
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        for line in lines.map_while(Result::ok) {
            if let Some(url) = line.strip_prefix("OpenComputer listens on ") {
                self.url = url.trim().to_owned();
                return;
            }
        }
        panic!("the server did not start:\n{}", self.log());
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default()
    }

    /// Waits until the server logs these words.
    pub async fn logged(&self, words: &str) {
        wait_until(|| self.log().contains(words)).await;
    }

    /// Ends the server with SIGKILL and waits until it is gone.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until the server has ended by itself.
    pub fn died(&mut self) {
        let mut child = self.child.take().unwrap();
        let ended = child.wait().unwrap();
        assert!(!ended.success(), "it ended well: {ended}");
    }

    /// The next launch crashes at that passing of that point.
    pub fn arm(&mut self, point: &str) {
        self.env
            .insert("OC_DRILL_POINT".to_owned(), point.to_owned());
    }

    /// The next launch has this environment variable, too.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The next launch crashes nowhere.
    pub fn disarm(&mut self) {
        self.env.remove("OC_DRILL_POINT");
    }

    /// Ends the first process of every sandbox of this server with SIGKILL.
    pub fn kill_sandboxes(&self) {
        for (_, pid) in self.sandboxes() {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }

    /// Waits until the session's engine has a sandbox, and ends that with SIGKILL.
    pub async fn kill_engine_of(&self, session: &str) {
        let begin = format!("brain:{session}:");
        let living = || {
            let all = self.sandboxes().into_iter();
            let mut its = all.filter(|(owner, _)| owner.starts_with(&begin));
            its.find(|(_, pid)| std::fs::exists(format!("/proc/{pid}/root/proc")).unwrap_or(false))
        };
        wait_until(|| living().is_some()).await;
        let (_, pid) = living().unwrap();
        let _ = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// All files of the blob store.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.data.path().join("blobs")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push(entry.path());
                }
            }
        }
        files
    }

    /// The first processes of the sandboxes of this server, by their owners.
    fn sandboxes(&self) -> Vec<(String, i64)> {
        let folder = self.data.path().join("hands/sandboxes");
        let states = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let read = |folder: std::fs::DirEntry| {
            let text = std::fs::read_to_string(folder.path().join("state.json")).ok()?;
            let state: Value = serde_json::from_str(&text).ok()?;
            let owner = state["owner"].as_str().unwrap_or_default().to_owned();
            Some((owner, state["pid"].as_i64()?))
        };
        states.filter_map(read).collect()
    }

    /// Waits until the session has a sandbox in which something runs.
    pub async fn sandbox_runs(&self, session: &str) {
        wait_until(|| {
            let mine = self
                .sandboxes()
                .into_iter()
                .find(|(owner, _)| owner == session);
            mine.is_some_and(|(_, pid)| {
                let children = format!("/proc/{pid}/task/{pid}/children");
                std::fs::read_to_string(children).is_ok_and(|pids| !pids.trim().is_empty())
            })
        })
        .await;
    }

    /// Whether the session has a sandbox here.
    pub fn holds_sandbox(&self, session: &str) -> bool {
        self.sandboxes().iter().any(|(owner, _)| owner == session)
    }

    /// Waits until the session has no sandbox.
    pub async fn sandbox_gone(&self, session: &str) {
        wait_until(|| !self.holds_sandbox(session)).await;
    }

    /// Ends the server with SIGTERM; true if it ended well.
    pub fn terminate(&mut self) -> bool {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        child.wait().unwrap().success()
    }

    /// A request with the first key.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.send_as(KEY, method, path, body).await
    }

    /// A request with this key or token.
    pub async fn send_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self
            .http
            .request(method, self.at(path))
            .bearer_auth(key)
            .timeout(PATIENCE);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        (status, value)
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.send(Method::POST, path, Some(body)).await;
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// A raw client, for requests this harness does not make.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The whole address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// An agent of this name and model; its id.
    pub async fn agent(&self, name: &str, model: &str) -> String {
        let body = json!({
            "name": name, "model": model, "prompt": "Do what the user says.",
            "runtime": self.runtime,
        });
        self.post("/v3/agents", body).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A session that plays this script; its id.
    pub async fn play(&self, steps: Value) -> String {
        let agent = self.agent("player", "test/script").await;
        self.session(&agent, &script(steps)).await
    }

    /// A session of this agent; its id.
    pub async fn session(&self, agent: &str, input: &str) -> String {
        let started = self
            .post("/v3/sessions", json!({ "agent": agent, "input": input }))
            .await;
        started["session"]["id"].as_str().unwrap().to_owned()
    }

    /// Says something to a session.
    pub async fn say(&self, session: &str, text: &str) -> Value {
        self.post(
            &format!("/v3/sessions/{session}/messages"),
            json!({ "text": text }),
        )
        .await
    }

    /// All events of a session until now.
    pub async fn events(&self, session: &str) -> Vec<Value> {
        let page = self
            .get(&format!("/v3/sessions/{session}/events?limit=1000"))
            .await;
        page["data"].as_array().unwrap().clone()
    }

    /// A live stream of a session's events after that number.
    pub async fn follow(&self, session: &str, after: u64) -> Stream {
        let query = format!("/v3/sessions/{session}/events?stream=sse&after={after}");
        Stream::open(self.http.get(self.at(&query)).bearer_auth(KEY)).await
    }

    /// Waits for the first event that `wanted` accepts.
    pub async fn until(&self, session: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.follow(session, 0).await.until(wanted).await
    }

    /// Waits until turn `number` (from 1) came to rest; its `turn.completed`.
    pub async fn turn_end(&self, session: &str, number: usize) -> Value {
        let mut stream = self.follow(session, 0).await;
        let mut last = Value::Null;
        for _ in 0..number {
            last = stream.until(|e| e["type"] == "turn.completed").await;
        }
        last
    }

    /// The text of the result of the last turn.
    pub async fn result(&self, session: &str) -> String {
        let result = self.get(&format!("/v3/sessions/{session}/result")).await;
        result["result"]["body"]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
        // Sandboxes outlive a server on purpose, also one under test.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.kill_sandboxes();
    }
}

/// Where `scripts/install-test-deps` puts the engines that tests run.
pub fn runtimes() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/runtimes");
    std::env::var_os("OC_TEST_RUNTIMES").map_or(default.into(), PathBuf::from)
}

/// The same tests for each runtime: what a session does must not depend on whose
/// engine thinks.
macro_rules! each_runtime {
    ($($name:ident),+ $(,)?) => {
        $crate::harness::each_runtime!(@in native $($name),+);
        $crate::harness::each_runtime!(@in claude $($name),+);
        $crate::harness::each_runtime!(@in codex $($name),+);
    };
    (@in $runtime:ident $($name:ident),+) => {
        mod $runtime {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(stringify!($runtime)).await;
                }
            )+
        }
    };
}
pub(crate) use each_runtime;

/// Waits until something outside the server is so.
pub async fn wait_until(so: impl Fn() -> bool) {
    let look = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .expect("it did not come to that");
}

/// An input that makes `test/script` play these replies.
pub fn script(steps: Value) -> String {
    format!("Please play.\n@steps\n{steps}")
}

/// Whether an event is of this type.
pub fn is(kind: &str) -> impl Fn(&Value) -> bool + '_ {
    move |event| event["type"] == kind
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A live stream of events.
pub struct Stream {
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Stream {
    /// Opens the stream; it must be one.
    pub async fn open(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            body: answer.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// The next frame as it came, without its blank line; `None` at the end.
    pub async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.text.find("\n\n") {
                let rest = self.text.split_off(at + 2);
                let frame = std::mem::replace(&mut self.text, rest);
                return Some(frame.trim_end().to_owned());
            }
            let part = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let part = part.expect("the stream went silent")?.ok()?;
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = self.frame().await?;
            if frame.lines().any(|line| line.starts_with("event:")) {
                continue;
            }
            let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The first event from here on that `wanted` accepts.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        let found = async {
            loop {
                let event = self.next().await.expect("the stream ended first");
                if wanted(&event) {
                    return event;
                }
                seen.push(event);
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("it did not come; what came: {seen:#?}"))
    }
}
