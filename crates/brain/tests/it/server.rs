//! The rehearsal server as other people's clients see it.

use serde_json::{Value, json};

use crate::hall::{Hall, KEY, MODELS, ask, user};

const ANTHROPIC: [(&str, &str); 2] = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
const OPENAI: [(&str, &str); 1] = [("authorization", "Bearer k")];

fn message(text: &str) -> Value {
    json!({ "model": "claude-x", "max_tokens": 99, "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn without_a_stream_it_answers_with_one_document() {
    let hall = Hall::open().await;
    let (status, body) = hall.post("/v1/messages", &ANTHROPIC, message("hi")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body["content"],
        json!([{ "type": "text", "text": "You said: hi" }])
    );
    assert_eq!(body["stop_reason"], "end_turn");
    let asked =
        json!({ "model": "gpt-x", "input": "hi", "include": ["reasoning.encrypted_content"] });
    let (status, body) = hall.post("/v1/responses", &OPENAI, asked).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    assert_eq!(body["output"][0]["type"], "reasoning");
    assert_eq!(body["output"][1]["content"][0]["text"], "You said: hi");
}

#[tokio::test]
async fn documents_fail_as_scripted_too() {
    let hall = Hall::open().await;
    let text = |fail: &str| format!("@steps\n[{{\"fail\": \"{fail}\", \"say\": \"x\"}}]");
    let (status, body) = hall
        .post("/v1/messages", &ANTHROPIC, message(&text("garbage")))
        .await;
    assert_eq!((status, body.is_string()), (200, true));
    let (status, body) = hall
        .post("/v1/messages", &ANTHROPIC, message(&text("spend")))
        .await;
    let code = &body["error"]["details"]["error_code"];
    assert_eq!(
        (status, code.as_str()),
        (429, Some("enforced_spend_limit_reached"))
    );
}

#[tokio::test]
async fn a_wrong_request_is_answered_in_the_providers_shape() {
    let hall = Hall::open().await;
    for (headers, body, want) in [
        (&[][..], message("hi"), 401),
        (&ANTHROPIC[..1], message("hi"), 400),
        (&ANTHROPIC[..], json!({}), 400),
        (&ANTHROPIC[..], json!("no object"), 400),
    ] {
        let (status, answer) = hall.post("/v1/messages", headers, body).await;
        assert_eq!(status, want, "{answer}");
        assert_eq!(answer["type"], "error");
        assert!(answer["request_id"].is_string());
    }
    for (headers, body, want) in [
        (&[][..], json!({}), 401),
        (&OPENAI[..], json!({ "model": "m" }), 400),
    ] {
        let (status, answer) = hall.post("/v1/responses", headers, body).await;
        assert_eq!(status, want, "{answer}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_prefix_counting_and_unknown_paths() {
    let hall = Hall::open().await;
    let (status, body) = hall
        .post(
            "/some/prefix/v1/messages?beta=true",
            &ANTHROPIC,
            message("hi"),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    // Both providers refuse to hear of an answer where they only count.
    for (path, headers, asked, wrong) in [
        (
            "/v1/messages/count_tokens",
            &ANTHROPIC[..],
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }),
            "max_tokens",
        ),
        (
            "/v1/responses/input_tokens",
            &OPENAI[..],
            json!({ "model": "m", "input": "hi" }),
            "max_output_tokens",
        ),
    ] {
        let (status, body) = hall.post(path, headers, asked.clone()).await;
        assert_eq!((status, &body["input_tokens"]), (200, &json!(10)), "{path}");
        let mut asked = asked;
        asked[wrong] = 99.into();
        let (status, body) = hall.post(path, headers, asked).await;
        assert_eq!(status, 400, "{path}: {body}");
    }
    let models = hall.get("/v1/models").await;
    assert_eq!(models["data"][0]["id"], "demo");
    let (status, _) = hall.post("/v1/nothing", &ANTHROPIC, json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_log_shows_which_key_arrived_where() {
    let hall = Hall::open().await;
    for model in MODELS {
        hall.think(ask(model, vec![user(1, "hi")])).await.0.unwrap();
    }
    let log = hall.log().await;
    assert_eq!(log.len(), 4);
    for (entry, model) in log.iter().zip(MODELS) {
        let headers = &entry["headers"];
        let key = match model.starts_with("openai") {
            true => headers["authorization"].as_str().unwrap().to_owned(),
            false => format!("Bearer {}", headers["x-api-key"].as_str().unwrap()),
        };
        assert_eq!(key, format!("Bearer {KEY}"), "{model}");
        assert_eq!(
            (&entry["status"], &entry["ended"]),
            (&json!(200), &json!("answered"))
        );
        assert!(entry["body"]["model"].is_string());
    }
}
