//! What is charged for an answer that was cut is never less than what the
//! provider streamed of it, wherever it was cut and however slow its reader is.

use std::time::Duration;

use brain::{Deltas, Meter};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::hall::{Hall, MODELS, THINKING, ask, script, user};

/// Output tokens the answer may have, and those it would have: as with any
/// tokenizer, not more than it has bytes.
const MOST: u64 = 1000;
const WHOLE: u64 = 390;
/// Its input.
const INPUT: u64 = 100;
/// Its bytes.
const BYTES: usize = 400;
/// The pieces it is sent in.
const PIECES: usize = 100;

fn line(wish: Value) -> Value {
    let mut line = json!({ "say": "x".repeat(BYTES), "chunks": PIECES, "chunk_ms": 2,
        "tokens": { "in": INPUT, "out": WHOLE } });
    line.as_object_mut()
        .unwrap()
        .extend(wish.as_object().unwrap().clone());
    line
}

/// What the provider says that its newest answer used.
async fn served(hall: &Hall) -> (u64, u64) {
    let log = hall.log().await;
    let used = &log.last().unwrap()["used"];
    let count = |name: &str| used[name].as_u64().unwrap();
    (count("input_tokens"), count("output_tokens"))
}

/// Asks, cuts the answer as soon as so many bytes of it were sent, and waits
/// until the provider knows. Nobody reads a piece meanwhile.
async fn cut(hall: &Hall, model: &str, after: u64) -> Meter {
    let mut ask = ask(model, vec![user(1, &script(&json!([line(json!({}))])))]);
    ask.max_tokens = u32::try_from(MOST).unwrap();
    ask.metered = true;
    let (deltas, _unread) = Deltas::new(1);
    let meter = deltas.meter().clone();
    let before = hall.log().await.len();
    let brain = hall.models.for_model(&ask.model);
    let thinking = brain.think(ask, deltas);
    let sent = async {
        while hall.log().await.len() == before || served(hall).await.1 < after {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        // It may come to its end before anybody could cut it.
        _ = thinking => return meter,
        () = sent => {}
    }
    let left = async {
        while hall.log().await[before]["ended"] == "not yet" {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), left).await.unwrap();
    meter
}

#[tokio::test]
async fn an_answer_that_is_cut_is_charged_what_was_streamed_of_it() {
    for model in MODELS {
        let hall = Hall::open().await;
        for after in [0, 1, 40, 150, 301, 399] {
            let meter = cut(&hall, model, after).await;
            let (charged, (input, output)) = (meter.most(INPUT, MOST), served(&hall).await);
            assert_eq!(charged.context(), input, "{model} cut after {after}");
            assert!(charged.output >= output, "{model}: {charged:?} of {output}");
            let shown = !THINKING.contains(&model) && meter.is_open();
            assert!(
                !shown || charged.output <= output + 500,
                "{model}: {charged:?} of {output}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_charged_as_one_that_is_cut() {
    for model in MODELS {
        let hall = Hall::open().await;
        let line = line(json!({ "fail": "drop" }));
        let mut ask = ask(model, vec![user(1, &script(&json!([line])))]);
        ask.metered = true;
        let (deltas, _unread) = Deltas::new(1);
        let meter = deltas.meter().clone();
        let brain = hall.models.for_model(&ask.model);
        assert!(brain.think(ask, deltas).await.unwrap_err().begun());
        let (charged, (input, output)) = (meter.most(INPUT, MOST), served(&hall).await);
        assert!(charged.output >= output && output > 0, "{model}");
        assert_eq!(charged.context(), input, "{model}");
    }
}

#[tokio::test]
async fn a_question_that_is_turned_away_is_charged_nothing() {
    for model in MODELS {
        let hall = Hall::open().await;
        let line = line(json!({ "fail": 400 }));
        let ask = ask(model, vec![user(1, &script(&json!([line])))]);
        let (deltas, _unread) = Deltas::new(1);
        let meter = deltas.meter().clone();
        let brain = hall.models.for_model(&ask.model);
        assert!(brain.think(ask, deltas).await.is_err());
        assert_eq!(meter.most(INPUT, MOST).total(), 0, "{model}");
        assert_eq!(served(&hall).await, (0, 0), "{model}");
    }
}

#[tokio::test]
async fn an_answer_to_its_end_is_metered_as_it_is_told() {
    for model in MODELS {
        let hall = Hall::open().await;
        let ask = ask(model, vec![user(1, &script(&json!([line(json!({}))])))]);
        let (deltas, _unread) = Deltas::new(1);
        let meter = deltas.meter().clone();
        let brain = hall.models.for_model(&ask.model);
        let reply = brain.think(ask, deltas).await.unwrap();
        assert_eq!(reply.usage, Some(meter.used()), "{model}");
        assert_eq!(served(&hall).await, (INPUT, WHOLE), "{model}");
    }
}
