//! Text for a terminal: colours where they are wanted, and nothing that could
//! steer the terminal. What a sandbox printed is a stranger's text: it may hold
//! escape sequences, and none of them reaches the user's screen.

/// Adds colours, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(pub bool);

impl Paint {
    fn sgr(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.sgr("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.sgr("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.sgr("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.sgr("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.sgr("33", text)
    }

    pub(super) fn cyan(self, text: &str) -> String {
        self.sgr("36", text)
    }
}

/// The text without escape sequences and control characters, but with its line
/// ends and tabs. A carriage return that ends a line goes, one within a line
/// becomes a line end: progress bars stay readable.
pub(super) fn clean(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text)
        .to_string()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    plain
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !steers(*c))
        .collect()
}

/// Control characters, and those that reorder the text around them.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line of at most `most` characters, with an ellipsis if cut.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        None => line,
        Some((at, _)) => format!("{}…", &line[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_only_when_wanted() {
        assert_eq!(Paint(true).red("no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint(false).red("no"), "no");
        assert_eq!(Paint(true).bold(""), "");
    }

    #[test]
    fn nothing_that_steers_the_terminal_gets_through() {
        let table = [
            ("plain ä ✓", "plain ä ✓"),
            ("a\tb\nc", "a\tb\nc"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b[2J\x1b[H", ""),
            ("10%\r20%\r\nend", "10%\n20%\nend"),
            ("bell\x07 back\x08", "bell back"),
            ("\u{9b}31m c1", "31m c1"),
            ("admin\u{202e}txt", "admintxt"),
        ];
        for (given, want) in table {
            assert_eq!(clean(given), want, "{given:?}");
        }
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\n  b\tc", 10), "a b c");
        assert_eq!(one_line("äöüß", 3), "äöü…");
        assert_eq!(one_line("", 3), "");
    }
}
