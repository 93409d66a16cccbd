//! Whole conversations with both providers: tools, thinking, stops, usage.

use brain::{Delta, Purpose};
use serde_json::{Value, json};
use session::{Item, Stop};

use crate::hall::{Hall, MODELS, THINKING, ask, result, script, user};

fn call(command: &str) -> Value {
    json!({ "tool": "bash", "args": { "command": command } })
}

#[tokio::test]
async fn tools_run_in_parallel_and_thinking_goes_back_untouched() {
    // The server refuses any thinking that does not come back byte for byte
    // after the very prefix it was signed for.
    let hall = Hall::open().await;
    let play = script(&json!([
        { "say": "two at once", "call": [call("a \"quoted\" ü"), call("b")] },
        { "call": [call("c")] },
        { "say": "{{results}} results, last: {{last_result}}", "chunks": 4 },
    ]));
    for model in MODELS {
        let (_, replies) = hall.converse(model, &play).await;
        let counts: Vec<_> = replies.iter().map(|reply| reply.calls.len()).collect();
        assert_eq!(counts, [2, 1, 0], "{model}");
        assert_eq!(replies[0].calls[0].input["command"], "a \"quoted\" ü");
        let last = &replies[1].calls[0].id;
        assert_eq!(
            replies[2].text,
            format!("3 results, last: result of {last}"),
            "{model}"
        );
        let thinks = THINKING.contains(&model);
        let signed = ["\"signature\"", "\"encrypted_content\""];
        let kept = replies
            .iter()
            .all(|reply| signed.iter().any(|word| reply.raw.contains(word)));
        assert_eq!(kept, thinks, "{model}: {}", replies[1].raw);
        assert_eq!(replies[0].usage.unwrap().total(), 20, "{model}");
        assert!(replies[0].request_id.is_some());
    }
}

#[tokio::test]
async fn a_steer_goes_behind_the_results_and_is_heard() {
    let hall = Hall::open().await;
    for model in MODELS {
        let play = script(&json!([{ "call": [call("a")] }, { "say": "heard: {{last_user}}" }]));
        let mut items = vec![user(1, &play)];
        let (reply, _) = hall.think(ask(model, items.clone())).await;
        let reply = reply.unwrap();
        items.push(Item::Assistant(reply.clone().into()));
        items.push(user(5, "do it faster"));
        items.push(Item::Note("a note".into()));
        items.push(result(&reply.calls[0].id));
        let (reply, _) = hall.think(ask(model, items)).await;
        assert_eq!(reply.unwrap().text, "heard: do it faster", "{model}");
    }
}

#[tokio::test]
async fn every_scripted_stop_comes_through() {
    let hall = Hall::open().await;
    for model in MODELS {
        for (line, stop, unusable) in [
            (json!({ "say": "a" }), Stop::EndTurn, 0),
            (
                json!({ "say": "a", "stop": "max_tokens" }),
                Stop::MaxTokens,
                0,
            ),
            (json!({ "say": "no", "stop": "refusal" }), Stop::Refusal, 0),
            (json!({ "call": [call("a")] }), Stop::ToolUse, 0),
            (
                json!({ "call": [call("a"), call("b")], "stop": "max_tokens" }),
                Stop::MaxTokens,
                1,
            ),
        ] {
            let items = vec![user(1, &script(&json!([line])))];
            let (reply, _) = hall.think(ask(model, items.clone())).await;
            let reply = reply.unwrap();
            let cut = reply.calls.iter().filter(|call| call.unusable.is_some());
            assert_eq!(
                (reply.stop, cut.count()),
                (stop, unusable),
                "{model} {line}"
            );
            // Whatever it was, the provider takes it back.
            let mut items = items;
            let results: Vec<_> = reply.calls.iter().map(|call| result(&call.id)).collect();
            items.push(Item::Assistant(reply.into()));
            items.extend(results);
            let (next, _) = hall.think(ask(model, items)).await;
            assert_eq!(next.unwrap().text, "done", "{model} {line}");
        }
    }
}

#[tokio::test]
async fn usage_is_told_in_disjoint_parts() {
    let hall = Hall::open().await;
    let tokens = json!({ "in": 100, "out": 7, "cache_read": 30, "cache_write": 5 });
    for model in MODELS {
        let items = vec![user(1, &script(&json!([{ "say": "a", "tokens": tokens }])))];
        let usage = hall.think(ask(model, items)).await.0.unwrap().usage;
        let usage = usage.unwrap();
        assert_eq!((usage.cache_read, usage.output), (30, 7), "{model}");
        assert_eq!(usage.total(), 142, "{model}");
    }
}

#[tokio::test]
async fn deltas_add_up_to_the_answer() {
    let hall = Hall::open().await;
    let text = "The quick brown fox jumps over the lazy dög.";
    for model in MODELS {
        let line = json!({ "say": text, "chunks": 7, "chunk_ms": 1, "call": [call("ls")] });
        let items = vec![user(1, &script(&json!([line])))];
        let (_, told) = hall.think(ask(model, items)).await;
        let (mut said, mut input, mut thought) = (String::new(), String::new(), String::new());
        for delta in told {
            match delta {
                Delta::Text(piece) => said.push_str(&piece),
                Delta::ToolInput(piece) => input.push_str(&piece),
                Delta::Thinking(piece) => thought.push_str(&piece),
                other => panic!("{model}: {other:?}"),
            }
        }
        assert_eq!(said, text, "{model}");
        assert_eq!(input, r#"{"command":"ls"}"#, "{model}");
        assert_eq!(thought.is_empty(), !THINKING.contains(&model), "{model}");
    }
}

#[tokio::test]
async fn a_summary_is_asked_for_without_tools_and_stands_for_the_rest() {
    let hall = Hall::open().await;
    for model in MODELS {
        let play =
            script(&json!([{ "call": [call("a")] }, { "say": "summary" }, { "say": "after" }]));
        let (mut items, replies) = hall.converse(model, &play).await;
        assert_eq!(replies.len(), 2);
        items.push(Item::Note(brain::compaction_prompt().into()));
        let mut asked = ask(model, items);
        asked.purpose = Purpose::Compact;
        let summary = hall.think(asked).await.0.unwrap();
        assert!(summary.text.starts_with("A rehearsal of"), "{summary:?}");
        let log = hall.log().await;
        let choice = &log.last().unwrap()["body"]["tool_choice"];
        let want = match model.starts_with("openai") {
            true => json!("none"),
            false => json!({ "type": "none" }),
        };
        assert_eq!(*choice, want, "{model}");
        let text = summary.text;
        let items = vec![Item::Summary { text, replies: 2 }, user(1, "go on")];
        let reply = hall.think(ask(model, items)).await.0.unwrap();
        assert_eq!(reply.text, "You said: go on", "{model}");
    }
}

#[tokio::test]
async fn the_demo_plays_over_every_interface() {
    let hall = Hall::open().await;
    for model in ["anthropic/claude-demo", "openai/gpt-demo", "test/demo"] {
        let (_, replies) = hall.converse(model, "print primes").await;
        let calls: Vec<_> = replies
            .iter()
            .flat_map(|reply| &reply.calls)
            .map(|call| call.tool.as_str())
            .collect();
        assert_eq!(calls, ["write", "bash"], "{model}");
        let end = replies.last().unwrap();
        assert!(end.text.contains("result of"), "{model}: {}", end.text);
    }
}

#[tokio::test]
async fn in_process_and_over_http_the_same_script_is_the_same_piece() {
    let hall = Hall::open().await;
    let play =
        script(&json!([{ "say": "x", "call": [call("a"), call("b")] }, { "say": "{{results}}" }]));
    let mut pieces = Vec::new();
    for model in ["test/script", MODELS[0], MODELS[2]] {
        let (_, replies) = hall.converse(model, &play).await;
        let piece: Vec<_> = replies
            .iter()
            .map(|reply| {
                (
                    reply.text.clone(),
                    reply.calls.clone(),
                    reply.stop,
                    reply.usage,
                )
            })
            .collect();
        pieces.push(piece);
    }
    assert_eq!(pieces[0], pieces[1]);
    assert_eq!(pieces[0], pieces[2]);
}
