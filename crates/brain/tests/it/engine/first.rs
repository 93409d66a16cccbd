//! The first things an engine has to do.

use serde_json::json;
use session::Item;

use super::stage::Stage;
use crate::hall::{ask, models, patience, result, script, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_an_answer() {
    for runtime in ["claude", "codex"] {
        plays(runtime).await;
    }
}

async fn plays(runtime: &str) {
    let stage = Stage::open(runtime, models("http://127.0.0.1:1", patience()));
    let play = json!([{ "say": "calling", "call": [{ "tool": "bash", "args": { "command": "ls" } }] }, { "say": "got {{last_result}}" }]);
    let mut items = vec![user(1, &script(&play))];
    for _ in 0..2 {
        let (deltas, _said) = tokio::sync::mpsc::channel(64);
        let reply = stage
            .model
            .think(ask("test/script", items.clone()), deltas)
            .await
            .unwrap();
        items.push(Item::Assistant(reply.clone().into()));
        items.extend(reply.calls.iter().map(|call| result(&call.id)));
    }
    assert_eq!(stage.starts(), 1);
    let Some(Item::Assistant(last)) = items.last() else {
        panic!()
    };
    let Item::Assistant(first) = &items[1] else {
        panic!()
    };
    assert_eq!(last.text, format!("got result of {}", first.calls[0].id));
}
