//! Engines that die, hang, or are no longer wanted.

use std::path::Path;
use std::time::Duration;

use brain::{Deltas, EngineConfig, ErrorKind};
use serde_json::json;

use super::stage::Stage;
use crate::hall::Hall;
use crate::suite::table::{Table, call};

/// The engines there are, and a program of a user's own.
const ENGINES: [&str; 3] = ["claude", "codex", "brain-python"];

/// A model that all of them can think with.
const MODEL: &str = "test/script";

/// Waits until that program is gone.
async fn until_gone(pid: u32) {
    let there = || Path::new(&format!("/proc/{pid}/cmdline")).exists();
    let gone = async {
        while there() && !is_dead(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), gone).await;
    assert!(waited.is_ok(), "{pid} still runs");
}

/// Whether it has ended, and nobody looked yet.
fn is_dead(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_none_or(|rest| rest.starts_with(['Z', 'X']))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_thought_ends_its_program() {
    for runtime in ENGINES {
        let mut table = Table::engine(runtime, MODEL).await;
        table.play(json!([{ "say": "abc def", "chunks": 2, "chunk_ms": 60_000 }]));
        table
            .cut(|delta| matches!(delta, brain::Delta::Text(_)))
            .await;
        until_gone(table.stage().pid()).await;
        assert_eq!(table.stage().engines.live(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_hangs_is_replaced() {
    for runtime in ENGINES {
        let config = EngineConfig {
            start: Duration::from_secs(8),
            ..EngineConfig::default()
        };
        let mut table = Table::with(runtime, MODEL, config).await;
        table.play(json!([{ "call": [call("ls")] }, { "say": "{{last_result}}" }]));
        table.think().await;
        let stopped = table.stage().pid();
        table.stage().signal("STOP");
        table.result(0, "a");
        assert_eq!(table.think().await.text, "a");
        until_gone(stopped).await;
        assert_eq!(table.stage().starts(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_engine_is_ended_and_made_anew() {
    for runtime in ENGINES {
        let config = EngineConfig {
            idle: Duration::ZERO,
            ..EngineConfig::default()
        };
        let mut table = Table::with(runtime, MODEL, config).await;
        table.say("one");
        table.think().await;
        assert_eq!(table.stage().engines.live(), 1);
        let pid = table.stage().pid();
        table.stage().engines.sweep();
        assert_eq!(table.stage().engines.live(), 0);
        until_gone(pid).await;
        table.say("two");
        assert_eq!(table.think().await.text, "You said: two");
        table.stage().engines.end("session_1");
        assert_eq!(table.stage().engines.live(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_are_used_are_not_ended() {
    for runtime in ENGINES {
        let mut table = Table::engine(runtime, MODEL).await;
        for text in ["one", "two"] {
            table.say(text);
            table.think().await;
            table.stage().engines.sweep();
        }
        assert_eq!(
            (table.stage().starts(), table.stage().engines.live()),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn an_engine_that_cannot_run_is_told_in_its_words() {
    let hall = Hall::open().await;
    for (stage, words) in [
        (
            Stage::broken(hall.models.clone(), "echo no memory >&2; exit 1"),
            "no memory",
        ),
        (
            Stage::broken(
                hall.models.clone(),
                "echo '{\"type\":\"system\",\"subtype\":\"init\",\"tools\":[\"Bash\"]}'; read x",
            ),
            "other tools",
        ),
        (
            Stage::broken(
                hall.models.clone(),
                "echo '{\"type\":\"result\",\"is_error\":true,\"result\":\"Not logged in\"}'; read x",
            ),
            "Not logged in",
        ),
    ] {
        let (deltas, _said) = Deltas::new(8);
        let ask = crate::hall::ask("test/script", vec![crate::hall::user(1, "hello")]);
        let error = stage.model.think(ask, deltas).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
        assert_eq!((error.kind, error.retriable), (ErrorKind::Broken, true));
        assert_eq!(stage.starts(), 3);
    }
}

#[tokio::test]
async fn an_engine_has_models_of_its_own_vendor_only() {
    let hall = Hall::open().await;
    let stage = Stage::open("claude", hall.models.clone());
    let (deltas, _said) = Deltas::new(8);
    let ask = crate::hall::ask("openai/gpt-5.5", vec![]);
    let error = stage.model.think(ask, deltas).await.unwrap_err();
    assert_eq!((error.kind, stage.starts()), (ErrorKind::BadRequest, 0));
    assert!(error.message.contains("openai"), "{error}");
    for (runtime, there) in [("claude-agent-sdk", true), ("native", false), ("", false)] {
        assert_eq!(
            stage.engines.for_runtime(runtime).is_some(),
            there,
            "{runtime}"
        );
    }
}
