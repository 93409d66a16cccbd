//! An agent's skills by the API: an archive in, a revision out, and a clear word
//! about what is wrong with one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{OK, refused, stranger};
use crate::harness::{KEY, Server};
use crate::skills::{archive, put, triage};

fn path(agent: &str) -> String {
    format!("/v3/agents/{agent}/skills")
}

#[tokio::test]
async fn skills_are_given_shown_and_taken_away_by_revisions() {
    let server = Server::start();
    let agent = server.agent("skilled", "test/script").await;
    let none = server.get(&path(&agent)).await;
    assert_eq!(none["skills"], json!([]));
    assert_eq!(none["skill_bundle_digest"], Value::Null);
    assert_eq!(none["revision"]["number"], 1);

    let (status, made) = put(&server, KEY, &agent, triage("x")).await;
    assert_eq!(status, OK, "{made}");
    assert_eq!(
        (&made["state"], &made["result"]),
        (&json!("ready"), &json!("created"))
    );
    assert!(made["deploy_id"].as_str().unwrap().starts_with("dep_"));
    assert_eq!(made["revision"]["number"], 2);
    assert_eq!(made["revision"]["active"], true);
    assert_ne!(made["revision"]["digest"], none["revision"]["digest"]);

    let shown = server.get(&path(&agent)).await;
    assert_eq!(shown["revision"]["id"], made["revision"]["id"]);
    assert!(
        shown["skill_bundle_digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    let files = &shown["skills"][0]["files"];
    assert_eq!(shown["skills"][0]["name"], "triage");
    assert_eq!(shown["skills"][0]["description"], "Sorts issues.");
    assert_eq!(files[0]["path"], "triage/SKILL.md");
    assert_eq!(
        (&files[0]["mode"], &files[1]["mode"]),
        (&json!(33188), &json!(33261))
    );
    assert_eq!(
        files[1],
        json!({ "path": "triage/bin/sort", "mode": 33261, "size": 17 })
    );

    let now = server.get(&format!("/v3/agents/{agent}")).await;
    assert_eq!(now["active_revision_id"], made["revision"]["id"]);
    assert_eq!(now["active_revision"]["digest"], made["revision"]["digest"]);
    assert_eq!(now["prompt"], "Do what the user says.");

    let (_, same) = put(&server, KEY, &agent, triage("x")).await;
    assert_eq!(
        (&same["result"], &same["revision"]),
        (&json!("deduped"), &made["revision"])
    );
    assert_eq!(same["deploy_id"], made["deploy_id"]);

    let change = json!({ "prompt": "Another." });
    let one = format!("/v3/agents/{agent}");
    let (_, changed) = server.send(Method::PATCH, &one, Some(change)).await;
    assert_eq!(changed["revision"], 3);
    let kept = server.get(&path(&agent)).await;
    assert_eq!(kept["skill_bundle_digest"], shown["skill_bundle_digest"]);

    let (status, gone) = server.send(Method::DELETE, &path(&agent), None).await;
    assert_eq!((status, &gone["result"]), (OK, &json!("created")));
    assert_eq!(gone["revision"]["number"], 4);
    let (_, again) = server.send(Method::DELETE, &path(&agent), None).await;
    assert_eq!(again["result"], "deduped");
    assert_eq!(server.get(&path(&agent)).await["skills"], json!([]));
}

#[tokio::test]
async fn an_archive_that_breaks_a_rule_changes_nothing_and_the_rule_is_named() {
    let server = Server::start();
    let agent = server.agent("skilled", "test/script").await;
    let huge = "x".repeat(300 * 1024);
    let main = "---\nname: a\n---\n";
    for (zip, why) in [
        (Vec::new(), "zip archive cannot be read"),
        (b"no archive".to_vec(), "zip archive cannot be read"),
        (archive(&[]), "there is no skill"),
        (
            archive(&[("a/x", 0o644, "")]),
            "the skill `a` has no SKILL.md",
        ),
        (
            archive(&[("a/SKILL.md", 0o644, "# a")]),
            "`a/SKILL.md` does not begin",
        ),
        (
            archive(&[("b/SKILL.md", 0o644, main)]),
            "its folder is named `b`",
        ),
        (
            archive(&[("a/SKILL.md", 0o644, main), ("../x", 0o644, "")]),
            "`../x` cannot be",
        ),
        (
            archive(&[("a/SKILL.md", 0o644, main), ("a/x", 0o644, &huge)]),
            "256 KiB",
        ),
    ] {
        let (status, answer) = put(&server, KEY, &agent, zip).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{why}: {answer}");
        let error = &answer["error"];
        assert_eq!(error["code"], "invalid");
        assert!(
            error["message"].as_str().unwrap().contains(why),
            "{why}: {answer}"
        );
    }
    let (status, _) = put(&server, KEY, &agent, vec![0; 3 * 1024 * 1024]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let agent = server.get(&format!("/v3/agents/{agent}")).await;
    assert_eq!(agent["revision"], 1);
}

#[tokio::test]
async fn somebody_else_s_agent_is_not_found() {
    let server = Server::start();
    let agent = server.agent("skilled", "test/script").await;
    let other = stranger(&server);
    let (status, _) = put(&server, &other, &agent, triage("x")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for method in [Method::GET, Method::DELETE] {
        let (status, _) = server
            .send_as(&other, method.clone(), &path(&agent), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        refused(&server, method, &path("agt_none"), None, 404).await;
    }
    assert!(!server.data.path().join("blobs/skills").exists());
}
