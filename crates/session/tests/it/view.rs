//! What holds of every view that a model is asked with, checked here for the
//! random histories.

use session::fact::Fact;
use session::{Item, Stop};

/// Checks a view against the last one, which no summary came after.
pub fn check(view: &[Item], before: Option<&[Item]>) {
    assert!(
        matches!(view.first(), Some(Item::User { .. } | Item::Summary { .. })),
        "a conversation begins with a message"
    );
    results_follow_their_calls(view);
    messages_come_once_and_in_order(view);
    if let Some(before) = before {
        assert_eq!(&view[..before.len()], before, "the prefix changed");
    }
}

/// Messages that no answer followed yet are in view, whatever was summarised.
pub fn shows_what_has_no_answer(view: &[Item], facts: &[Fact]) {
    let answered = facts.iter().rev().find_map(|fact| match fact {
        Fact::ModelCompleted { saw, .. } => Some(*saw),
        _ => None,
    });
    for (seq, fact) in (1..).zip(facts) {
        if matches!(fact, Fact::UserMessage(_)) && seq > answered.unwrap_or(0) {
            let shown = |item: &Item| matches!(item, Item::User { seq: at, .. } if *at == seq);
            assert!(view.iter().any(shown), "message {seq} is not in view");
        }
    }
}

/// A view that asks for an answer ends with something to answer.
pub fn ends_with_a_question(view: &[Item]) {
    if let Some(Item::Assistant(reply)) = view.last() {
        assert_eq!(reply.stop, Stop::Pause, "nothing to answer");
    }
}

fn results_follow_their_calls(view: &[Item]) {
    let mut rest = view;
    while let Some((item, after)) = rest.split_first() {
        rest = after;
        let Item::Assistant(reply) = item else {
            assert!(!matches!(item, Item::Result(_)), "a result without a call");
            continue;
        };
        let results = after.iter().map_while(|item| match item {
            Item::Result(result) => Some(result.call.as_str()),
            _ => None,
        });
        let results: Vec<_> = results.collect();
        let mut calls: Vec<_> = reply.calls.iter().map(|call| call.id.as_str()).collect();
        let mut sorted = results.clone();
        calls.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(sorted, calls, "each call has one result");
        rest = &after[results.len()..];
    }
}

fn messages_come_once_and_in_order(view: &[Item]) {
    let seqs: Vec<_> = view
        .iter()
        .filter_map(|item| match item {
            Item::User { seq, .. } => Some(*seq),
            _ => None,
        })
        .collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
}
