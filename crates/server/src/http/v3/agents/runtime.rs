//! Which runtimes an agent may have: our own loop, engines that are installed
//! and programs that are registered.

use crate::http::problem::{Code, Problem};
use crate::runtimes::{ENGINES, Engine, Error, Runtime, Runtimes};

/// The runtime that is always there.
const NATIVE: &str = "native";
/// Runtimes of the contract that this build does not have yet.
const UNBUILT: [&str; 2] = ["pi", "flue"];

/// The runtime of that name as it is kept, or the default one.
///
/// # Errors
/// 422 with what to do if it is not there.
pub fn known(runtimes: &Runtimes, name: Option<&str>) -> Result<String, Problem> {
    let name = match name {
        None | Some(NATIVE) => return Ok(NATIVE.to_owned()),
        Some(name) => name,
    };
    if UNBUILT.contains(&name) {
        let message = format!(
            "the runtime `{name}` is not supported by this build yet; {}",
            there(runtimes)
        );
        return Err(Problem::new(Code::FieldNotSupported, message).at("runtime"));
    }
    let message = match runtimes.find(name) {
        Ok(Runtime::Engine(engine)) => return Ok(engine.name),
        Ok(Runtime::Custom(custom)) => match custom.check() {
            Ok(()) => return Ok(custom.name),
            Err(error) => format!("the runtime `{name}` cannot be started: {error}"),
        },
        Err(Error::Missing(engine)) => format!(
            "the runtime `{engine}` is not installed; on the server's machine run `oc runtime install {engine}`, or use `{NATIVE}`, which takes the same models"
        ),
        Err(Error::Unknown(_)) => {
            format!("there is no runtime of that name; {}", there(runtimes))
        }
        Err(error) => {
            tracing::warn!(%error, "the runtimes cannot be looked at");
            format!(
                "the runtime `{name}` cannot be looked at; use `{NATIVE}`, or see the server's log"
            )
        }
    };
    Err(Problem::new(Code::RuntimeUnavailable, message).at("runtime"))
}

/// Which runtimes there are here, and how to get others.
fn there(runtimes: &Runtimes) -> String {
    let (installed, others): (Vec<&Engine>, Vec<&Engine>) = ENGINES.iter().partition(|engine| {
        let found = runtimes.engine(engine);
        found.is_ok_and(|found| found.is_some())
    });
    let customs = runtimes.customs().unwrap_or_default();
    let here = [format!("`{NATIVE}`")]
        .into_iter()
        .chain(installed.iter().map(|engine| format!("`{}`", engine.name)))
        .chain(customs.iter().map(|custom| format!("`{}`", custom.name)));
    let here = here.collect::<Vec<_>>().join(", ");
    let install: Vec<_> = others
        .iter()
        .map(|engine| format!("`oc runtime install {}`", engine.name))
        .chain(["`oc runtime add` (a program of your own)".to_owned()])
        .collect();
    let install = install.join(" and ");
    format!(
        "here are {here}; on the server's machine `oc runtime list` shows all, {install} add one"
    )
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
        for name in UNBUILT {
            let problem = known(&none, Some(name)).unwrap_err();
            assert_eq!(
                (problem.code, problem.param.as_deref()),
                (Code::FieldNotSupported, Some("runtime"))
            );
            assert!(problem.message.contains(name), "{}", problem.message);
        }
    }
}
