//! What the sides of a conversation are, for transcripts of all shapes.

use std::sync::Arc;

use proptest::prelude::*;
use session::Call;

use super::*;

fn message(text: &str) -> Item {
    Item::User {
        seq: 1,
        text: text.into(),
    }
}

fn answer(calls: &[&str], stop: Stop) -> Item {
    let call = |id: &&str| Call {
        id: (*id).to_owned(),
        tool: "bash".into(),
        input: serde_json::json!({}),
        unusable: None,
    };
    Item::Assistant(Arc::new(Reply {
        raw: "[1]".into(),
        text: String::new(),
        calls: calls.iter().map(call).collect(),
        stop,
        usage: None,
        request_id: None,
    }))
}

fn result(call: &str) -> Item {
    Item::Result(ToolResult {
        call: call.into(),
        text: format!("result of {call}"),
        is_error: false,
    })
}

/// A picture of a conversation: one word for each thing said.
fn picture(items: &[Item]) -> String {
    let words = conversation(items)
        .into_iter()
        .map(|entry| match entry {
            Entry::Assistant(_) => "A".to_owned(),
            Entry::User { results, texts } => {
                let results = results.iter().map(|outcome| match outcome.is_error {
                    true => format!("{}?", outcome.call),
                    false => outcome.call.to_owned(),
                });
                let texts = texts.iter().map(|text| match text.as_ref() {
                    GO_ON => "go-on".to_owned(),
                    NOTHING => "nothing".to_owned(),
                    EMPTY => "empty".to_owned(),
                    text if text.starts_with('<') => "tagged".to_owned(),
                    text => text.to_owned(),
                });
                let all: Vec<_> = results.chain(texts).collect();
                format!("U({})", all.join(" "))
            }
        })
        .collect::<Vec<_>>();
    words.join(" ")
}

#[test]
fn each_transcript_has_its_two_sides() {
    let note = || Item::Note("n".into());
    let summary = || Item::Summary {
        text: "s".into(),
        replies: 1,
    };
    let end = || answer(&[], Stop::EndTurn);
    let hollow = || {
        let Item::Assistant(reply) = end() else {
            unreachable!()
        };
        let raw = "[]".into();
        Item::Assistant(Arc::new(Reply {
            raw,
            ..(*reply).clone()
        }))
    };
    for (items, want) in [
        (vec![], "U(nothing)"),
        (vec![message("a")], "U(a)"),
        (vec![message(" \n")], "U(empty)"),
        (vec![message("a"), message("b"), note()], "U(a b tagged)"),
        (
            vec![summary(), message("a"), end(), message("b")],
            "U(tagged a) A U(b)",
        ),
        (vec![message("a"), end()], "U(a) A U(go-on)"),
        (
            vec![message("a"), end(), end(), message("b")],
            "U(a) A U(go-on) A U(b)",
        ),
        (vec![message("a"), answer(&[], Stop::Pause)], "U(a) A"),
        (
            vec![
                message("a"),
                answer(&[], Stop::Pause),
                answer(&[], Stop::Pause),
                end(),
                message("b"),
            ],
            "U(a) A A A U(b)",
        ),
        // An empty answer ends a pause as any other does.
        (
            vec![message("a"), answer(&[], Stop::Pause), hollow()],
            "U(a) A U(go-on)",
        ),
        (vec![end(), message("a")], "U(nothing) A U(a)"),
        (
            vec![message("a"), hollow(), message("b"), hollow()],
            "U(a b)",
        ),
    ] {
        assert_eq!(picture(&items), want);
    }
}

#[test]
fn every_call_has_one_result_and_results_come_first() {
    let two = || answer(&["x", "y"], Stop::ToolUse);
    for (items, want) in [
        (
            vec![message("a"), two(), result("x"), result("y")],
            "U(a) A U(x y)",
        ),
        (
            vec![message("a"), two(), result("y"), message("b"), result("x")],
            "U(a) A U(x y b)",
        ),
        (
            vec![message("a"), two(), result("y"), message("b")],
            "U(a) A U(x? y b)",
        ),
        (vec![message("a"), two()], "U(a) A U(x? y?)"),
        (
            vec![
                message("a"),
                two(),
                result("x"),
                result("x"),
                result("z"),
                result("y"),
            ],
            "U(a) A U(x y tagged tagged)",
        ),
        (vec![result("x"), message("a")], "U(tagged a)"),
    ] {
        assert_eq!(picture(&items), want);
    }
}

proptest! {
    /// What a model saw before an answer stands unchanged before that answer
    /// for ever: signed thinking is bound to it.
    #[test]
    fn a_longer_transcript_only_adds(kinds in proptest::collection::vec(0..8u8, 0..14)) {
        let item = |(at, kind): (usize, &u8)| match kind {
            0 => message("m"),
            1 => Item::Note("n".into()),
            2 => result(&format!("c{}", at.saturating_sub(1))),
            3 => result("x"),
            4 => answer(&[], Stop::Pause),
            5 => answer(&[], Stop::EndTurn),
            _ => answer(&[&format!("c{at}"), &format!("d{at}")], Stop::ToolUse),
        };
        let items: Vec<_> = kinds.iter().enumerate().map(item).collect();
        let whole = conversation(&items);
        for (at, _) in items.iter().enumerate().filter(|(_, item)| is_answer(item)) {
            let seen = conversation(&items[..at]);
            prop_assert_eq!(&whole[..seen.len()], &seen[..]);
            prop_assert!(matches!(whole[seen.len()], Entry::Assistant(_)));
        }
    }
}
