//! The HTTP face from outside: what each route answers, to whom, and what it says
//! when it does not.

mod agent_url;
mod agents;
mod auth;
mod bad_input;
mod credentials;
mod events;
mod forks;
mod full;
mod hooks;
mod limits;
mod messages;
mod nodes;
mod once;
mod ops;
mod policy;
mod schedules;
mod secrets;
mod sessions;
mod skills;
mod stream;
mod unbuilt;
mod usage;
mod words;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Server, script};

/// A session that came to rest after saying one thing; its id and its token.
async fn rested(server: &Server) -> (String, String) {
    let agent = server.agent("rested", "test/script").await;
    let body = json!({ "agent": agent, "input": script(json!([{ "say": "one" }])) });
    let started = server.post("/v3/sessions", body).await;
    let id = started["session"]["id"].as_str().unwrap().to_owned();
    server.turn_end(&id, 1).await;
    (id, started["client_token"].as_str().unwrap().to_owned())
}

/// The error object of an answer that must have this status.
async fn refused(
    server: &Server,
    method: Method,
    path: &str,
    body: Option<Value>,
    status: u16,
) -> Value {
    let (got, answer) = server.send(method.clone(), path, body.clone()).await;
    assert_eq!(got.as_u16(), status, "{method} {path} {body:?}: {answer}");
    let error = answer["error"].clone();
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{answer}"
    );
    assert_eq!(error["type"], error["code"], "{answer}");
    assert!(
        error["request_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("req_")),
        "{answer}"
    );
    error
}

/// Runs a statement in the server's database, beside the server.
fn sql(server: &Server, statement: &str, values: impl rusqlite::Params) -> usize {
    let db = rusqlite::Connection::open(server.data.path().join("oc.db")).unwrap();
    db.busy_timeout(crate::harness::PATIENCE).unwrap();
    db.execute(statement, values).unwrap()
}

fn digest(text: &str) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(text).to_vec()
}

/// A key of another org.
fn stranger(server: &Server) -> String {
    let key = format!("osb_{}", "ab".repeat(32));
    let org = "INSERT INTO orgs (id, name, data_key, created) VALUES ('org_zz', 'other', x'00', 99999999999999)";
    sql(server, org, []);
    let values = rusqlite::params![digest(&key)];
    sql(
        server,
        "INSERT INTO keys (id, org, name, hash, prefix, created) VALUES ('key_zz', 'org_zz', 'k', ?1, 'osb_abab', 1)",
        values,
    );
    key
}

/// The id in an answer.
fn id(value: &Value) -> String {
    value["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id: {value}"))
        .to_owned()
}

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
