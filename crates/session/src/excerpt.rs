//! The two ends of a text that is too long to be shown: what a command says last
//! matters as much as what it says first.

/// Bytes of every three that are the beginning's.
const HEAD: usize = 2;

/// The text, or its beginning and its end with a line between them that counts
/// what is left out. `all` is how many bytes there were before anything was cut,
/// where the text itself is a part already; what is shown of it has at most
/// `most` bytes.
#[must_use]
pub fn excerpt(text: &str, most: usize, all: u64) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(most / 3 * HEAD)];
    let tail = &text[text.ceil_char_boundary(text.len() - (most - most / 3 * HEAD))..];
    let shown = (head.len() + tail.len()) as u64;
    let left_out = all.max(text.len() as u64) - shown;
    format!("{head}\n[… {left_out} bytes left out …]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_shown_and_the_gap_is_counted() {
        assert_eq!(excerpt("abcdef", 6, 6), "abcdef");
        let long = format!("{}{}", "a".repeat(50), "z".repeat(50));
        let want = "aaaa\n[… 94 bytes left out …]\nzz";
        assert_eq!(excerpt(&long, 6, 100), want);
        // It was cut before.
        assert!(excerpt(&long, 6, 1000).contains("[… 994 bytes left out …]"));
    }

    #[test]
    fn no_character_is_broken() {
        for most in 6..40 {
            let text = excerpt(&"aä…🦀".repeat(20), most, 0);
            assert!(!text.contains('\u{fffd}') && text.len() < most + 40);
        }
    }
}
