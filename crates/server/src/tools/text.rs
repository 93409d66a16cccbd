//! Texts for the model: capped, and honest about what was left out.

use hands::Captured;

/// Most bytes of one tool result that the model is shown.
pub const MOST: usize = 32 * 1024;

/// The captured output as text; bytes that are no UTF-8 are replaced, and the
/// gap in the middle says how large it is.
#[must_use]
pub fn captured(output: &Captured) -> String {
    let head = String::from_utf8_lossy(&output.head);
    if output.omitted == 0 {
        return head.trim_end_matches('\n').to_owned();
    }
    let tail = String::from_utf8_lossy(&output.tail);
    format!(
        "{head}\n[… {} bytes left out …]\n{}",
        output.omitted,
        tail.trim_end_matches('\n')
    )
}

/// The lines, as many as fit; then a word on how to see the rest.
#[must_use]
pub fn lines(lines: impl Iterator<Item = String>, more: bool, how: &str) -> String {
    let (mut text, mut cut) = (String::new(), more);
    for line in lines {
        if text.len() + line.len() + 1 > MOST {
            cut = true;
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    if cut {
        text.push_str("[… more; ");
        text.push_str(how);
        text.push_str(" …]");
    }
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        "(nothing)".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_shown_whole_or_with_its_gap_counted() {
        for (head, tail, omitted, want) in [
            (&b"1\n"[..], &b""[..], 0, "1"),
            (b"", b"", 0, ""),
            (b"a\xffb", b"", 0, "a\u{fffd}b"),
            (b"begin", b"end\n", 7, "begin\n[… 7 bytes left out …]\nend"),
        ] {
            let output = Captured {
                head: head.to_vec(),
                tail: tail.to_vec(),
                omitted,
            };
            assert_eq!(captured(&output), want);
        }
    }

    #[test]
    fn lines_say_when_there_are_more() {
        let few = ["a".to_owned(), "b".to_owned()];
        assert_eq!(lines(few.clone().into_iter(), false, "narrow it"), "a\nb");
        assert_eq!(
            lines(few.into_iter(), true, "narrow it"),
            "a\nb\n[… more; narrow it …]"
        );
        assert_eq!(lines(std::iter::empty(), false, ""), "(nothing)");
        let many = (0..).map(|_| "x".repeat(100));
        let text = lines(many.take(10_000), false, "narrow it");
        assert!(text.len() < MOST + 50 && text.ends_with("[… more; narrow it …]"));
    }
}
