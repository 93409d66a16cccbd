//! Long texts: what an event shows, what goes to the blob store, and what the
//! model is told.

use session::event::INLINE;
use session::fact::{Fact, Receipt};
use session::{Command, Draft, Stop};

use crate::scene::{Scene, answer, asks, receipt, send};

/// Texts around the limit, of characters of one to four bytes.
fn texts() -> impl Iterator<Item = String> {
    let sizes = [4, INLINE - 1, INLINE, INLINE + 1, INLINE + 4, 1 << 20];
    let alphabets = ["a", "ä", "…", "🦀", "aä…🦀"];
    sizes
        .into_iter()
        .flat_map(move |size| alphabets.into_iter().map(move |a| fill(a, size)))
}

fn fill(alphabet: &str, size: usize) -> String {
    let mut text = alphabet.repeat(size / alphabet.len() + 1);
    text.truncate(text.floor_char_boundary(size));
    text
}

/// Either the body shows all and nothing is attached, or it shows a part (of output
/// the two ends, of a message the beginning) and all is attached.
fn check(draft: &Draft, field: &str, text: &str) {
    let shown = draft.body[field].as_str().unwrap();
    if text.len() <= INLINE {
        assert_eq!(shown, text);
        assert_eq!(draft.attached, None);
    } else {
        let parts = shown.split_once("\n[… ").map(|(head, rest)| {
            let (count, tail) = rest.split_once(" bytes left out …]\n").unwrap();
            let left_out: usize = count.parse().unwrap();
            assert_eq!(head.len() + tail.len() + left_out, text.len());
            (head, tail)
        });
        assert_eq!(parts.is_some(), field == "output");
        let (head, tail) = parts.unwrap_or_else(|| (shown.strip_suffix('…').unwrap(), ""));
        assert!(text.starts_with(head) && text.ends_with(tail));
        assert!(shown.len() <= INLINE && shown.len() > INLINE / 2);
        assert_eq!(draft.attached.as_deref(), Some(text.as_bytes()));
    }
}

#[test]
fn a_message_reaches_the_model_whole_whatever_its_length() {
    for text in texts() {
        let mut scene = Scene::new();
        scene.did(send(&text));
        check(&scene.last().draft, "text", &text);
        assert_eq!(scene.view(), [format!("user: {text}")]);
        let Fact::UserMessage(message) = Fact::parse(scene.last()).unwrap() else {
            panic!("a message is read back as one")
        };
        assert_eq!(message.text, text);
    }
}

#[test]
fn an_answer_is_shown_or_attached_whole() {
    for text in texts() {
        let mut scene = Scene::new();
        scene.did(send("go"));
        scene.did(Command::Begin);
        scene.replied(answer(&text, Stop::EndTurn));
        check(&scene.newest("agent.message").draft, "text", &text);
    }
}

fn acting() -> Scene {
    let mut scene = Scene::new();
    scene.did(send("go"));
    scene.did(Command::Begin);
    scene.replied(asks(&[("a", "bash")]));
    scene
}

#[test]
fn output_is_shown_or_attached_whole() {
    for text in texts() {
        let mut scene = acting();
        scene.done(&text);
        check(&scene.newest("exec.completed").draft, "output", &text);
        assert_eq!(scene.view()[2], format!("a: {text}"));
    }
}

#[test]
fn output_the_model_saw_in_part_is_attached_whole() {
    let mut scene = acting();
    let all: std::sync::Arc<[u8]> = vec![0xff; 100_000].into();
    scene.did(Command::Done(Receipt {
        output: Some(all.clone()),
        bytes: 100_000,
        ..receipt("a", "the middle is left out")
    }));
    let draft = &scene.last().draft;
    assert_eq!(draft.attached, Some(all));
    assert_eq!(draft.body["bytes"], 100_000);
}

#[test]
fn a_summary_line_is_short_in_any_alphabet() {
    for alphabet in ["a", "ä", "🦀"] {
        let mut scene = acting();
        scene.done(&fill(alphabet, 10_000));
        let body = &scene.newest("exec.completed").draft.body;
        let summary = body["summary"].as_str().unwrap();
        assert_eq!(summary.chars().count(), 401, "{alphabet}");
    }
}
