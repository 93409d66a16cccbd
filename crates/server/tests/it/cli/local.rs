//! Commands that act on this machine: keys, options, the doctor.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{Run, bare};
use crate::harness::{KEY, Server};

fn run(command: &mut std::process::Command) -> Run {
    Run::of(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_beside_the_server_opens_and_one_revoked_does_not() {
    let server = Server::start();
    let key = |arguments: &[&str]| {
        run(bare(&["key"])
            .args(arguments)
            .arg("--data")
            .arg(server.data.path()))
    };
    let made = key(&["create", "--name", "second", "--json"]).json();
    let text = made["key"].as_str().unwrap();
    assert_eq!(
        server
            .send_as(text, Method::GET, "/v3/agents", None)
            .await
            .0,
        StatusCode::OK
    );

    let listed = key(&["list"]).well().out;
    assert!(
        listed.contains("second") && listed.contains("active") && !listed.contains(text),
        "{listed}"
    );
    key(&["revoke", made["id"].as_str().unwrap()]).well();
    assert_eq!(
        server
            .send_as(text, Method::GET, "/v3/agents", None)
            .await
            .0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        server.send_as(KEY, Method::GET, "/v3/agents", None).await.0,
        StatusCode::OK
    );
    assert!(key(&["list"]).well().out.contains("revoked"));
    assert_eq!(key(&["revoke", "key_none"]).code, 1);
}

#[test]
fn the_first_key_can_be_made_before_any_server_ran() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let key = |arguments: &[&str]| run(bare(&["key"]).args(arguments).arg("--data").arg(&data));
    let early = key(&["list"]);
    assert!(early.code == 1 && early.err.contains("--data"), "{early:?}");
    let made = key(&["create"]).well();
    assert!(
        made.out.starts_with("osb_") && made.out.trim().len() == 68,
        "{made:?}"
    );
    assert_eq!(
        key(&["list", "--json"]).json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn each_option_tells_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oc.toml");
    std::fs::write(
        &file,
        "heartbeat_seconds = 7\nlease_seconds = 30\nopenai_api_key = \"sk-file-secret\"\n",
    )
    .unwrap();
    let mut command = bare(&["config", "--json", "--lease-seconds", "20", "--config"]);
    command
        .arg(&file)
        .env("OC_MAX_RUNNING", "5")
        .env("OC_IDLE_TIMEOUT_S", "9")
        .env("ANTHROPIC_API_KEY", "sk-env-secret");
    let shown = run(&mut command);
    assert!(!shown.out.contains("secret"), "{shown:?}");
    let all = shown.json();
    let of = |name: &str| {
        (
            all[name]["value"].clone(),
            all[name]["from"].as_str().unwrap(),
        )
    };
    assert_eq!(of("lease_seconds"), (20.into(), "flag"));
    assert_eq!(of("max_running"), (5.into(), "environment"));
    assert_eq!(of("heartbeat_seconds"), (7.into(), "file"));
    assert_eq!(of("idle_timeout_seconds"), (9.into(), "environment"));
    assert_eq!(of("turn_steps"), (200.into(), "default"));
    assert_eq!(of("anthropic_api_key"), ("(set)".into(), "environment"));
    assert_eq!(of("openai_api_key"), ("(set)".into(), "file"));

    std::fs::write(&file, "lissen = 1").unwrap();
    let wrong = run(bare(&["config", "--config"]).arg(&file));
    assert!(wrong.code == 1 && wrong.err.contains("lissen"), "{wrong:?}");
}

#[test]
fn the_doctor_tries_everything_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let told =
        run(bare(&["doctor", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()))
            .json();
    let checks = told["checks"].as_array().unwrap();
    let state = |name: &str| {
        checks
            .iter()
            .find(|check| check["name"] == name)
            .map(|check| check["state"].clone())
    };
    for name in [
        "kernel",
        "user",
        "sandbox",
        "isolation",
        "data folder",
        "disk",
        "port",
        "database",
    ] {
        assert_eq!(state(name), Some("ok".into()), "{name}: {told}");
    }
    for check in checks {
        assert_eq!(check["fix"].is_string(), check["state"] != "ok", "{check}");
    }
    let reaped = run(bare(&["doctor", "--reap", "--json", "--data"]).arg(folder.path())).json();
    assert_eq!(reaped["ended"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rehearsal_model_is_served() {
    let mut command = bare(&["rehearse", "--listen", "127.0.0.1:0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let url = format!("{}/v1/messages", told["url"].as_str().unwrap());
    let body = serde_json::json!({ "model": "rehearsal", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }] });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http
        .post(url)
        .header("x-api-key", "k")
        .header("anthropic-version", "2023-06-01")
        .json(&body)
        .send()
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["content"][0]["text"], "You said: hi", "{answer}");
}

#[test]
fn version_and_completions_are_there() {
    assert_eq!(
        run(&mut bare(&["version"])).well().out,
        format!("oc {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            run(&mut bare(&["completions", shell]))
                .well()
                .out
                .contains("session"),
            "{shell}"
        );
    }
}
