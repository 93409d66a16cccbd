//! `oc runtime` from outside: against a registry of packages on loopback, that
//! is right or wrong in every way a registry can be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tempfile::TempDir;

use super::{Run, bare, error};
use crate::harness::{KEY, Server};

/// How a registry serves its one package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Well,
    /// The bytes are others than those of the published hash.
    Changed,
    /// The bytes break off.
    Cut,
    /// No hash is published.
    Bare,
    /// Each request fails.
    Down,
}

struct Shelf {
    way: Way,
    package: Vec<u8>,
    asked: AtomicU32,
}

/// A registry that is gone when it is dropped.
struct Registry {
    url: String,
    shelf: Arc<Shelf>,
    task: tokio::task::JoinSet<()>,
}

impl Registry {
    async fn start(way: Way, package: Vec<u8>) -> Self {
        let shelf = Arc::new(Shelf {
            way,
            package,
            asked: AtomicU32::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shelf.clone());
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shelf, task }
    }

    fn asked(&self) -> u32 {
        self.shelf.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(shelf): State<Arc<Shelf>>, uri: Uri) -> Response {
    shelf.asked.fetch_add(1, Ordering::SeqCst);
    let path = uri.path();
    if shelf.way == Way::Down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if path == "/files/x.tgz" {
        let mut bytes = shelf.package.clone();
        match shelf.way {
            Way::Changed => *bytes.last_mut().unwrap() ^= 1,
            Way::Cut => {
                let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
                let broken = Err(std::io::Error::other("cut"));
                let body = futures::stream::iter([Ok(half), broken]);
                return Body::from_stream(body).into_response();
            }
            _ => {}
        }
        return bytes.into_response();
    }
    if path != "/@openai%2fcodex" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let hash = format!("sha512-{}", STANDARD.encode(Sha512::digest(&shelf.package)));
    let mut dist = json!({ "tarball": "files/x.tgz", "integrity": hash });
    if shelf.way == Way::Bare {
        dist["integrity"] = Value::Null;
    }
    let kind = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let versions = ["9.9.9", "0.163.0"];
    let versions = versions.map(|version| {
        let said = json!({ "name": "@openai/codex", "dist": dist });
        (format!("{version}-linux-{kind}"), said)
    });
    let versions: serde_json::Map<String, Value> = versions.into_iter().collect();
    axum::Json(json!({ "versions": versions })).into_response()
}

/// A package like that of codex.
fn package(program: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let triple = match std::env::consts::ARCH {
        "aarch64" => "aarch64-unknown-linux-musl",
        _ => "x86_64-unknown-linux-musl",
    };
    let name = format!("package/vendor/{triple}/bin/codex");
    for (name, body) in [(name.as_str(), program), ("package/more.js", b"no")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, body).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn oc(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = bare(&["--json", "runtime"]);
    command.args(arguments).arg("--runtimes").arg(folder);
    Run::of(command.output().unwrap())
}

fn install(folder: &Path, registry: &Registry, more: &[&str]) -> Run {
    let arguments = ["install", "codex", "--registry", &registry.url];
    oc(folder, &[&arguments, more].concat())
}

/// What is in the folder, its lock aside.
fn left(folder: &TempDir) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".lock").collect()
}

fn row(folder: &Path, name: &str) -> Value {
    let list = oc(folder, &["list"]).json();
    let rows = list["data"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name);
    row.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_installed_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(Way::Well, package(b"#!engine")).await;
    assert_eq!(row(folder.path(), "codex")["installed"], false);

    let told = install(folder.path(), &registry, &["--version", "9.9.9"]).json();
    assert_eq!(
        (told["name"].as_str(), told["version"].as_str()),
        (Some("codex"), Some("9.9.9"))
    );
    let program = folder.path().join("codex/9.9.9/bin/codex");
    assert_eq!(std::fs::read(&program).unwrap(), b"#!engine");
    let row = self::row(folder.path(), "codex");
    assert_eq!(
        (row["installed"].as_bool(), row["version"].as_str()),
        (Some(true), Some("9.9.9"))
    );
    assert_eq!(row["bytes"], 8);
    assert_eq!(left(&folder), ["codex"]);

    // What is there is not fetched again, nor asked for.
    let asked = registry.asked();
    install(folder.path(), &registry, &["--version", "9.9.9"]).well();
    assert_eq!(registry.asked(), asked);

    oc(folder.path(), &["remove", "codex"]).well();
    assert_eq!(left(&folder), Vec::<String>::new());
    let again = oc(folder.path(), &["remove", "codex"]);
    assert!(
        error(&again)["error"]
            .as_str()
            .unwrap()
            .contains("not installed")
    );
    drop(registry.task);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_published_leaves_nothing() {
    for (way, version, words) in [
        (Way::Changed, "9.9.9", "its hash is"),
        (Way::Cut, "9.9.9", "registry"),
        (Way::Bare, "9.9.9", "no SHA-512"),
        (Way::Down, "9.9.9", "503"),
        (Way::Well, "8.8.8", "no package"),
        // This build knows the hash of the tested version, whatever a registry says.
        (Way::Well, "0.163.0", "its hash is"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(way, package(&[3; 300_000])).await;
        let run = install(folder.path(), &registry, &["--version", version]);
        assert_eq!(run.code, 1, "{run:?}");
        let told = error(&run)["error"].as_str().unwrap().to_owned();
        assert!(told.contains(words), "{version}: {told}");
        assert_eq!(left(&folder), Vec::<String>::new(), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_here_already_is_checked_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.tgz");
    let runtimes = folder.path().join("runtimes");
    let registry = Registry::start(Way::Well, package(b"engine")).await;
    let from = ["--version", "9.9.9", "--from", file.to_str().unwrap()];
    std::fs::write(&file, package(b"another")).unwrap();
    let run = install(&runtimes, &registry, &from);
    assert!(
        error(&run)["error"]
            .as_str()
            .unwrap()
            .contains("its hash is")
    );
    std::fs::write(&file, package(b"engine")).unwrap();
    install(&runtimes, &registry, &from).well();
    assert_eq!(registry.asked(), 2, "only what its hash is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_swept_and_two_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(Way::Well, package(b"engine")).await;
    std::fs::create_dir_all(folder.path().join(".new-1/9.9.9/bin")).unwrap();
    std::fs::write(folder.path().join(".new-1/9.9.9/bin/codex"), "half").unwrap();
    // Killed between the folder and the note that it is the one in use.
    std::fs::create_dir_all(folder.path().join("codex/7.7.7/bin")).unwrap();
    assert_eq!(row(folder.path(), "codex")["installed"], false);

    let lock = std::fs::File::create(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let run = install(folder.path(), &registry, &["--version", "9.9.9"]);
    assert!(
        error(&run)["error"]
            .as_str()
            .unwrap()
            .contains("another `oc runtime`")
    );
    drop(lock);
    install(folder.path(), &registry, &["--version", "9.9.9"]).well();
    assert_eq!(left(&folder), ["codex"]);
}

#[test]
fn a_program_of_ones_own_is_registered_shown_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("brain");
    std::fs::create_dir(&program).unwrap();
    let runtimes = folder.path().join("runtimes");
    let at = ["--dir", program.to_str().unwrap()];
    let add = |name: &str, command: &str| {
        oc(
            &runtimes,
            &[&["add", name, "--command", command], &at[..]].concat(),
        )
    };
    for (name, command) in [
        ("claude", "x"),
        ("Mine", "x"),
        ("../x", "x"),
        ("mine", ""),
        ("mine", "a 'b"),
    ] {
        let run = add(name, command);
        assert_eq!(run.code, 2, "{name} {command}: {run:?}");
    }
    add("mine", "python3 'a b.py'").well();
    let row = self::row(&runtimes, "mine");
    assert_eq!(row["command"], json!(["python3", "a b.py"]));
    assert_eq!(
        (row["kind"].as_str(), row["installed"].as_bool()),
        (Some("custom"), Some(true))
    );
    add("mine", "python4").well();
    assert_eq!(self::row(&runtimes, "mine")["command"], json!(["python4"]));
    oc(&runtimes, &["remove", "mine"]).well();
    assert_eq!(self::row(&runtimes, "mine"), Value::Null);
    assert!(program.is_dir(), "the program itself is not ours to remove");
    let gone = oc(
        &runtimes,
        &["add", "mine", "--command", "x", "--dir", "/nonexistent"],
    );
    assert!(
        error(&gone)["error"]
            .as_str()
            .unwrap()
            .contains("no folder")
    );
}

#[tokio::test]
async fn a_server_sees_an_engine_without_being_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("runtimes");
    let server = Server::with(&[("OC_RUNTIMES", place.to_str().unwrap())]);
    let claude = json!({ "name": "c", "model": "test/demo", "prompt": "p", "runtime": "claude" });
    let (_, said) = server.send(Method::POST, "/v3/agents", Some(claude)).await;
    let words = said["error"]["message"].as_str().unwrap();
    assert!(words.contains("oc runtime install claude"), "{words}");
    let agent = json!({ "name": "a", "model": "test/demo", "prompt": "p", "runtime": "mine" });
    let (status, said) = server
        .send(Method::POST, "/v3/agents", Some(agent.clone()))
        .await;
    assert_eq!(
        (status.as_u16(), said["error"]["code"].as_str()),
        (422, Some("runtime_unavailable"))
    );
    let run = |arguments: &[&str]| {
        let mut command = bare(arguments);
        command
            .env("OC_RUNTIMES", &place)
            .env("OPENCOMPUTER_API_KEY", KEY);
        Run::of(command.output().unwrap()).well()
    };
    run(&["runtime", "add", "mine", "--dir", "/", "--command", "x"]);
    let (status, said) = server
        .send(Method::POST, "/v3/agents", Some(agent.clone()))
        .await;
    assert_eq!(
        (status.as_u16(), said["runtime"].as_str()),
        (201, Some("mine")),
        "{said}"
    );
    let session = json!({ "agent": said["id"], "input": "hi" });
    run(&["runtime", "remove", "mine"]);
    let sent = server
        .send(Method::POST, "/v3/sessions", Some(session))
        .await;
    assert_eq!(
        (sent.0.as_u16(), sent.1["error"]["code"].as_str()),
        (422, Some("runtime_unavailable")),
        "a runtime may be removed under its agents: {}",
        sent.1
    );
    run(&["runtime", "add", "mine", "--dir", "/", "--command", "x"]);
    let table = run(&["runtime", "list"]).out;
    for words in [
        "native",
        "oc runtime install claude",
        "proprietary",
        "mine",
        "x in /",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

/// Checks a program: the example with one of its lines changed.
fn checked(from: &str, to: &str) -> (i32, BTreeMap<String, String>) {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/brain-python/brain.py"
    );
    let text = std::fs::read_to_string(example).unwrap();
    assert!(text.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("brain.py"), text.replacen(from, to, 1)).unwrap();
    let mut command = bare(&[
        "--json",
        "runtime",
        "check",
        "--command",
        "python3 brain.py",
    ]);
    let run = Run::of(command.arg("--dir").arg(folder.path()).output().unwrap());
    let told: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:?}"));
    assert_eq!(told["ok"], run.code == 0, "{run:?}");
    let parts = told["parts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parts = parts.map(|part| (text(&part["part"]), text(&part["state"])));
    (run.code, parts.collect())
}

#[test]
fn the_example_keeps_to_the_contract() {
    let (code, parts) = checked("busy", "busy");
    assert_eq!(code, 0, "{parts:?}");
    let all = [
        "start",
        "health",
        "turn",
        "lines",
        "done",
        "model",
        "tools",
        "busy",
        "next turn",
        "cancel",
        "replay",
    ];
    for part in all {
        assert_eq!(
            parts.get(part).map(String::as_str),
            Some("ok"),
            "{part}: {parts:?}"
        );
    }
    assert_eq!(parts.len(), all.len());
}

#[test]
fn what_a_program_does_wrong_is_found() {
    for (from, to, part, state) in [
        ("import json", "import nothing, json", "start", "failed"),
        (
            "\"contract_version\": \"1\"",
            "\"contract_version\": \"2\"",
            "health",
            "failed",
        ),
        (
            "{\"seq\": next(seq), **line}",
            "{**line}",
            "lines",
            "failed",
        ),
        (
            "return self.answer(409, {\"error\": \"busy\"})",
            "return self.answer(200)",
            "busy",
            "failed",
        ),
        ("else \"quiescent\"", "else \"bored\"", "done", "failed"),
        (
            "write({\"kind\": \"done\", \"reason\": turn(",
            "write({\"kind\": \"over\", \"reason\": turn(",
            "turn",
            "failed",
        ),
        (
            "arguments=call[\"input\"])",
            "arguments={\"command\": str(os.getpid())})",
            "replay",
            "weaker",
        ),
        (
            "            busy.release()",
            "            pass",
            "next turn",
            "failed",
        ),
    ] {
        let (code, parts) = checked(from, to);
        assert_eq!(
            parts.get(part).map(String::as_str),
            Some(state),
            "{part}: {parts:?}"
        );
        assert_eq!(code, i32::from(state == "failed"), "{parts:?}");
    }
}

#[test]
fn what_cannot_be_checked_is_told() {
    let run = Run::of(
        bare(&["runtime", "check", "claude", "--runtimes", "/nonexistent"])
            .output()
            .unwrap(),
    );
    assert!(
        run.code != 0 && run.err.contains("not installed"),
        "{run:?}"
    );
    let run = Run::of(
        bare(&["runtime", "check", "--command", "/nonexistent"])
            .output()
            .unwrap(),
    );
    assert!(run.code == 1 && run.out.contains("failed"), "{run:?}");
    let run = Run::of(
        bare(&["runtime", "check", "--dir", "/x", "--command", "y"])
            .output()
            .unwrap(),
    );
    assert!(run.code == 2 && run.err.contains("no folder"), "{run:?}");
}
