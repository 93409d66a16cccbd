//! What an engine has seen: it can be asked about a continuation only.

use std::sync::Arc;

use session::tool::Tool;
use session::{Item, ModelRef, Reply};

use crate::model::Ask;

/// A conversation that an engine knows, with its own newest answer.
#[derive(Debug)]
pub(super) struct Seen {
    model: ModelRef,
    system: Arc<str>,
    tools: Arc<[Tool]>,
    items: Vec<Item>,
}

impl Seen {
    /// The conversation of that ask and the answer to it.
    pub fn new(ask: Ask, reply: Reply) -> Self {
        let mut items = ask.items;
        items.push(Item::Assistant(Arc::new(reply)));
        Self {
            model: ask.model,
            system: ask.system,
            tools: ask.tools,
            items,
        }
    }

    /// Whether it is the beginning of that ask, and nothing has been answered
    /// since without the engine.
    pub fn fits(&self, ask: &Ask) -> bool {
        let same = self.model == ask.model && self.system == ask.system && self.tools == ask.tools;
        let begins = same && ask.items.starts_with(&self.items);
        let answered = |item: &Item| matches!(item, Item::Assistant(_));
        begins && !self.rest(ask).iter().any(answered)
    }

    /// What stands behind it in that ask.
    pub fn rest<'a>(&self, ask: &'a Ask) -> &'a [Item] {
        ask.items.get(self.items.len()..).unwrap_or_default()
    }
}
