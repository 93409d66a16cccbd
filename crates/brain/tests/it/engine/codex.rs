//! What is Codex's own.

use serde_json::json;

use crate::suite::table::{Table, call};

/// Models that the engine would by itself have write programs that call tools.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_models_call_plain_functions_too() {
    for model in ["openai/gpt-6-sol", "openai/gpt-5.6-luna"] {
        let mut table = Table::engine("codex", model).await;
        table.play(json!([{ "call": [call("ls")] }, { "say": "{{last_result}}" }]));
        let reply = table.think().await;
        assert_eq!(reply.calls[0].tool, "bash", "{model}");
        table.result(0, "a file");
        assert_eq!(table.rest().await, "a file");
        let log = table.hall.log().await;
        let offered: Vec<_> = log[0]["body"]["tools"].as_array().unwrap().iter().collect();
        let ours = table.ask().tools;
        assert_eq!(offered.len(), ours.len(), "{model}: {offered:?}");
        assert!(offered.iter().all(|tool| tool["type"] == "function"));
        assert_eq!(table.stage().starts(), 1);
    }
}
