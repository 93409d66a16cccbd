//! A JSON object whose fields keep their order and their exact text. What we
//! do not understand is passed on as it came.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Fields in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawObject(Vec<(String, Box<RawValue>)>);

impl RawObject {
    /// The field's value, if it is there and of that type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, raw) = self.0.iter().find(|(field, _)| field == name)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// The field's exact JSON text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, raw)| raw.get())
    }

    /// Sets a field; a new one goes last.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(field, _)| field != name);
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), &**raw))
    }
}

/// A string as JSON text.
pub(crate) fn string(text: &str) -> Box<RawValue> {
    let json = serde_json::Value::from(text).to_string();
    raw(json)
}

/// JSON text as a raw value; `null` if it is no JSON.
pub(crate) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = RawObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
        let mut object = RawObject::default();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            object.set(&name, value);
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_byte_for_byte() {
        let json = r#"{"z":1.50,"a":{"k":[1, 2]},"n":123456789012345678901234567890,"s":"\u00e9"}"#;
        let mut object: RawObject = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), json);
        assert_eq!(object.get::<f64>("z"), Some(1.5));
        assert_eq!(object.get::<String>("z"), None);
        assert_eq!(object.text("n"), Some("123456789012345678901234567890"));
        object.set("a", string("x\"y"));
        object.set("new", raw("{no json".into()));
        let want =
            r#"{"z":1.50,"a":"x\"y","n":123456789012345678901234567890,"s":"\u00e9","new":null}"#;
        assert_eq!(serde_json::to_string(&object).unwrap(), want);
        assert_eq!(object.fields().count(), 5);
        object.remove("s");
        assert_eq!((object.fields().count(), object.text("s")), (4, None));
    }

    #[test]
    fn only_an_object_is_an_object() {
        for json in ["[]", "1", "null", "{"] {
            assert!(serde_json::from_str::<RawObject>(json).is_err(), "{json}");
        }
    }
}
