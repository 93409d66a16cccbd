//! The small parts of a line: clock, indentation, spans of time, numbers.

use jiff::Timestamp;

/// What stands below the clock and its gap.
pub(super) const INDENT: &str = "          ";

/// Hours, minutes and seconds (UTC) of an RFC 3339 moment.
pub(super) fn clock(ts: &str) -> String {
    let time = ts.split_once('T').and_then(|(_, time)| time.get(..8));
    time.unwrap_or("--:--:--").to_owned()
}

/// The text with all lines but the first below the first.
pub(super) fn indented(text: &str) -> String {
    let below = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("\n{INDENT}{line}"),
    };
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + &below(line))
}

/// The text, or its first and last lines if it has more than `most`.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= most {
        return lines.join("\n");
    }
    let tail = most / 3;
    let head = most - tail - 1;
    // In what is left out here something may have been left out before.
    let hidden = &lines[head..lines.len() - tail];
    let gap = |line: &&str| line.starts_with("[… ") && line.ends_with(" bytes left out …]");
    let left_out = match hidden.iter().find(|line| gap(line)) {
        Some(gap) => format!(
            "… {} more lines, and between them {gap} …",
            hidden.len() - 1
        ),
        None => format!("… {} more lines …", hidden.len()),
    };
    let shown = lines[..head]
        .iter()
        .copied()
        .chain([left_out.as_str()])
        .chain(lines[lines.len() - tail..].iter().copied());
    shown.collect::<Vec<_>>().join("\n")
}

/// The first line, with an ellipsis if there are more.
pub(super) fn first_line(text: &str) -> String {
    match text.trim_end().split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None => text.trim_end().to_owned(),
    }
}

/// Milliseconds between two RFC 3339 moments.
pub(super) fn between(from: &str, to: &str) -> Option<u64> {
    let (from, to): (Timestamp, Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    u64::try_from(to.as_millisecond() - from.as_millisecond()).ok()
}

/// A span as people say it.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A number with its thousands apart.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well_at_every_size() {
        for (ms, want) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
        ] {
            assert_eq!(span(ms), want);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (n, want) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(number(n), want);
        }
    }

    #[test]
    fn long_text_keeps_its_beginning_and_its_end() {
        let text = (1..=20)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(shortened(&text, 6), "1\n2\n3\n… 15 more lines …\n19\n20");
        let text = text.replace("\n9\n", "\n[… 7 bytes left out …]\n");
        let want = "1\n2\n3\n… 14 more lines, and between them [… 7 bytes left out …] …\n19\n20";
        assert_eq!(shortened(&text, 6), want);
        assert_eq!(shortened("1\n2\n", 2), "1\n2");
        assert_eq!(shortened("", 2), "");
    }

    #[test]
    fn a_moment_that_is_none_does_no_harm() {
        assert_eq!(clock("2026-01-02T03:04:05.678Z"), "03:04:05");
        assert_eq!(clock("soon"), "--:--:--");
        assert_eq!(
            between("2026-01-02T03:04:05Z", "2026-01-02T03:04:06.5Z"),
            Some(1500)
        );
        assert_eq!(
            between("2026-01-02T03:04:05Z", "2026-01-02T03:04:04Z"),
            None
        );
        assert_eq!(between("x", "y"), None);
    }
}
