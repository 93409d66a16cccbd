//! One text for one request, however it was written down: what a repeated key is
//! compared by.

use serde_json::Value;

/// The value with keys in order and no space, without the field `but` of the
/// outermost object.
#[must_use]
pub fn canonical(value: &Value, but: &str) -> String {
    let mut text = String::new();
    write_sorted(value, but, &mut text);
    text
}

fn write_sorted(value: &Value, but: &str, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().filter(|(key, _)| *key != but).collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, field)) in fields.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(field, "", out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_sorted(item, "", out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_forgets_order_space_and_the_key_but_nothing_else() {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let one = read("{\"b\":[1, {\"y\":1,\"x\":2}], \"key\":\"k\", \"a\":\"ü\"}");
        let two = read("{\"a\":\"\\u00fc\",\"b\":[1,{\"x\":2,\"y\":1}],\"key\":\"other\"}");
        assert_eq!(canonical(&one, "key"), canonical(&two, "key"));
        assert_ne!(canonical(&one, ""), canonical(&two, ""));
        assert_eq!(
            canonical(&one, "key"),
            "{\"a\":\"ü\",\"b\":[1,{\"x\":2,\"y\":1}]}"
        );
    }

    #[test]
    fn different_requests_have_different_texts() {
        let all = [
            json!({ "a": 1 }),
            json!({ "a": "1" }),
            json!({ "a": [1] }),
            json!({ "a": null }),
            json!({ "a": { "key": 1 } }),
            json!({ "a": { "key": 2 } }),
            json!({ "a\":1,\"b": 1 }),
            json!({ "a": 1, "b": 1 }),
        ];
        let mut texts: Vec<_> = all.iter().map(|value| canonical(value, "key")).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
    }
}
