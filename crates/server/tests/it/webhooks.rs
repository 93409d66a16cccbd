//! Webhooks: a real receiver is told what the log says, signed, in order, at least
//! once, whatever it does and whatever happens to us.

mod failing;
mod nodes;
mod receiver;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Server, script};
use receiver::{Got, Receiver};

/// Lets webhooks reach loopback, and tries again soon.
pub const OPEN: [(&str, &str); 2] = [("OC_ALLOW_PRIVATE", "1"), ("OC_DELIVERY_RETRY_MS", "50")];

/// A session of `test/demo` with these extra fields; its id.
pub async fn start(server: &Server, input: &str, extra: Value) -> String {
    let agent = server.agent("told", "test/script").await;
    let mut body = json!({ "agent": agent, "input": input });
    let fields = extra.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    let started = server.post("/v3/sessions", body).await;
    started["session"]["id"].as_str().unwrap().to_owned()
}

/// A script of one answer.
pub fn says(text: &str) -> String {
    script(json!([{ "say": text }]))
}

/// Numbers of all events a destination of this level is told of.
async fn visible(server: &Server, session: &str, level: &str) -> Vec<u64> {
    let path = format!("/v3/sessions/{session}/events?level={level}&limit=1000");
    let page = server.get(&path).await;
    let events = page["data"].as_array().unwrap();
    events.iter().map(|e| e["seq"].as_u64().unwrap()).collect()
}

fn seqs(got: &[Got]) -> Vec<u64> {
    got.iter().map(Got::seq).collect()
}

/// What a signature must be, by the words of the contract.
fn signature(key: &[u8], got: &Got) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    let head = format!(
        "{}.{}.",
        got.header("webhook-id"),
        got.header("webhook-timestamp")
    );
    mac.update(head.as_bytes());
    mac.update(&got.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_webhook_is_told_every_event_for_users_from_the_first() {
    let (server, receiver) = (Server::with(&OPEN), Receiver::start().await);
    let metadata = json!({ "ticket": 7, "camelCase": { "a_b": 1 } });
    let extra = json!({ "webhook": receiver.url(), "metadata": metadata });
    let session = start(&server, &says("done"), extra).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "user").await;
    let got = receiver.until(want.len()).await;
    assert_eq!(seqs(&got), want);
    let events = server.events(&session).await;
    for one in &got {
        let body = one.json();
        let event = &events[usize::try_from(one.seq()).unwrap() - 1];
        assert_eq!(&body["event"], event, "as every reader sees it");
        assert_eq!(body["type"], event["type"]);
        assert_eq!(body["sessionId"], session.as_str());
        assert_eq!(body["eventId"], event["id"]);
        assert_eq!(body["metadata"], metadata);
        assert_eq!(one.header("webhook-id"), event["id"].as_str().unwrap());
        assert_eq!(one.header("x-oc-session-id"), session);
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.header("webhook-signature"), "", "nothing signs");
        assert!(one.header("webhook-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
        let id = one.header("x-oc-delivery-id");
        let path = format!("/v3/sessions/{session}/deliveries/{id}");
        let delivery = server.get(&path).await;
        assert_eq!(delivery["event_id"], event["id"]);
    }
    let made = server
        .get(&format!("/v3/sessions/{session}/destinations"))
        .await;
    let made = &made["data"][0];
    assert_eq!(
        (&made["created_after_seq"], &made["level"]),
        (&json!(0), &json!("user"))
    );
    assert_eq!(made["has_secret"], false);
}

#[tokio::test]
async fn a_destination_is_told_what_it_asked_for_signed_from_now_on() {
    let (server, receiver) = (Server::with(&OPEN), Receiver::start().await);
    let session = start(&server, &says("one"), json!({})).await;
    server.turn_end(&session, 1).await;
    let head = server.events(&session).await.len() as u64;
    let path = format!("/v3/sessions/{session}/destinations");
    let key = STANDARD.encode(b"a key of the receiver");
    let wish = json!({ "url": receiver.url(), "secret": format!("whsec_{key}"),
        "level": "internal", "types": ["turn.*", "agent.message"] });
    let made = server.post(&path, wish).await;
    assert_eq!(
        (&made["created_after_seq"], &made["has_secret"]),
        (&json!(head), &json!(true))
    );
    assert!(!made.to_string().contains(&key));
    server.say(&session, &says("two")).await;
    server.turn_end(&session, 2).await;
    let got = receiver.until(3).await;
    let kinds: Vec<_> = got.iter().map(|one| one.json()["type"].clone()).collect();
    assert_eq!(kinds, ["turn.started", "agent.message", "turn.completed"]);
    for one in &got {
        assert!(one.seq() > head);
        assert_eq!(
            one.header("webhook-signature"),
            signature(b"a key of the receiver", one)
        );
    }
    // Another secret: the one before signs on beside it.
    let id = made["id"].as_str().unwrap();
    let one = format!("{path}/{id}");
    let changed = server
        .send(
            Method::PATCH,
            &one,
            Some(json!({ "secret": "plain words", "types": null, "level": "user" })),
        )
        .await;
    assert_eq!(changed.0, StatusCode::OK);
    assert_eq!(changed.1["types"], Value::Null);
    server.say(&session, &says("three")).await;
    let got = receiver.until(5).await;
    let want = format!(
        "{} {}",
        signature(b"plain words", &got[4]),
        signature(b"a key of the receiver", &got[4])
    );
    assert_eq!(got[4].header("webhook-signature"), want);
    let (status, _) = server.send(Method::DELETE, &one, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = server.send(Method::GET, &one, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let left = server
        .get(&format!("/v3/sessions/{session}/deliveries"))
        .await;
    assert_eq!(left["data"], json!([]));
}

#[tokio::test]
async fn a_burst_arrives_in_order_and_whole() {
    let (server, receiver) = (Server::with(&OPEN), Receiver::start().await);
    let extra = json!({ "destinations": [{ "url": receiver.url(), "level": "internal" }] });
    let session = start(&server, &says("one"), extra).await;
    server.turn_end(&session, 1).await;
    let path = format!("/v3/sessions/{session}/messages");
    let say = |n: usize| server.post(&path, json!({ "text": n.to_string() }));
    futures::stream::iter(0..1000)
        .map(say)
        .buffer_unordered(8)
        .collect::<Vec<_>>()
        .await;
    let got = receiver.until(1004).await;
    let mut first = seqs(&got);
    let all = first.len();
    first.dedup();
    assert_eq!(first.len(), all, "none twice");
    assert!(first.is_sorted(), "in order");
    assert_eq!(first.first(), Some(&1));
    assert_eq!(
        first.last().copied(),
        u64::try_from(all).ok(),
        "none is missing"
    );
}

#[tokio::test]
async fn pages_of_deliveries_and_asking_for_one_again() {
    let (server, receiver) = (Server::with(&OPEN), Receiver::start().await);
    let extra = json!({ "destinations": [{ "url": receiver.url(), "level": "internal" }] });
    let session = start(&server, &says("one"), extra).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "internal").await;
    receiver.until(want.len()).await;
    let path = format!("/v3/sessions/{session}/deliveries");
    let all = all_delivered(&server, &path, want.len()).await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("{path}?limit=2&after={after}")).await;
        seen.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let id = seen[0]["id"].as_str().unwrap();
    let again = format!("{path}/{id}/redeliver");
    let (status, queued) = server.send(Method::POST, &again, None).await;
    assert_eq!((status, &queued["id"]), (StatusCode::ACCEPTED, &json!(id)));
    let got = receiver.until(want.len() + 1).await;
    let last = got.last().unwrap();
    assert_eq!(
        last.header("webhook-id"),
        seen[0]["event_id"].as_str().unwrap()
    );
    assert_eq!(last.header("x-oc-delivery-id"), id);
    let now = all_delivered(&server, &path, want.len()).await;
    assert_eq!(now[0]["attempts"], 2);
    for bad in ["?status=lost", "?after=x", "?limit=0"] {
        let (status, _) = server
            .send(Method::GET, &format!("{path}{bad}"), None)
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let (status, _) = server
        .send(Method::POST, &format!("{path}/dlv_x_1/redeliver"), None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// Waits until so many deliveries are delivered; all of the session.
pub async fn all_delivered(server: &Server, path: &str, many: usize) -> Vec<Value> {
    until_listed(server, path, |all| {
        let done = all.iter().filter(|one| one["status"] == "delivered");
        done.count() == many
    })
    .await
}

/// Waits until the deliveries of a session are so; all of them.
pub async fn until_listed(
    server: &Server,
    path: &str,
    so: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let look = async {
        loop {
            let page = server.get(&format!("{path}?limit=100")).await;
            let all = page["data"].as_array().unwrap().clone();
            if so(&all) {
                return all;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(crate::harness::PATIENCE, look).await;
    found.expect("it did not come to that")
}

#[tokio::test]
async fn what_is_wrong_with_a_destination_is_named() {
    let server = Server::start();
    let agent = server.agent("told", "test/demo").await;
    let url = "https://example.com/";
    for (wish, param) in [
        (json!({}), "url"),
        (json!({ "url": "http://example.com/" }), "url"),
        (json!({ "url": "https://127.0.0.1/" }), "url"),
        (json!({ "url": "https://[::1]:9/" }), "url"),
        (json!({ "url": "https://169.254.169.254/latest" }), "url"),
        (json!({ "url": url, "level": "debug" }), "level"),
        (json!({ "url": url, "types": ["*"] }), "types[0]"),
        (json!({ "url": url, "secret": "" }), "secret"),
    ] {
        let body = json!({ "agent": agent, "input": "x", "destinations": [wish] });
        let (status, answer) = server.send(Method::POST, "/v3/sessions", Some(body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wish} {answer}");
        assert_eq!(answer["error"]["param"], format!("destinations[0].{param}"));
    }
    let body = json!({ "agent": agent, "input": "x", "webhook": "https://10.0.0.1/" });
    let (status, answer) = server.send(Method::POST, "/v3/sessions", Some(body)).await;
    assert_eq!(
        (status, &answer["error"]["param"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("webhook"))
    );
    let listed = server.get("/v3/sessions").await;
    assert_eq!(listed["data"], json!([]), "nothing was made");
}
