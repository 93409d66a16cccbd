//! Each fact, written as an event, is read back with all a fold needs.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use session::fact::{
    Fact, Failure, Family, Message, Outcome, Receipt, TurnEnd, Voice, YieldReason,
};
use session::transcript::ToolResult;
use session::{Call, Millis, Reply, Stop, Tokens, id};

use crate::scene::{SESSION, failure};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "\\PC{0,12}",
        1 => "[\\x00-\\x1f\"\\\\\u{2028}🦀]{0,6}",
        1 => Just("ä".repeat(40_000)),
    ]
}

fn word() -> impl Strategy<Value = String> {
    "[a-z_]{1,8}"
}

fn json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        vec(word(), 0..3).prop_map(Value::from),
        (word(), text()).prop_map(|(key, value)| json!({ key: { "text": value } })),
    ]
}

fn tokens() -> impl Strategy<Value = Tokens> {
    (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c, d)| Tokens {
        input: a,
        output: b.into(),
        cache_write: c.into(),
        cache_read: d.into(),
        ..Tokens::default()
    })
}

fn stop() -> impl Strategy<Value = Stop> {
    prop::sample::select(vec![
        Stop::EndTurn,
        Stop::ToolUse,
        Stop::MaxTokens,
        Stop::Pause,
        Stop::Refusal,
        Stop::ContextFull,
    ])
}

fn call() -> impl Strategy<Value = Call> {
    (word(), word(), json(), option::of(text())).prop_map(|(id, tool, input, unusable)| Call {
        id,
        tool,
        input,
        unusable,
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let parts = (
        text(),
        text(),
        vec(call(), 0..3),
        stop(),
        option::of(tokens()),
        option::of(word()),
    );
    parts.prop_map(|(raw, text, calls, stop, usage, request_id)| Reply {
        raw: raw.into(),
        text,
        calls,
        stop,
        usage,
        request_id,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        option::of(any::<i32>()).prop_map(|exit_code| Outcome::Done { exit_code }),
        word().prop_map(|reason| Outcome::Killed { reason }),
        Just(Outcome::NotRun),
        Just(Outcome::Indeterminate),
    ]
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let tool = prop::sample::select(vec!["bash", "read", "write", "browse"]);
    let result = (word(), text(), any::<bool>());
    let numbers = (any::<u64>(), option::of(any::<u64>()));
    (tool, text(), result, outcome(), numbers).prop_map(
        |(tool, command, (call, text, is_error), outcome, (bytes, duration_ms))| Receipt {
            tool: tool.to_owned(),
            command,
            result: ToolResult {
                call,
                text,
                is_error,
            },
            outcome,
            output: None,
            bytes,
            duration_ms,
            known: None,
            repeat: None,
        },
    )
}

fn voice() -> impl Strategy<Value = Voice> {
    prop_oneof![
        Just(Voice::Answer),
        Just(Voice::Narration),
        word().prop_map(Voice::Say),
        word().prop_map(Voice::Ask),
    ]
}

fn turn_end() -> impl Strategy<Value = TurnEnd> {
    let parts = (
        1..u32::MAX,
        prop::sample::select(YieldReason::ALL.to_vec()),
        option::of(1..u64::MAX),
        option::of((tokens(), any::<bool>())),
        option::of(word()),
    );
    parts.prop_map(|(number, reason, result, usage, error)| TurnEnd {
        number,
        reason,
        result,
        usage: usage.map(|(tokens, _)| tokens),
        complete: usage.is_none_or(|(_, complete)| complete),
        // Whose fault it was stands with the failure itself.
        error: error.map(|code| Failure {
            family: Family::Runtime,
            ..failure(&code)
        }),
    })
}

fn small_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        (1..u32::MAX, any::<u64>(), any::<u64>())
            .prop_map(|(number, from, to)| Fact::TurnStarted { number, from, to }),
        (word(), word()).prop_map(|(id, tool)| Fact::ToolCall(Call {
            id,
            tool,
            input: Value::Null,
            unusable: None,
        })),
        prop::sample::select(vec![Family::Model, Family::Runtime, Family::Task]).prop_map(
            |family| Fact::Failed(Failure {
                family,
                ..failure("broken")
            })
        ),
        Just(Fact::CancelRequested),
        Just(Fact::Archived),
        Just(Fact::Unknown),
    ]
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        small_fact(),
        (text(), option::of(json()), any::<bool>()).prop_map(|(text, raw, interrupt)| {
            Fact::UserMessage(Message {
                text,
                raw,
                interrupt,
            })
        }),
        json().prop_map(|payload| Fact::Requested { payload }),
        (any::<u64>(), reply()).prop_map(|(saw, reply)| Fact::ModelCompleted {
            saw,
            reply: Arc::new(reply)
        }),
        receipt().prop_map(Fact::ToolDone),
        ("\\PC{0,12}", voice()).prop_map(|(text, voice)| Fact::AgentMessage { text, voice }),
        (any::<u64>(), text(), option::of(tokens())).prop_map(|(saw, summary, usage)| {
            Fact::Compacted {
                saw,
                summary,
                usage,
            }
        }),
        turn_end().prop_map(Fact::TurnCompleted),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fact_is_read_back_from_its_event(fact in fact(), seq in 1..u64::MAX) {
        let turn = Some(id::turn(SESSION, 1));
        let event = fact.draft(SESSION, turn).at(SESSION, seq, Millis(0));
        prop_assert_eq!(Fact::parse(&event), Ok(fact));
    }
}

#[test]
fn a_text_too_long_for_the_body_is_shown_in_part_and_its_voice_kept() {
    let fact = Fact::AgentMessage {
        text: "ä".repeat(40_000),
        voice: Voice::Say("a".to_owned()),
    };
    let event = fact.draft(SESSION, None).at(SESSION, 1, Millis(0));
    let read = Fact::parse(&event).unwrap();
    assert!(matches!(read, Fact::AgentMessage { voice: Voice::Say(call), .. } if call == "a"));
}

#[test]
fn a_request_whose_payload_was_put_away_is_read_back_whole() {
    for (payload, long) in [(json!("x".repeat(40_000)), true), (json!([1]), false)] {
        let fact = Fact::Requested { payload };
        let mut event = fact.draft(SESSION, None).at(SESSION, 1, Millis(0));
        assert_eq!(event.draft.private.is_some(), long);
        if long {
            event.draft.body.clear();
        }
        assert_eq!(Fact::parse(&event), Ok(fact));
    }
}

#[test]
fn an_event_of_a_kind_we_know_that_lacks_its_parts_is_named() {
    let whole = Fact::TurnStarted {
        number: 1,
        from: 1,
        to: 1,
    };
    for (field, value) in [
        ("turn_id", json!("somewhere_1")),
        ("input_from_seq", json!("1")),
        ("input_to_seq", Value::Null),
    ] {
        let mut event = whole.draft(SESSION, None).at(SESSION, 1, Millis(0));
        event.draft.body[field] = value;
        let error = Fact::parse(&event).unwrap_err();
        assert_eq!((error.field, error.kind.as_str()), (field, "turn.started"));
        let mut state = session::State::default();
        assert_eq!(state.apply(&event), Err(error));
        assert_eq!(state, session::State::default(), "nothing is taken from it");
    }
}

#[test]
fn a_kind_of_a_newer_version_is_passed_over() {
    let mut event = Fact::Archived
        .draft(SESSION, None)
        .at(SESSION, 1, Millis(0));
    event.draft.kind = "preview.url".to_owned();
    assert_eq!(Fact::parse(&event), Ok(Fact::Unknown));
    let mut state = session::State::default();
    state.apply(&event).unwrap();
    assert_eq!((state.head, state.archived), (1, false));
}
