//! Frozen forms: the body of each event, and everything that is persisted. A
//! change here changes what clients read or what old logs mean; `UPDATE=1`
//! writes the files anew.

use std::path::PathBuf;

use serde_json::{Value, json};
use session::fact::{
    Checkpoint, Failure, Family, Gated, Known, Lapse, Outcome, Receipt, Recovery, Restored, Voice,
    YieldReason,
};
use session::{Command, Event, Level, Limits, Phase, Provider, Reply, Stop, Tokens, Waiting, What};

use crate::scene::{
    Scene, answer, asks, call, compacted, end, failure, frozen, interrupt, receipt, send, tokens,
};

fn frozen_as(name: &str, value: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(value).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
        return;
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    let frozen: Value = serde_json::from_str(&frozen).unwrap();
    assert_eq!(&frozen, value, "{} changed", path.display());
}

fn shown(event: &Event) -> Value {
    let private = event.draft.private.as_deref();
    json!({
        "id": event.id,
        "type": event.draft.kind,
        "level": event.draft.level,
        "actor": event.draft.actor,
        "turn": event.draft.turn,
        "body": event.draft.body,
        "private": private.map(|text| serde_json::from_str::<Value>(text).unwrap()),
    })
}

/// A history with every type of event in it.
fn history() -> Scene {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.replied(Reply {
        text: "I look.".to_owned(),
        request_id: Some("req_1".to_owned()),
        ..asks(&[
            ("a", "bash"),
            ("b", "read"),
            ("c", "browse"),
            ("d", "write"),
            ("e", "say"),
        ])
    });
    scene.done("hi");
    scene.did(interrupt("faster"));
    scene.did(Command::Done(Receipt {
        tool: "read".to_owned(),
        command: "a.txt".to_owned(),
        outcome: Outcome::Killed {
            reason: "interrupted".to_owned(),
        },
        duration_ms: None,
        known: Some(Box::new(Known {
            started_at: scene.now,
            output_so_far: Some("1\n2".to_owned()),
            checkpoint: None,
        })),
        ..receipt("b", "stopped")
    }));
    let saw = scene.state.head;
    scene.did(compacted(saw, "so far"));
    scene.replied(asks(&[("f", "browse"), ("g", "say"), ("h", "bash")]));
    scene.did(Command::Cancel);
    scene.did(end(YieldReason::Canceled));
    scene.did(send("again"));
    scene.did(Command::Begin);
    scene.did(Command::Failed(failure("overloaded")));
    scene.did(send("again"));
    scene.did(Command::Begin);
    scene.replied(answer("hello", Stop::EndTurn));
    notes(&mut scene);
    scene.did(send("again"));
    scene.did(Command::Begin);
    scene.replied(asks(&[("i", "ask")]));
    scene.did(Command::Request {
        payload: json!({ "n": [1, null], "text": "hi" }),
        actor: Some(session::Actor::trigger("hk_1", "issues")),
    });
    scene.did(Command::Archive);
    scene
}

/// Everything the platform notes about a session.
fn notes(scene: &mut Scene) {
    scene.did(send("again"));
    scene.did(Command::Begin);
    scene.did(Command::Recovered(Recovery {
        reason: Lapse::LeaseExpired,
        epoch: 2,
        charged: Some(tokens(1, 2)),
    }));
    scene.did(Command::ModelCut(tokens(3, 4)));
    scene.did(Command::HandOver);
    scene.did(Command::Waiting(Waiting {
        what: What::Retry,
        since: scene.now,
        deadline: Some(scene.now.plus(1000)),
        next: "the model is asked again".to_owned(),
        place: None,
    }));
    scene.did(Command::SandboxStarted("sbx_1".to_owned()));
    scene.did(Command::Restored(Restored {
        sandbox: "sbx_2".to_owned(),
        checkpoint: Some("ckp_1".to_owned()),
        seq: 3,
        reason: "lost".to_owned(),
        made: None,
        skipped: vec!["ckp_2".to_owned()],
    }));
    for granted in [true, false] {
        scene.did(Command::Gated(Gated {
            granted,
            host: "api.example.com".to_owned(),
            port: 443,
            secret: Some("EXAMPLE_KEY".to_owned()),
            reason: (!granted).then(|| "the secret may not go to this host".to_owned()),
            times: 2,
        }));
    }
    scene.did(Command::SetLimits(Limits {
        usd: session::Usd::dollars(0.5),
        auto_continue: Some(1),
        ..Limits::default()
    }));
    scene.did(end(YieldReason::DeadlineExceeded));
    scene.did(Command::Begin);
    scene.replied(answer("hello", Stop::EndTurn));
    scene.did(Command::Checkpointed(Checkpoint {
        id: "ckp_3".to_owned(),
        why: "turn".to_owned(),
        seq: scene.state.head,
        files: 4,
        bytes: 5,
        added: 6,
    }));
    scene.did(Command::Hibernated("ckp_3".to_owned()));
    scene.did(Command::Fork {
        from: "ses_other".to_owned(),
        checkpoint: scene.state.checkpoint.clone(),
    });
}

#[test]
fn every_event_of_a_history() {
    let scene = history();
    let events: Vec<_> = scene.events.iter().map(shown).collect();
    frozen_as("events", &events.into());
}

#[test]
fn the_types_of_events_and_their_levels() {
    let mut levels: Vec<_> = history()
        .events
        .iter()
        .map(|event| format!("{} {}", event.draft.kind, event.draft.level.name()))
        .collect();
    for family in [Family::Runtime, Family::Task] {
        let mut scene = Scene::new();
        scene.did(send("go"));
        scene.did(Command::Begin);
        scene.did(Command::Failed(Failure {
            family,
            ..failure("broken")
        }));
        let event = &scene.newest("turn.started").seq;
        let index = usize::try_from(*event).unwrap();
        let draft = &scene.events[index].draft;
        levels.push(format!("{} {}", draft.kind, draft.level.name()));
    }
    levels.sort();
    levels.dedup();
    frozen_as("levels", &levels.into());
}

#[test]
fn the_state_that_rows_hold() {
    let mut acting = Scene::new();
    acting.did(send("go"));
    acting.did(Command::Begin);
    acting.replied(asks(&[("a", "bash"), ("b", "ask")]));
    acting.did(send("more"));
    acting.did(Command::Cancel);
    frozen_as(
        "state",
        &json!({ "empty": Scene::new().state, "acting": acting.state, "archived": history().state }),
    );
}

#[test]
fn the_configuration_that_rows_hold() {
    let limits = Limits {
        tokens: Some(1),
        turn_seconds: Some(2),
        turns: Some(3),
        usd: Some(session::Usd(4)),
        steps: Some(5),
        auto_continue: Some(6),
    };
    let narrow = session::Frozen {
        egress: session::Egress::Allowlist(vec!["*.github.com".to_owned()]),
        secret_stores: vec!["agent:agt_1".to_owned()],
        skills: Some(session::Skills {
            digest: "sha256:01".to_owned(),
            list: vec![
                session::Skill {
                    name: "plain".to_owned(),
                    description: None,
                },
                session::Skill {
                    name: "triage".to_owned(),
                    description: Some("Sorts issues.".to_owned()),
                },
            ],
        }),
        cause: Some(session::Cause {
            kind: session::CauseKind::Schedule,
            id: "sch_1".to_owned(),
            caps: session::Caps {
                tokens_per_day: Some(7),
                ..session::Caps::default()
            },
        }),
        ..frozen(Limits::default())
    };
    let closed = session::Frozen {
        egress: session::Egress::None,
        cause: Some(session::Cause {
            kind: session::CauseKind::Hook,
            id: "hk_1".to_owned(),
            caps: session::Caps::default(),
        }),
        ..frozen(Limits::default())
    };
    frozen_as(
        "frozen",
        &json!([frozen(limits), frozen(Limits::default()), narrow, closed]),
    );
}

#[test]
fn every_persisted_word() {
    let stops = [
        Stop::EndTurn,
        Stop::ToolUse,
        Stop::MaxTokens,
        Stop::Pause,
        Stop::Refusal,
        Stop::ContextFull,
    ];
    let voices = [
        Voice::Answer,
        Voice::Narration,
        Voice::Say("a".to_owned()),
        Voice::Ask("a".to_owned()),
    ];
    let outcomes = [
        Outcome::Done { exit_code: Some(0) },
        Outcome::Done { exit_code: None },
        Outcome::Killed {
            reason: "timeout".to_owned(),
        },
        Outcome::NotRun,
        Outcome::Indeterminate,
    ];
    let providers = [Provider::Anthropic, Provider::OpenAi, Provider::Test];
    let calls = [
        call("a", "bash"),
        session::Call {
            unusable: Some("cut".to_owned()),
            ..call("b", "say")
        },
    ];
    let all: Tokens = Tokens {
        cache_write: 3,
        cache_read: 4,
        ..tokens(1, 2)
    };
    frozen_as(
        "words",
        &json!({
            "phase": Phase::ALL, "yield_reason": YieldReason::ALL, "level": Level::ALL, "stop": stops,
            "voice": voices, "outcome": outcomes, "provider": providers, "call": calls, "tokens": all,
            "reply": Reply { usage: Some(all), ..answer("hi", Stop::EndTurn) },
        }),
    );
    for reason in YieldReason::ALL {
        assert_eq!(YieldReason::named(reason.name()), Some(reason));
        assert_eq!(json!(reason), reason.name());
    }
    for phase in Phase::ALL {
        assert_eq!(json!(phase), phase.name());
    }
    for provider in providers {
        assert_eq!(Provider::named(provider.name()), Some(provider));
        assert_eq!(json!(provider), provider.name());
    }
}

#[test]
fn the_tools_a_model_is_told_of() {
    let tools: Vec<_> = session::tool::native()
        .into_iter()
        .map(|tool| json!({ "name": tool.name, "description": tool.description, "schema": tool.schema }))
        .collect();
    frozen_as("tools", &tools.into());
}
