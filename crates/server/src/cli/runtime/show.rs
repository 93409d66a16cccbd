//! How runtimes are shown: a table for people, a list for programs.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table;
use crate::runtimes::{Custom, ENGINES, Runtimes};

/// `oc runtime list`.
pub(super) fn list(context: &Context, runtimes: &Runtimes) -> Result<(), CliError> {
    let mut data = vec![json!({
        "name": "native", "kind": "built-in", "version": env!("CARGO_PKG_VERSION"),
        "installed": true, "licence": "part of this program",
    })];
    for engine in &ENGINES {
        let installed = runtimes.engine(engine)?;
        let bytes = installed.as_ref().map(|it| it.bytes()).transpose()?;
        data.push(json!({
            "name": engine.name, "kind": "engine",
            "version": installed.as_ref().map_or(engine.version, |it| &it.version),
            "tested": engine.version, "installed": installed.is_some(), "bytes": bytes,
            "path": installed.map(|it| it.folder), "licence": engine.licence,
        }));
    }
    data.extend(runtimes.customs()?.iter().map(custom));
    if context.out.json {
        return context.out.value(&json!({ "data": data }));
    }
    let rows = data.iter().map(row).collect();
    context.out.line(&table::columns(
        context.out.paint,
        &["NAME", "VERSION", "INSTALLED", "SIZE", "ABOUT"],
        rows,
        "",
    ))
}

/// A registered program.
pub(super) fn custom(custom: &Custom) -> Value {
    json!({
        "name": custom.name, "kind": "custom", "installed": custom.check().is_ok(),
        "path": custom.dir, "command": custom.command,
    })
}

fn row(of: &Value) -> Vec<String> {
    let text = |name: &str| of[name].as_str().unwrap_or("–").to_owned();
    let name = text("name");
    let installed = match (of["installed"].as_bool(), text("kind").as_str()) {
        (Some(true), _) => "yes".to_owned(),
        (_, "custom") => "its folder is gone".to_owned(),
        _ => format!("no: oc runtime install {name}"),
    };
    let about = match of["command"].as_array() {
        Some(words) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            format!("{} in {}", words.join(" "), text("path"))
        }
        None => text("licence"),
    };
    let bytes = of["bytes"].as_u64().map_or_else(|| "–".to_owned(), size);
    vec![name, text("version"), installed, bytes, about]
}

/// A number of bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// How far a package has come.
pub(super) fn fetching(name: &str, came: u64, whole: Option<u64>) -> String {
    let of = whole.map(|whole| {
        let percent = came.saturating_mul(100) / whole.max(1);
        format!(" of {} ({percent} %)", size(whole))
    });
    format!("fetching {name}: {}{}", size(came), of.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_told_with_or_without_the_whole() {
        assert_eq!(
            fetching("codex", 5_000_000, Some(20_000_000)),
            "fetching codex: 5 MB of 20 MB (25 %)"
        );
        assert_eq!(fetching("codex", 1, None), "fetching codex: 1 MB");
        assert_eq!(
            fetching("codex", 0, Some(0)),
            "fetching codex: 0 MB of 0 MB (0 %)"
        );
    }
}
