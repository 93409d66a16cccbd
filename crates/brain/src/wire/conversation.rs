//! A transcript in the form every provider wants: answers of the model, and
//! between them what the user's side says. Each call has exactly one result,
//! right after the answer that made it, and the user has the last word.
//!
//! Positions depend only on what came before them, so a longer transcript is
//! always rendered into a continuation of the same bytes.

use std::borrow::Cow;

use session::transcript::ToolResult;
use session::{Item, Reply, Stop};

/// One side's part of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry<'a> {
    /// What the user's side says: results first, in the order of the calls.
    User {
        results: Vec<Outcome<'a>>,
        texts: Vec<Cow<'a, str>>,
    },
    /// An answer of the model, to be sent back as it came.
    Assistant(&'a Reply),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome<'a> {
    pub call: &'a str,
    pub text: Cow<'a, str>,
    pub is_error: bool,
}

const GO_ON: &str = "<platform_note>Go on.</platform_note>";
const NOTHING: &str = "<platform_note>Nothing was said yet.</platform_note>";
const EMPTY: &str = "<platform_note>The user sent an empty message.</platform_note>";
const UNKNOWN: &str = "No result of this call was recorded, so its outcome is unknown. Look at \
     what is there before you make it again.";

/// The conversation of these items.
pub(crate) fn conversation(items: &[Item]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut open: Option<&Reply> = None;
    let mut rest = items;
    loop {
        let at = rest.iter().position(is_answer).unwrap_or(rest.len());
        let user = user(open, &rest[..at]);
        // An answer that was skipped still answered: the pause is over.
        let over = rest[..at]
            .iter()
            .any(|item| matches!(item, Item::Assistant(_)));
        let pause = !over && open.is_some_and(|reply| reply.stop == Stop::Pause);
        if !(pause && is_empty(&user)) {
            entries.push(spoken(user, open.is_none()));
        }
        let Some(Item::Assistant(reply)) = rest.get(at) else {
            return entries;
        };
        entries.push(Entry::Assistant(reply));
        open = Some(reply);
        rest = &rest[at + 1..];
    }
}

/// An answer without content cannot be sent back, and need not be.
fn is_answer(item: &Item) -> bool {
    matches!(item, Item::Assistant(reply) if !matches!(reply.raw.trim(), "" | "[]"))
}

/// What stands between two answers.
fn user<'a>(before: Option<&'a Reply>, items: &'a [Item]) -> Entry<'a> {
    let calls = before.map(|reply| reply.calls.as_slice());
    let calls = calls.unwrap_or_default();
    let mut found: Vec<Option<&ToolResult>> = vec![None; calls.len()];
    let mut texts = Vec::new();
    for item in items {
        match item {
            Item::Result(result) => {
                let free = |(call, slot): (&session::Call, &Option<_>)| {
                    call.id == result.call && slot.is_none()
                };
                match calls.iter().zip(&found).position(free) {
                    Some(at) => found[at] = Some(result),
                    None => texts.push(stray(result)),
                }
            }
            item => texts.extend(text(item)),
        }
    }
    let outcome = |(call, found): (&'a session::Call, Option<&'a ToolResult>)| match found {
        Some(result) => Outcome {
            call: &call.id,
            text: Cow::Borrowed(&result.text),
            is_error: result.is_error,
        },
        None => Outcome {
            call: &call.id,
            text: Cow::Borrowed(UNKNOWN),
            is_error: true,
        },
    };
    let results = calls.iter().zip(found).map(outcome).collect();
    Entry::User { results, texts }
}

fn text(item: &Item) -> Option<Cow<'_, str>> {
    Some(match item {
        Item::User { text, .. } if text.trim().is_empty() => Cow::Borrowed(EMPTY),
        Item::User { text, .. } => Cow::Borrowed(text),
        Item::Note(text) => Cow::Owned(format!("<platform_note>{text}</platform_note>")),
        Item::Summary { text, .. } => {
            Cow::Owned(format!("<summary_so_far>\n{text}\n</summary_so_far>"))
        }
        Item::Assistant(_) | Item::Result(_) => return None,
    })
}

/// A result whose call is not there: nothing that happened is kept back.
fn stray(result: &ToolResult) -> Cow<'_, str> {
    let (call, text) = (&result.call, &result.text);
    Cow::Owned(format!(
        "<platform_note>Result of the earlier call {call}:\n{text}</platform_note>"
    ))
}

fn is_empty(entry: &Entry<'_>) -> bool {
    matches!(entry, Entry::User { results, texts } if results.is_empty() && texts.is_empty())
}

/// The user's side never says nothing.
fn spoken(mut entry: Entry<'_>, first: bool) -> Entry<'_> {
    if let Entry::User { results, texts } = &mut entry
        && results.is_empty()
        && texts.is_empty()
    {
        texts.push(Cow::Borrowed(if first { NOTHING } else { GO_ON }));
    }
    entry
}

#[cfg(test)]
mod tests;
