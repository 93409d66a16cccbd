//! Arguments of a tool call, as a model gives them: typed, or a sentence that
//! tells the model what to give instead.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the arguments.
///
/// # Errors
/// A sentence for the model: which tool, what is wrong.
pub fn read<T: DeserializeOwned>(tool: &str, input: &Value) -> Result<T, String> {
    serde_json::from_value(input.clone()).map_err(|error| {
        format!("The arguments of `{tool}` cannot be used: {error}. Nothing was done.")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    struct Read {
        #[expect(dead_code, reason = "only its presence is tested")]
        path: String,
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let error = super::read::<Read>("read", &json!({ "file": "x" })).map(|_| ());
        assert_eq!(
            error,
            Err(
                "The arguments of `read` cannot be used: missing field `path`. Nothing was done."
                    .to_owned()
            )
        );
    }
}
