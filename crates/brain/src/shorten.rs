//! A conversation that does not fit the window any more, made to fit for its
//! own summary: its newest part, in words. What the model signed cannot be sent
//! back without what stood before it, so nothing is sent back as it came.

use session::Item;

use crate::model::Ask;

/// Fewest bytes of a conversation that are worth a summary.
pub(crate) const LEAST: usize = 2048;

const HEAD: &str = "The conversation has outgrown your context window, so its beginning is left \
     out. This is the rest of it, told in words:";

/// The ask for a summary with no more than the last `most` bytes of the
/// conversation. Its last item, which asks for the summary, stays as it is.
pub(crate) fn shortened(ask: &Ask, most: usize) -> Ask {
    let (last, before) = match ask.items.split_last() {
        Some((last, before)) => (Some(last.clone()), before),
        None => (None, &[][..]),
    };
    let text = words(before);
    let at = text.ceil_char_boundary(text.len().saturating_sub(most));
    let rest = Item::Note(format!("{HEAD}\n\n[…]{}", &text[at..]));
    Ask {
        items: std::iter::once(rest).chain(last).collect(),
        ..ask.clone()
    }
}

/// Bytes of the conversation in words.
pub(crate) fn size(ask: &Ask) -> usize {
    words(&ask.items).len()
}

fn words(items: &[Item]) -> String {
    items.iter().map(item).collect()
}

fn item(item: &Item) -> String {
    match item {
        Item::User { text, .. } => format!("\n\nThe user: {text}"),
        Item::Note(text) => format!("\n\nThe platform: {text}"),
        Item::Summary { text, .. } => format!("\n\nAn earlier summary: {text}"),
        Item::Result(result) => {
            let failed = if result.is_error { " (failed)" } else { "" };
            format!("\n\nResult of {}{failed}: {}", result.call, result.text)
        }
        Item::Assistant(reply) => {
            let calls = reply.calls.iter().map(|call| {
                let (tool, id, input) = (&call.tool, &call.id, &call.input);
                format!("\n\nYou called {tool} ({id}): {input}")
            });
            let said = match reply.text.trim() {
                "" => String::new(),
                text => format!("\n\nYou: {text}"),
            };
            said + &calls.collect::<String>()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use session::transcript::ToolResult;
    use session::{Call, ModelRef, Reply, Stop};

    use super::*;
    use crate::Purpose;

    fn ask() -> Ask {
        let call = Call {
            id: "c1".into(),
            tool: "bash".into(),
            input: json!({ "command": "ls" }),
            unusable: None,
        };
        let reply = Reply {
            raw: "[]".into(),
            text: "I look.".into(),
            calls: vec![call],
            stop: Stop::ToolUse,
            usage: None,
            request_id: None,
        };
        let result = ToolResult {
            call: "c1".into(),
            text: "no such file".into(),
            is_error: true,
        };
        let user = Item::User {
            seq: 1,
            text: "do ä lot".into(),
        };
        Ask {
            model: ModelRef::parse("anthropic/claude-opus-5-5", "native").unwrap(),
            system: "You are a test.".into(),
            tools: [].into(),
            items: vec![
                user,
                Item::Assistant(Arc::new(reply)),
                Item::Result(result),
                Item::Note("sum up".into()),
            ],
            max_tokens: 9,
            key: None,
            session: "s".into(),
            purpose: Purpose::Compact,
            metered: false,
        }
    }

    #[test]
    fn the_newest_part_is_told_in_words_and_the_wish_stays() {
        let whole = shortened(&ask(), 10_000);
        let [Item::Note(text), Item::Note(wish)] = &whole.items[..] else {
            panic!("{:?}", whole.items);
        };
        assert_eq!(wish, "sum up");
        for words in [
            "The user: do ä lot",
            "You: I look.",
            "You called bash (c1): {\"command\":\"ls\"}",
            "Result of c1 (failed): no such file",
        ] {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains("sum up"));
    }

    #[test]
    fn a_cut_leaves_the_oldest_out_wherever_it_falls() {
        let asked = ask();
        let whole = size(&asked);
        for most in 0..=whole {
            let cut = shortened(&asked, most);
            let Item::Note(text) = &cut.items[0] else {
                panic!("{:?}", cut.items);
            };
            let kept = text.split("[…]").nth(1).unwrap();
            assert!(
                kept.len() <= most
                    && "no such file".ends_with(&kept[kept.len().saturating_sub(12)..])
            );
        }
    }

    #[test]
    fn nothing_stays_nothing() {
        let asked = Ask {
            items: vec![],
            ..ask()
        };
        assert_eq!((size(&asked), shortened(&asked, 9).items.len()), (0, 1));
    }
}
