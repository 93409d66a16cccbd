//! Conversations that outgrow the window: no failure, but an answer that says
//! so; and a summary of what still fits.

use brain::{Delta, ErrorKind, Purpose};
use serde_json::json;
use session::{Item, Reply, Stop};

use crate::hall::{Hall, MODELS, ask, models, patience, result, script, think, user};
use crate::raw::{each, head};

fn retries(told: &[Delta]) -> usize {
    let retry = |delta: &&Delta| matches!(delta, Delta::Retry { .. });
    told.iter().filter(retry).count()
}

#[tokio::test]
async fn a_full_window_is_an_answer_and_the_script_goes_on_after_it() {
    let hall = Hall::open().await;
    for model in [MODELS[0], MODELS[1], MODELS[2], MODELS[3], "test/script"] {
        let play = script(&json!([
            { "call": [{ "tool": "ls" }] },
            { "fail": "context", "say": model },
            { "say": "end" },
        ]));
        let mut items = vec![user(1, &play)];
        let mut said = Vec::new();
        for stop in [
            Stop::ToolUse,
            Stop::ContextFull,
            Stop::EndTurn,
            Stop::EndTurn,
        ] {
            let asked = brain::Ask {
                session: model.into(),
                ..ask(model, items.clone())
            };
            let (reply, told) = hall.think(asked).await;
            let reply = reply.unwrap();
            assert_eq!((reply.stop, retries(&told)), (stop, 0), "{model}");
            let used = reply.usage.unwrap().total();
            assert_eq!(used == 0, stop == Stop::ContextFull, "{model}");
            said.push(reply.text.clone());
            let results: Vec<_> = reply.calls.iter().map(|call| result(&call.id)).collect();
            items.push(Item::Assistant(reply.into()));
            items.extend(results);
        }
        assert_eq!(said, ["", "", model, "end"]);
    }
}

/// A conversation of some length that asks for its summary.
fn long(model: &str, line: serde_json::Value) -> brain::Ask {
    let mut items = vec![user(1, &script(&json!([line])))];
    for number in 0..200 {
        items.push(Item::Note(format!("note {number} of a long conversation")));
    }
    items.push(Item::Note(brain::compaction_prompt().into()));
    brain::Ask {
        purpose: Purpose::Compact,
        metered: false,
        // Failures are counted by session.
        session: model.into(),
        ..ask(model, items)
    }
}

#[tokio::test]
async fn a_summary_that_does_not_fit_is_made_of_the_newest_part() {
    let hall = Hall::open().await;
    for (number, model) in MODELS.into_iter().enumerate() {
        let asked = long(
            model,
            json!({ "fail": "context", "times": -1, "say": model }),
        );
        let reply = hall.think(asked).await.0.unwrap();
        assert_eq!(reply.stop, Stop::EndTurn, "{model}");
        let log = hall.log().await;
        let bodies: Vec<_> = log[2 * number..]
            .iter()
            .map(|entry| entry["body"].to_string())
            .collect();
        let [whole, cut] = &bodies[..] else {
            panic!("{model}: {} requests", bodies.len());
        };
        assert!(cut.len() < whole.len());
        for (words, kept) in [
            ("note 0 of", false),
            ("note 199 of", true),
            ("Write the notes from which you will go on", true),
        ] {
            assert!(whole.contains(words), "{model}: {words}");
            assert_eq!(cut.contains(words), kept, "{model}: {words}");
        }
    }
}

#[tokio::test]
async fn what_never_fits_is_told_in_the_end() {
    let body = json!({ "error": { "type": "invalid_request_error", "code": "context_length_exceeded",
        "message": "prompt is too long" } });
    for model in [MODELS[0], MODELS[2]] {
        let mut answer = head("400 Bad Request", "application/json");
        answer.extend(body.to_string().bytes());
        let (url, mut asked) = each(vec![vec![answer]]).await;
        let models = models(&url, patience());
        let (reply, told) = think(&models, long(model, json!({}))).await;
        assert_eq!(reply.unwrap_err().kind, ErrorKind::ContextFull, "{model}");
        assert_eq!(retries(&told), 0);
        let mut sizes = Vec::new();
        while let Ok(request) = asked.try_recv() {
            sizes.push(request.len());
        }
        assert!(
            sizes.len() > 2 && sizes.is_sorted_by(|a, b| a > b),
            "{sizes:?}"
        );
        // A turn's question is asked once: its reader knows what to do.
        let turn = brain::Ask {
            purpose: Purpose::Turn,
            metered: false,
            ..long(model, json!({}))
        };
        let reply: Reply = think(&models, turn).await.0.unwrap();
        assert_eq!(reply.stop, Stop::ContextFull);
    }
}
