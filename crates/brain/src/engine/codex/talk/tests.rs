//! The talk with an engine that is played here.

use std::sync::Arc;

use session::ModelRef;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

use super::*;
use crate::Purpose;

/// The engine's side.
struct Engine(BufReader<DuplexStream>);

impl Engine {
    fn meet() -> (Self, Talk) {
        let (ours, theirs) = duplex(1 << 16);
        let ask = Ask {
            model: ModelRef::parse("gpt-5.5", "codex").unwrap(),
            system: Arc::from("Be brief."),
            tools: session::tool::native().into(),
            items: vec![],
            max_tokens: 9,
            key: None,
            session: "ses_1".to_owned(),
            purpose: Purpose::Turn,
            metered: false,
        };
        let talk = Talk::new(Box::new(ours), &ask);
        (Self(BufReader::new(theirs)), talk)
    }

    /// What it hears next, while the talk goes on.
    async fn hears(&mut self, talk: &mut Talk) -> Value {
        let mut line = String::new();
        tokio::select! {
            read = self.0.read_line(&mut line) => assert!(read.unwrap() > 0),
            gone = talk.run() => panic!("{gone:?}"),
        }
        serde_json::from_str(&line).unwrap()
    }

    async fn says(&mut self, line: Value) {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
    }

    /// To the point where a thread is there.
    async fn greeted(&mut self, talk: &mut Talk) -> Value {
        assert_eq!(self.hears(talk).await["method"], "initialize");
        assert_eq!(self.hears(talk).await["method"], "initialized");
        let start = self.hears(talk).await;
        self.says(json!({ "id": 1, "result": {} })).await;
        self.says(json!({ "id": 2, "result": { "thread": { "id": "t" } } }))
            .await;
        start
    }
}

#[tokio::test]
async fn a_turn_begins_once_there_is_a_thread_and_the_last_one_is_over() {
    let (mut engine, mut talk) = Engine::meet();
    talk.feed(Feed::Go);
    let start = engine.greeted(&mut talk).await;
    assert_eq!(start["params"]["baseInstructions"], "Be brief.");
    assert_eq!(start["params"]["environments"], json!([]));
    let turn = engine.hears(&mut talk).await;
    assert_eq!(turn["params"], json!({ "threadId": "t", "input": [] }));

    talk.feed(Feed::Go);
    engine
        .says(json!({ "id": 77, "method": "item/x/requestApproval", "params": {} }))
        .await;
    let next = engine.hears(&mut talk).await;
    assert_eq!(next["error"]["code"], -32601, "no turn while one runs");
    engine
        .says(
            json!({ "method": "turn/completed", "params": { "turn": { "status": "completed" } } }),
        )
        .await;
    assert_eq!(engine.hears(&mut talk).await["method"], "turn/start");
}

#[tokio::test]
async fn a_call_is_answered_once_its_result_is_known() {
    let (mut engine, mut talk) = Engine::meet();
    talk.feed(Feed::Go);
    engine.greeted(&mut talk).await;
    engine.hears(&mut talk).await;
    let call = |id: u64, call: &str| json!({ "id": id, "method": "item/tool/call", "params": { "callId": call, "tool": "bash", "arguments": {} } });
    engine.says(call(0, "a")).await;
    let nothing = futures::FutureExt::now_or_never(engine.hears(&mut talk));
    assert_eq!(nothing, None, "held, as long as nobody knows");
    let shown = |call: &str, is_error| Shown {
        call: call.to_owned(),
        text: format!("of {call}"),
        is_error,
    };
    talk.feed(Feed::Results(vec![shown("a", false), shown("b", true)]));
    let first = engine.hears(&mut talk).await;
    let content = json!([{ "type": "inputText", "text": "of a" }]);
    let want = json!({ "contentItems": content, "success": true });
    assert_eq!((&first["id"], &first["result"]), (&json!(0), &want));
    engine.says(call(1, "b")).await;
    let second = engine.hears(&mut talk).await;
    assert_eq!(
        (&second["id"], &second["result"]["success"]),
        (&json!(1), &json!(false))
    );
}

#[tokio::test]
async fn an_engine_that_refuses_or_fails_is_of_no_more_use() {
    for (said, words) in [
        (
            json!({ "id": 2, "error": { "code": -1, "message": "no such model" } }),
            "no such model",
        ),
        (
            json!({ "method": "turn/completed", "params": { "turn": { "status": "failed", "error": { "message": "broke" } } } }),
            "broke",
        ),
    ] {
        let (mut engine, mut talk) = Engine::meet();
        engine.says(said).await;
        let gone = talk.run().await;
        assert!(gone.0.contains(words), "{gone:?}");
    }
    let (engine, mut talk) = Engine::meet();
    drop(engine);
    assert!(!talk.run().await.0.is_empty());
}
