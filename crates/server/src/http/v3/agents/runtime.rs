//! Which runtimes this build has. Whoever adds one adds it here.

use crate::http::problem::{Code, Problem};

/// The runtime that is built.
const NATIVE: &str = "native";
/// Runtimes of the contract that are not.
const UNBUILT: [&str; 5] = ["claude", "claude-agent-sdk", "codex", "pi", "flue"];

/// The runtime of that name, or the default one.
///
/// # Errors
/// 422 if this build does not have it.
pub fn built(name: Option<&str>) -> Result<&'static str, Problem> {
    let name = match name {
        None | Some(NATIVE) => return Ok(NATIVE),
        Some(name) => name,
    };
    let message = if UNBUILT.contains(&name) {
        format!(
            "this build does not have the runtime `{name}` yet; use `{NATIVE}`, which takes the same models"
        )
    } else {
        format!("there is no runtime of that name; use `{NATIVE}`, or leave `runtime` out")
    };
    Err(Problem::new(Code::RuntimeUnavailable, message).at("runtime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_is_built_and_is_the_default() {
        assert_eq!(built(None), Ok(NATIVE));
        assert_eq!(built(Some("native")), Ok(NATIVE));
    }

    #[test]
    fn every_other_runtime_is_refused_with_what_to_use() {
        for name in UNBUILT.into_iter().chain(["my-runtime", ""]) {
            let problem = built(Some(name)).unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::RuntimeUnavailable, Some("runtime"))
            );
            assert!(problem.message.contains("`native`"), "{}", problem.message);
        }
    }
}
