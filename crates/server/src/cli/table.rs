//! Tables for people: aligned columns, no borders, an empty list in words.

use comfy_table::{Table, presets};

use super::paint::{Paint, one_line};

/// Most characters of one cell.
const CELL: usize = 60;

/// Rows as aligned columns under a heading; `none` if there are no rows.
pub(super) fn columns(
    paint: Paint,
    heading: &[&str],
    rows: Vec<Vec<String>>,
    none: &str,
) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let rows = rows.into_iter().map(|row| {
        row.iter()
            .map(|cell| one_line(cell, CELL))
            .collect::<Vec<_>>()
    });
    let text = laid_out(heading, rows);
    match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    }
}

/// Names and values below each other.
pub(super) fn pairs(paint: Paint, pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        let gap = " ".repeat(width - name.chars().count() + 2);
        let indent = format!("\n{}", " ".repeat(width + 2));
        format!(
            "{}{gap}{}",
            paint.dim(name),
            super::paint::clean(value).replace('\n', &indent)
        )
    };
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn laid_out(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(heading.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_have_no_borders() {
        let rows = vec![
            vec!["agt_1".into(), "coder".into()],
            vec!["agt_22".into(), "ä\x1b[31m\nb".into()],
        ];
        let want = "ID      NAME\nagt_1   coder\nagt_22  ä b";
        assert_eq!(columns(Paint(false), &["ID", "NAME"], rows, "none"), want);
    }

    #[test]
    fn an_empty_list_is_said_in_words() {
        assert_eq!(
            columns(Paint(false), &["ID"], vec![], "No agents yet."),
            "No agents yet."
        );
    }

    #[test]
    fn pairs_are_aligned_and_long_values_indented() {
        let text = pairs(
            Paint(false),
            &[("id", "agt_1".into()), ("prompt", "one\ntwo".into())],
        );
        assert_eq!(text, "id      agt_1\nprompt  one\n        two");
    }

    #[test]
    fn only_the_heading_is_bold() {
        let text = columns(Paint(true), &["ID"], vec![vec!["x".into()]], "");
        assert_eq!(text, "\x1b[1mID\x1b[0m\nx");
    }
}
