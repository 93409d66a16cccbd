//! Other people's clients against the real server: the published npm package,
//! and a real browser with its native `EventSource` and our SDK.
//!
//! `scripts/test` installs what these need; without it they fail and say so.

use std::path::Path;
use std::process::Command;

use crate::harness::{KEY, Server};

/// Runs a node script against the server; it must end well.
async fn node(server: &Server, script: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join(Path::new(script).parent().unwrap());
    let ready = |folder: &Path| folder.join("node_modules").exists();
    assert!(
        ready(&folder) || folder.parent().is_some_and(ready),
        "run `npm ci` in {} first (scripts/test does)",
        folder.display()
    );
    let mut command = Command::new("node");
    command
        .arg(root.join(script))
        .env("OC_URL", &server.url)
        .env("OC_KEY", KEY);
    let ended = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{script} failed:\n{out}\n{err}");
    println!("{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_sdk_drives_the_server_unchanged() {
    let none = tempfile::tempdir().unwrap();
    // It is refused a runtime that is not there, and receives webhooks itself.
    let server = Server::with(&[
        ("OC_RUNTIMES", none.path().to_str().unwrap()),
        ("OC_ALLOW_PRIVATE", "1"),
    ]);
    node(&server, "tests/published/run.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_sdk_drives_the_server_live() {
    node(&Server::start(), "sdk/typescript/test/live.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_event_source_resumes_without_gap_or_repeat() {
    node(&Server::start(), "tests/browser/run.mjs").await;
}
