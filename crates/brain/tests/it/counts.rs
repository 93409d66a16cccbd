//! What a question will cost is known before it is asked, and an answer is
//! never longer than allowed.

use brain::{ErrorKind, Purpose, most_tokens};
use serde_json::{Value, json};
use session::{Item, Stop};

use crate::hall::{Hall, MODELS, ask, models, patience, result, script, user};
use crate::raw::{head, serve};

/// The models over HTTP, and the one in the process.
const ALL: [&str; 5] = [MODELS[0], MODELS[1], MODELS[2], MODELS[3], "test/script"];

#[tokio::test]
async fn a_count_is_what_the_answer_then_reports() {
    let hall = Hall::open().await;
    let play = script(&json!([
        { "say": "a", "call": [{ "tool": "ls" }], "tokens": { "in": 100, "cache_read": 30, "out": 3 } },
        { "say": "b", "tokens": { "in": 7, "cache_read": 90, "cache_write": 1 } },
    ]));
    for model in ALL {
        let brain = hall.models.for_model(&ask(model, vec![]).model);
        let mut items = vec![user(1, &play)];
        for want in [
            130,
            97 + u64::from(model == "test/script" || model.starts_with("anthropic")),
            10,
        ] {
            let asked = ask(model, items.clone());
            let counted = brain.count(&asked).await.unwrap();
            let reply = hall.think(asked).await.0.unwrap();
            let reported = reply.usage.unwrap().context();
            // The Responses API has no word for what was written to a cache.
            assert!(
                counted == reported && reported >= want,
                "{model}: {counted} {reported}"
            );
            items.push(Item::Assistant(reply.clone().into()));
            items.extend(reply.calls.iter().map(|call| result(&call.id)));
            items.push(user(9, "and now?"));
        }
    }
}

#[tokio::test]
async fn a_summary_is_counted_as_well() {
    let hall = Hall::open().await;
    for model in ALL {
        let mut asked = ask(model, vec![user(1, "hi")]);
        asked.purpose = Purpose::Compact;
        let brain = hall.models.for_model(&asked.model);
        let counted = brain.count(&asked).await.unwrap();
        let reply = hall.think(asked).await.0.unwrap();
        assert_eq!(counted, reply.usage.unwrap().context(), "{model}");
    }
}

#[tokio::test]
async fn an_answer_is_never_longer_than_allowed() {
    let hall = Hall::open().await;
    let call = json!({ "tool": "bash", "args": { "command": "ls" } });
    for model in ALL {
        for (line, most, output, stop, text, unusable) in [
            (
                json!({ "say": "x", "tokens": { "out": 20 } }),
                20,
                20,
                Stop::EndTurn,
                "x",
                0,
            ),
            (
                json!({ "say": "abcdefgh", "tokens": { "out": 64 } }),
                32,
                32,
                Stop::MaxTokens,
                "abcd",
                0,
            ),
            (
                json!({ "say": "ab", "call": [call, call], "tokens": { "out": 100 } }),
                16,
                16,
                Stop::MaxTokens,
                "ab",
                1,
            ),
            (
                json!({ "say": "no", "stop": "refusal", "tokens": { "out": 17 } }),
                16,
                16,
                Stop::MaxTokens,
                "n",
                0,
            ),
        ] {
            let mut asked = ask(model, vec![user(1, &script(&json!([line])))]);
            asked.max_tokens = most;
            let reply = hall.think(asked).await.0.unwrap();
            let cut = reply.calls.iter().filter(|call| call.unusable.is_some());
            assert_eq!(
                (
                    reply.usage.unwrap().output,
                    reply.stop,
                    reply.text.as_str(),
                    cut.count()
                ),
                (output, stop, text, unusable),
                "{model} {line}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_counted_is_the_question_without_its_answer() {
    let hall = Hall::open().await;
    for model in MODELS {
        let asked = ask(model, vec![user(1, "hi")]);
        let brain = hall.models.for_model(&asked.model);
        brain.count(&asked).await.unwrap();
        hall.think(asked).await.0.unwrap();
    }
    let log = hall.log().await;
    for pair in log.chunks(2) {
        let (count, answer) = (&pair[0]["body"], &pair[1]["body"]);
        let fields = count.as_object().unwrap();
        assert!(
            fields.iter().all(|(name, value)| answer[name] == *value),
            "{count}"
        );
        for missing in ["max_tokens", "max_output_tokens", "stream", "store"] {
            assert_eq!(count[missing], Value::Null, "{count}");
        }
        assert_eq!(
            pair[0]["headers"]["authorization"],
            pair[1]["headers"]["authorization"]
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_count_is_bounded_and_one_that_refuses_is_told() {
    for (status, want) in [
        ("404 Not Found", None),
        ("405 Method Not Allowed", None),
        ("501 Not Implemented", None),
        ("401 Unauthorized", Some(ErrorKind::Auth)),
        ("402 Payment Required", Some(ErrorKind::Spend)),
        ("413 Payload Too Large", None),
    ] {
        for model in [MODELS[0], MODELS[2]] {
            let pieces = vec![head(status, "text/plain")];
            let once = brain::Patience {
                attempts: 1,
                ..patience()
            };
            let models = models(&serve(pieces, true).await, once);
            let asked = ask(model, vec![user(1, "hi")]);
            let counted = models.for_model(&asked.model).count(&asked).await;
            match want {
                None => assert_eq!(counted.unwrap(), most_tokens(&asked), "{status}"),
                Some(kind) => assert_eq!(counted.unwrap_err().kind, kind, "{status}"),
            }
        }
    }
}
