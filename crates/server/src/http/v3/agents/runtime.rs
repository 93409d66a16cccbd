//! Which runtimes an agent may have: our own loop, engines that are installed
//! and programs that are registered.

use crate::http::problem::{Code, Problem};
use crate::runtimes::{Error, Runtime, Runtimes};

/// The runtime that is always there.
const NATIVE: &str = "native";

/// The runtime of that name as it is kept, or the default one.
///
/// # Errors
/// 422 with what to do if it is not there.
pub fn known(runtimes: &Runtimes, name: Option<&str>) -> Result<String, Problem> {
    let name = match name {
        None | Some(NATIVE) => return Ok(NATIVE.to_owned()),
        Some(name) => name,
    };
    let message = match runtimes.find(name) {
        Ok(Runtime::Engine(engine)) => return Ok(engine.name),
        Ok(Runtime::Custom(custom)) => match custom.check() {
            Ok(()) => return Ok(custom.name),
            Err(error) => format!("the runtime `{name}` cannot be started: {error}"),
        },
        Err(Error::Missing(engine)) => format!(
            "the runtime `{engine}` is not installed; on the server's machine run `oc runtime install {engine}`, or use `{NATIVE}`, which takes the same models"
        ),
        Err(Error::Unknown(_)) => format!(
            "there is no runtime of that name; `oc runtime list` on the server's machine shows which there are; leave `runtime` out for `{NATIVE}`"
        ),
        Err(error) => {
            tracing::warn!(%error, "the runtimes cannot be looked at");
            format!(
                "the runtime `{name}` cannot be looked at; use `{NATIVE}`, or see the server's log"
            )
        }
    };
    Err(Problem::new(Code::RuntimeUnavailable, message).at("runtime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_is_always_there_and_is_the_default() {
        let none = Runtimes::new("/nonexistent".into());
        assert_eq!(known(&none, None).as_deref(), Ok(NATIVE));
        assert_eq!(known(&none, Some("native")).as_deref(), Ok(NATIVE));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_to_do() {
        let none = Runtimes::new("/nonexistent".into());
        for (name, told) in [
            ("claude", "oc runtime install claude"),
            ("claude-agent-sdk", "oc runtime install claude"),
            ("codex", "oc runtime install codex"),
            ("mine", "oc runtime list"),
            ("pi", "oc runtime list"),
            ("../x", "oc runtime list"),
            ("", "oc runtime list"),
        ] {
            let problem = known(&none, Some(name)).unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::RuntimeUnavailable, Some("runtime"))
            );
            assert!(problem.message.contains(told), "{}", problem.message);
            assert!(problem.message.contains("`native`"), "{}", problem.message);
        }
    }
}
