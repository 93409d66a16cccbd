//! Pages of lists that run from the newest to the oldest.

use std::fmt;

use session::Millis;

use crate::db::Value;

/// Where a list goes on: behind the row of that moment and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When the last row of the page before was made.
    pub created: Millis,
    /// Its id.
    pub id: String,
}

/// Which page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Where the page before ended; `None` for the first.
    pub after: Option<Cursor>,
    /// Most rows.
    pub limit: usize,
}

/// A page.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created.0, self.id)
    }
}

impl Cursor {
    /// Reads what `Display` wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (created, id) = text.split_once('-')?;
        let created = Millis(created.parse().ok()?);
        (!id.is_empty()).then(|| Self {
            created,
            id: id.to_owned(),
        })
    }
}

impl Page {
    /// Ends a list query, newest first. It asks for one row too many, which
    /// tells of a next page. `of` names the table, with its dot.
    pub(crate) fn select(&self, of: &str, sql: &mut String, values: &mut Vec<Value>) {
        let mut place = |value: Value| {
            values.push(value);
            values.len()
        };
        if let Some(Cursor { created, id }) = &self.after {
            let (created, id) = (place((*created).into()), place(id.into()));
            sql.push_str(&format!(" AND ({of}created, {of}id) < (${created}, ${id})"));
        }
        let most = place((self.limit as u64).saturating_add(1).into());
        sql.push_str(&format!(
            " ORDER BY {of}created DESC, {of}id DESC LIMIT ${most}"
        ));
    }

    /// The page of these rows, of which there may be one too many.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, place: impl Fn(&T) -> Cursor) -> Listed<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = if more { rows.last().map(place) } else { None };
        Listed { rows, next }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let cursor = Cursor {
            created: Millis(17),
            id: "ses_0-1".to_owned(),
        };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for bad in ["", "-", "17-", "x-ses_1", "17"] {
            assert_eq!(Cursor::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_page_tells_of_a_next_one_only_if_there_is_one() {
        let page = Page {
            after: None,
            limit: 2,
        };
        let place = |n: &i64| Cursor {
            created: Millis(*n),
            id: n.to_string(),
        };
        for (rows, want) in [(vec![], None), (vec![1, 2], None), (vec![1, 2, 3], Some(2))] {
            let listed = page.cut(rows, place);
            assert!(listed.rows.len() <= 2);
            assert_eq!(listed.next.map(|next| next.created.0), want);
        }
    }
}
