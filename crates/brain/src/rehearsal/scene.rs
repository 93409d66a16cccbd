//! A conversation as the rehearsal model looks at it, whatever it came from.

use std::borrow::Cow;

use session::Item;

/// One thing that was said or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// A message of the user.
    User { seq: u64, text: Cow<'a, str> },
    /// An answer of the model.
    Said { calls: bool },
    /// What came of a call.
    Result { text: Cow<'a, str>, is_error: bool },
    /// Stands for what was before; counts answers to the message that follows.
    Summary { replies: u64 },
}

/// The conversation, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene<'a>(pub Vec<Seen<'a>>);

impl<'a> Scene<'a> {
    /// The scene of a session's transcript. Words of the platform are no part.
    pub fn of_items(items: &'a [Item]) -> Self {
        let seen = |item: &'a Item| {
            Some(match item {
                Item::User { seq, text } => Seen::User {
                    seq: *seq,
                    text: Cow::Borrowed(text),
                },
                Item::Note(_) => return None,
                // Nothing was said: the window was too small for the question.
                Item::Assistant(reply) if reply.is_refused_for_length() => return None,
                Item::Assistant(reply) => Seen::Said {
                    calls: !reply.calls.is_empty(),
                },
                Item::Result(result) => Seen::Result {
                    text: Cow::Borrowed(&result.text),
                    is_error: result.is_error,
                },
                Item::Summary { replies, .. } => Seen::Summary { replies: *replies },
            })
        };
        Self(items.iter().filter_map(seen).collect())
    }

    /// Text of the newest message of the user.
    pub fn last_user(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|seen| match seen {
            Seen::User { text, .. } => Some(text.as_ref()),
            _ => None,
        })
    }

    /// Text of the newest result.
    pub fn last_result(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|seen| match seen {
            Seen::Result { text, .. } => Some(text.as_ref()),
            _ => None,
        })
    }

    /// Results so far.
    pub fn results(&self) -> usize {
        let is_result = |seen: &&Seen<'_>| matches!(seen, Seen::Result { .. });
        self.0.iter().filter(is_result).count()
    }

    /// Answers given since the message at that position, those that a summary
    /// directly before it counted included.
    pub fn replies_since(&self, at: usize) -> u64 {
        let after = self.0.iter().skip(at);
        let said = after.filter(|seen| matches!(seen, Seen::Said { .. }));
        let counted = match at.checked_sub(1).and_then(|before| self.0.get(before)) {
            Some(Seen::Summary { replies }) => *replies,
            _ => 0,
        };
        counted + said.count() as u64
    }
}
