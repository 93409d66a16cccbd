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
