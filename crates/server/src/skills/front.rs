//! What a skill says of itself: the YAML at the beginning of its SKILL.md. Only
//! the texts at its top are looked at; nothing is expanded, so nothing can grow.

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::ScanError;

/// What surrounds it.
const FENCE: &str = "---";
/// Most bytes of it.
const MOST: usize = 16 * 1024;
/// Most characters of a description.
const DESCRIPTION: usize = 1024;

/// What a skill says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Front {
    /// Its name.
    pub name: String,
    /// What it is for, on one line.
    pub description: Option<String>,
}

/// What the text of a SKILL.md says of its skill.
///
/// # Errors
/// What is wrong with it, to go on after the file's name.
pub(super) fn front(text: &str) -> Result<Front, String> {
    let yaml = block(text)?;
    let fields = fields(&yaml)?;
    let one = |wanted: &str| match fields.iter().find(|(key, _)| key == wanted) {
        None => Ok(None),
        Some((_, Some(text))) => Ok(Some(text.clone())),
        Some((_, None)) => Err(format!("has a `{wanted}` that is not a text")),
    };
    let name = one("name")?.ok_or("has no `name` in its frontmatter")?;
    let description = one("description")?.map(|text| line(&text)).transpose()?;
    Ok(Front {
        name,
        description: description.filter(|text| !text.is_empty()),
    })
}

/// The text between the first line and the one that ends it.
fn block(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines();
    if lines.next().map(str::trim_end) != Some(FENCE) {
        return Err("does not begin with frontmatter: a line `---`, then `name` and `description`, then `---`".to_owned());
    }
    let mut yaml = String::new();
    for line in lines {
        if line.trim_end() == FENCE {
            return Ok(yaml);
        }
        yaml.push_str(line);
        yaml.push('\n');
        if yaml.len() > MOST {
            return Err(format!("has more than {MOST} bytes of frontmatter"));
        }
    }
    Err("has frontmatter without an end: a line `---` is missing".to_owned())
}

/// The keys at the top, with their values where those are texts.
fn fields(yaml: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let broken = |error: ScanError| format!("has frontmatter that is not YAML: {error}");
    let mut parser = Parser::new_from_str(yaml);
    let mut top = Top::default();
    loop {
        let (event, _) = parser.next_token().map_err(broken)?;
        match event {
            Event::StreamEnd => return Ok(top.fields),
            Event::MappingStart(..) if top.depth == 0 => top.depth = 1,
            Event::Scalar(..) | Event::SequenceStart(..) | Event::Alias(..) if top.depth == 0 => {
                return Err("has frontmatter that is not made of keys and values".to_owned());
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                top.take(None);
                top.depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => top.depth -= 1,
            Event::Scalar(text, ..) => top.take(Some(text)),
            Event::Alias(_) => top.take(None),
            _ => {}
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Top {
    depth: usize,
    /// A key whose value comes next.
    key: Option<Option<String>>,
    fields: Vec<(String, Option<String>)>,
}

impl Top {
    /// Takes a key, or the value of the key before.
    fn take(&mut self, text: Option<String>) {
        if self.depth != 1 {
            return;
        }
        match self.key.take() {
            None => self.key = Some(text),
            Some(Some(key)) => self.fields.push((key, text)),
            Some(None) => {}
        }
    }
}

/// A description on one line.
fn line(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().any(char::is_control) {
        return Err("has a `description` with control characters".to_owned());
    }
    if line.chars().count() > DESCRIPTION {
        return Err(format!(
            "has a `description` of more than {DESCRIPTION} characters"
        ));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(yaml: &str) -> (String, Option<String>) {
        let front = front(&format!("---\n{yaml}\n---\nDo it.")).unwrap();
        (front.name, front.description)
    }

    #[test]
    fn name_and_description_are_read_however_they_are_written() {
        let want = |text: &str| ("tea".to_owned(), Some(text.to_owned()));
        assert_eq!(
            told("name: tea\ndescription: Brews tea."),
            want("Brews tea.")
        );
        assert_eq!(
            told("description: >\n  Brews\n  tea.\n\nname: \"tea\""),
            want("Brews tea.")
        );
        assert_eq!(
            told("meta: {name: no, description: [no]}\nname: tea\ndescription: 'a: b'"),
            want("a: b")
        );
        assert_eq!(told("name: tea"), ("tea".to_owned(), None));
        assert_eq!(told("name: tea\ndescription:"), ("tea".to_owned(), None));
        let windows = front("\u{feff}---\r\nname: tea\r\n---\r\n").unwrap();
        assert_eq!(windows.name, "tea");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("---\nname: a\ndescription: {}\n---", "x".repeat(1025));
        let huge = format!("---\n# {}\n---", "x".repeat(MOST));
        for (text, why) in [
            ("", "does not begin with frontmatter"),
            ("# Tea", "does not begin with frontmatter"),
            ("---\nname: a", "without an end"),
            ("---\nname: [\n---", "not YAML"),
            ("---\n- name\n---", "keys and values"),
            ("---\njust words\n---", "keys and values"),
            ("---\ndescription: a\n---", "has no `name`"),
            ("---\nname: [a]\n---", "`name` that is not a text"),
            (
                "---\nname: a\ndescription: {}\n---",
                "`description` that is not a text",
            ),
            (
                "---\nname: a\ndescription: \"a\\x07\"\n---",
                "control characters",
            ),
            (&long, "more than 1024 characters"),
            (&huge, "bytes of frontmatter"),
        ] {
            let told = front(text).unwrap_err();
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }

    #[test]
    fn what_would_grow_does_not() {
        let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let before = format!("*a{}", n - 1);
            let nine = [before.as_str(); 9].join(", ");
            yaml.push_str(&format!("a{n}: &a{n} [{nine}]\n"));
        }
        assert_eq!(told(&format!("{yaml}name: tea")).0, "tea");
    }
}
