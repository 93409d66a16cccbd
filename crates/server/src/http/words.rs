//! What a parser says, in words for whoever sent it: what would have been right.

/// Most characters of a wrong value that are told.
const SHOWN: usize = 80;

/// A field that is wrong, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field, as a path.
    pub field: String,
    /// For people.
    pub message: String,
}

/// What is wrong at a path, if the parser's words are of a kind that is known.
pub fn wrong(path: &str, words: &str) -> Option<Wrong> {
    let here = |must: &str| {
        Some(Wrong {
            field: path.to_owned(),
            message: format!("`{path}` must be {must}"),
        })
    };
    if let Some(rest) = words.strip_prefix("unknown field `") {
        let (name, known) = rest.split_once('`')?;
        let known = known.split_once("expected ")?.1;
        return Some(unknown(path, name, known.trim_start_matches("one of ")));
    }
    if ["digit found", "parse integer", "fit in target type"]
        .iter()
        .any(|part| words.contains(part))
    {
        return here("a whole number from 0");
    }
    if words.contains("was not `true` or `false`") {
        return here("`true` or `false`");
    }
    let rest = words
        .strip_prefix("invalid type: ")
        .or_else(|| words.strip_prefix("invalid value: "))?;
    let (found, wants) = rest.rsplit_once(", expected ")?;
    here(&format!("{}, not {}", wanted(wants), shown(found)))
}

/// A name that nothing has.
fn unknown(path: &str, name: &str, known: &str) -> Wrong {
    // The path may end with the name itself.
    let parent = match path.strip_suffix(name) {
        Some(parent) => parent.trim_end_matches('.'),
        None => path,
    };
    if matches!(parent, "" | ".") {
        return Wrong {
            field: name.to_owned(),
            message: format!("`{name}` is not known; known are {known}"),
        };
    }
    let field = format!("{parent}.{name}");
    let message = format!("`{field}` is not known; `{parent}` may hold {known}");
    Wrong { field, message }
}

fn wanted(words: &str) -> &str {
    match words {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "a string" => "a text",
        words if words.starts_with("struct ") => "an object",
        words => words,
    }
}

/// The wrong value: short ones as they are.
fn shown(found: &str) -> String {
    let bare = match found {
        "map" => "an object",
        "sequence" => "a list",
        _ => ["string ", "integer ", "floating point ", "boolean "]
            .iter()
            .find_map(|kind| found.strip_prefix(kind))
            .unwrap_or(found)
            .trim_matches('`'),
    };
    match bare.char_indices().nth(SHOWN) {
        None => bare.to_owned(),
        Some((at, _)) => format!("{}…", &bare[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_would_be_right() {
        for (path, words, field, message) in [
            (
                "after",
                "invalid digit found in string",
                "after",
                "`after` must be a whole number from 0",
            ),
            (
                "limit",
                "number too large to fit in target type",
                "limit",
                "`limit` must be a whole number from 0",
            ),
            (
                "all",
                "provided string was not `true` or `false`",
                "all",
                "`all` must be `true` or `false`",
            ),
            (
                "metadata",
                "invalid type: sequence, expected a map",
                "metadata",
                "`metadata` must be an object, not a list",
            ),
            (
                "ttl",
                "invalid type: string \"a, expected b\", expected i64",
                "ttl",
                "`ttl` must be a whole number, not \"a, expected b\"",
            ),
            (
                "limits.tokens",
                "invalid value: integer `0`, expected a whole number of 1 or more",
                "limits.tokens",
                "`limits.tokens` must be a whole number of 1 or more, not 0",
            ),
            (
                "limits",
                "unknown field `token`, expected one of `tokens`, `usd`",
                "limits.token",
                "`limits.token` is not known; `limits` may hold `tokens`, `usd`",
            ),
            (
                "limits.token",
                "unknown field `token`, expected `tokens`",
                "limits.token",
                "`limits.token` is not known; `limits` may hold `tokens`",
            ),
        ] {
            let want = Wrong {
                field: field.to_owned(),
                message: message.to_owned(),
            };
            assert_eq!(wrong(path, words), Some(want), "{words}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_and_what_is_long_is_cut() {
        assert_eq!(wrong("x", "something else"), None);
        let long = format!("invalid type: string \"{}\", expected u64", "ä".repeat(500));
        assert!(wrong("x", &long).unwrap().message.chars().count() < 150);
    }
}
