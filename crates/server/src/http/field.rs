//! Fields of a request: what every kind of them must be.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::problem::Problem;

/// A part of a body that must be an object: a list of values in the order of its
/// fields would do for a derived type, and must not do here.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(Fields(std::marker::PhantomData))
    }
}

/// The value of a field that must be there.
///
/// # Errors
/// 422 naming the field.
pub fn need<T>(field: Option<T>, name: &str) -> Result<T, Problem> {
    field.ok_or_else(|| Problem::invalid(name, format!("`{name}` is required")))
}

/// A short text without control characters: a name, a key, a model.
///
/// # Errors
/// 422 naming the field.
pub fn short(text: String, name: &str, most: usize) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must not be empty"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must not hold control characters"),
        ));
    }
    if text.chars().count() > most {
        return Err(Problem::invalid(
            name,
            format!("`{name}` must have at most {most} characters"),
        ));
    }
    Ok(text)
}

/// Most characters of a name that stands in commands and paths.
const SLUG: usize = 64;

/// A name that can stand in a command, a path, and a file of an agent.
///
/// # Errors
/// 422 naming the field.
pub fn slug(text: String, name: &str) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = text.bytes().next().is_some_and(plain);
    let rest = text.bytes().all(|byte| plain(byte) || byte == b'-');
    if first && rest && text.len() <= SLUG {
        return Ok(text);
    }
    let message = format!(
        "`{name}` must be 1 to {SLUG} lower-case letters, digits and dashes, no dash first: such as nightly-report"
    );
    Err(Problem::invalid(name, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_short_and_plain() {
        for (text, good) in [
            ("coder", true),
            ("ein Name", true),
            ("", false),
            ("  ", false),
            ("a\0b", false),
        ] {
            assert_eq!(short(text.to_owned(), "name", 8).is_ok(), good, "{text:?}");
        }
        assert!(short("x".repeat(9), "name", 8).is_err());
    }

    #[test]
    fn a_name_for_commands_is_plain() {
        for good in ["a", "0", "nightly-2", &"x".repeat(SLUG)] {
            assert!(slug(good.to_owned(), "name").is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "A",
            "a_b",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(SLUG + 1),
        ] {
            let problem = slug(bad.to_owned(), "name").unwrap_err();
            assert_eq!(problem.param.as_deref(), Some("name"), "{bad}");
        }
    }

    #[test]
    fn an_object_is_no_list() {
        #[derive(Debug, serde::Deserialize)]
        struct Point {
            x: u32,
        }
        let read = |text: &str| serde_json::from_str::<Object<Point>>(text);
        assert_eq!(read("{\"x\":7}").unwrap().0.x, 7);
        for text in ["[7]", "7", "\"x\"", "null"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{error}");
        }
    }
}
