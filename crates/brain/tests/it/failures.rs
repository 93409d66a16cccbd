//! Providers that fail: what is retried, what is not, and what is told.

use std::time::Duration;

use brain::{Delta, ErrorKind, Patience};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::hall::{Hall, KEY, MODELS, ask, patience, script, user};

fn play(line: Value) -> Vec<session::Item> {
    vec![user(1, &script(&json!([line])))]
}

fn retries(told: &[Delta]) -> usize {
    told.iter()
        .filter(|delta| matches!(delta, Delta::Retry { .. }))
        .count()
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let short = Patience {
        gap: Duration::from_millis(60),
        first_byte: Duration::from_millis(300),
        ..patience()
    };
    let hall = Hall::with(short).await;
    for model in MODELS {
        for fail in [
            json!(408),
            json!(409),
            json!(429),
            json!(500),
            json!(529),
            json!("drop"),
            json!("hang"),
            json!("garbage"),
        ] {
            let line = json!({ "fail": fail, "say": format!("{model} at last"), "chunks": 3 });
            let (reply, told) = hall.think(ask(model, play(line))).await;
            assert_eq!(reply.unwrap().text, format!("{model} at last"), "{fail}");
            assert_eq!(retries(&told), 1, "{model} {fail}: {told:?}");
            let restart = told.iter().position(|delta| *delta == Delta::Restart);
            let after: String = told[restart.unwrap()..]
                .iter()
                .filter_map(|delta| match delta {
                    Delta::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(after, format!("{model} at last"), "{fail}");
        }
    }
}

#[tokio::test]
async fn what_will_not_pass_is_told_at_once() {
    let hall = Hall::open().await;
    for model in MODELS {
        for (fail, kind, words) in [
            (json!(400), ErrorKind::BadRequest, "refused the request"),
            (json!(401), ErrorKind::Auth, "refused the key"),
            (json!(403), ErrorKind::Auth, "refused the key"),
            (json!(404), ErrorKind::NotFound, "does not know this model"),
            (json!("spend"), ErrorKind::Spend, "limit"),
        ] {
            let (reply, told) = hall
                .think(ask(model, play(json!({ "fail": fail, "times": -1 }))))
                .await;
            let error = reply.unwrap_err();
            assert_eq!(error.kind, kind, "{model} {fail}");
            assert_eq!((retries(&told), error.retriable), (0, false), "{fail}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.request_id.is_some(), "{model} {fail}");
        }
    }
}

#[tokio::test]
async fn patience_ends() {
    let hall = Hall::open().await;
    for model in MODELS {
        let line = json!({ "fail": 529, "times": -1 });
        let (reply, told) = hall.think(ask(model, play(line))).await;
        let error = reply.unwrap_err();
        assert_eq!(
            (error.kind, error.status, retries(&told)),
            (ErrorKind::Overloaded, Some(529), 2)
        );
    }
}

#[tokio::test]
async fn silence_is_noticed_before_the_first_byte_between_bytes_and_in_all() {
    let once = Patience {
        attempts: 1,
        ..Patience::default()
    };
    let (long, short) = (Duration::from_secs(3600), Duration::from_millis(80));
    let slow = json!({ "say": "abcdefghijklmnop", "chunks": 16, "chunk_ms": 40 });
    for (line, patience, words) in [
        (
            json!({ "say": "x", "delay_ms": 3_600_000 }),
            Patience {
                first_byte: short,
                ..once
            },
            "did not begin to answer",
        ),
        (
            json!({ "say": "abc", "chunks": 3, "fail": "hang" }),
            Patience {
                gap: short,
                first_byte: long,
                ..once
            },
            "stopped sending",
        ),
        (
            slow,
            Patience {
                total: Duration::from_millis(200),
                ..once
            },
            "as a whole",
        ),
    ] {
        let hall = Hall::with(patience).await;
        for model in [MODELS[0], MODELS[2]] {
            let (reply, _) = hall.think(ask(model, play(line.clone()))).await;
            let error = reply.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Timeout, "{model} {line}: {error}");
            assert!(error.message.contains(words), "{model} {line}: {error}");
        }
    }
}

#[tokio::test]
async fn a_wait_that_a_provider_asks_for_is_kept() {
    let hall = Hall::open().await;
    for model in [MODELS[0], MODELS[2]] {
        let line = json!({ "fail": 429, "retry_after": 0.25, "say": model });
        let began = Instant::now();
        let (reply, told) = hall.think(ask(model, play(line))).await;
        assert_eq!(reply.unwrap().text, model);
        assert!(began.elapsed() >= Duration::from_millis(250), "{model}");
        assert!(told.iter().any(|delta| matches!(
            delta,
            Delta::Retry {
                after_ms: 250..,
                ..
            }
        )));
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told_without_the_key() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let models = crate::hall::models(&url, patience());
    for model in [MODELS[0], MODELS[2]] {
        let (reply, told) = crate::hall::think(&models, ask(model, play(json!({})))).await;
        let error = reply.unwrap_err();
        assert_eq!((error.kind, retries(&told)), (ErrorKind::Broken, 2));
        let shown = format!("{error} {error:?} {told:?}");
        assert!(
            shown.contains("cannot be reached") && !shown.contains(KEY),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_wrong_script_is_told_with_its_place() {
    let hall = Hall::open().await;
    for model in MODELS {
        let items = vec![user(1, "@steps\n[{\"sya\": 1}]")];
        let error = hall.think(ask(model, items)).await.0.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest, "{model}");
        assert!(error.message.contains("unknown field `sya`"), "{error}");
    }
}
