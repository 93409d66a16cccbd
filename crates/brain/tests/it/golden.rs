//! The requests of a fixed conversation, as they go out. A change here changes
//! what providers bind signed thinking to and what they cache.

use brain::Ask;
use serde_json::{Value, json};
use session::Item;

use crate::hall::{Hall, ask, one_tool, result, script, user};

async fn request(model: &str) -> Value {
    let hall = Hall::open().await;
    let play = script(&json!([
        { "say": "look", "call": [{ "tool": "bash", "args": { "command": "ls" } }] },
        { "say": "bye" }
    ]));
    let asked = |items: Vec<Item>| Ask {
        tools: one_tool(),
        ..ask(model, items)
    };
    let summary = Item::Summary {
        text: "what was".into(),
        replies: 0,
    };
    let mut items = vec![summary, user(3, "hello"), user(4, &play)];
    let reply = hall.think(asked(items.clone())).await.0.unwrap();
    let call = reply.calls[0].id.clone();
    items.push(Item::Assistant(reply.into()));
    items.push(Item::Note("the sandbox was rebuilt".into()));
    items.push(result(&call));
    items.push(user(7, "and then?"));
    hall.think(asked(items)).await.0.unwrap();
    let mut log = hall.log().await;
    let mut sent = log.pop().unwrap();
    let mut headers = sent["headers"].take();
    for changing in ["host", "content-length"] {
        headers.as_object_mut().unwrap().remove(changing);
    }
    json!({ "path": sent["path"], "headers": headers, "body": sent["body"] })
}

fn compare(name: &str, golden: &str, sent: &Value) {
    let text = serde_json::to_string_pretty(sent).unwrap();
    assert_eq!(
        text.trim(),
        golden.trim(),
        "golden/{name} would be:\n{text}"
    );
}

#[tokio::test]
async fn anthropic() {
    let sent = request("anthropic/claude-opus-5-5").await;
    compare(
        "anthropic.json",
        include_str!("golden/anthropic.json"),
        &sent,
    );
}

#[tokio::test]
async fn openai() {
    let sent = request("openai/gpt-5.5").await;
    compare("openai.json", include_str!("golden/openai.json"), &sent);
}
