//! How things ended: tool calls, model calls, turns.

use serde_json::Value;

use super::parts::{number, shortened, span};
use super::{OUTPUT, text};
use crate::cli::paint::{Paint, clean};

/// What came of a tool call. The call itself was shown before.
pub(super) fn done(paint: Paint, body: &Value) -> Option<String> {
    if matches!(body["tool"].as_str(), Some("say" | "ask")) && body["is_error"] != true {
        return None;
    }
    let output = body["output"]
        .as_str()
        .or(body["summary"].as_str())
        .unwrap_or_default();
    let shown = shortened(without_ending(clean(output).trim_end(), body), OUTPUT);
    let ending = ending(paint, body, !shown.is_empty());
    let lines = shown
        .lines()
        .map(|line| paint.dim(line))
        .chain((!ending.is_empty()).then_some(ending));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The output without the words that tell the model how it ended: we tell it.
fn without_ending<'a>(output: &'a str, body: &Value) -> &'a str {
    let code = body["exit_code"].as_i64();
    let code = code.map(|code| format!("[exit code {code}]"));
    let reason = body["reason"].as_str();
    let stopped = reason.map(|reason| format!("[stopped: {reason}]"));
    let rest = [code, stopped]
        .into_iter()
        .flatten()
        .find_map(|ending| output.strip_suffix(&ending))
        .unwrap_or(output)
        .trim_end();
    if rest == "(no output)" { "" } else { rest }
}

/// How it ended; nothing where the output says all there is to say.
fn ending(paint: Paint, body: &Value, shown: bool) -> String {
    let exit = body["exit_code"].as_i64();
    let killed = body["outcome"] == "killed";
    let how = match (exit, body["reason"].as_str()) {
        (_, Some(reason)) if killed => {
            paint.red(&format!("stopped: {}", clean(reason).replace('_', " ")))
        }
        (Some(0), _) => paint.green("✓"),
        (Some(code), _) => paint.red(&format!("exit {code}")),
        _ if body["is_error"] == true => paint.red("failed"),
        _ if shown => return String::new(),
        _ => paint.green("✓"),
    };
    let took = body["duration_ms"].as_u64().map(span);
    let whole = body["bytes"]
        .as_u64()
        .filter(|bytes| *bytes > 24 * 1024)
        .map(|bytes| format!("{} bytes in all", number(bytes)));
    let more = [took, whole]
        .into_iter()
        .flatten()
        .map(|part| paint.dim(&format!(" · {part}")));
    more.fold(how, |line, part| line + &part)
}

/// A model call in one line.
pub(super) fn model(body: &Value) -> String {
    let stop = body["stop_reason"]
        .as_str()
        .map(|stop| format!(" · {}", clean(stop).replace('_', " ")))
        .unwrap_or_default();
    format!("model answered{}{stop}", tokens(&body["usage"]))
}

/// The end of a turn: why, how long, how much. What went wrong is not told again
/// where it was `told` just before.
pub(super) fn turn(paint: Paint, body: &Value, took: Option<u64>, told: Option<&str>) -> String {
    let reason = body["yield_reason"]
        .as_str()
        .or(body["outcome"].as_str())
        .unwrap_or("completed");
    let words = clean(reason).replace('_', " ");
    let how = match reason {
        "completed" | "quiescent" => paint.green("✓ turn completed"),
        "needs_input" => paint.yellow("? turn ended: waiting for your answer"),
        "error" => paint.red("✗ turn failed"),
        _ => paint.yellow(&format!("■ turn ended: {words}")),
    };
    let took = took
        .map(|ms| format!(" · {}", span(ms)))
        .unwrap_or_default();
    let usage = paint.dim(&format!("{took}{}", tokens(&body["usage"])));
    let error = &body["error"];
    let why = match text(error) {
        words if words.is_empty() || told == Some(&words) => String::new(),
        words => format!("\n{}", paint.red(&words)),
    };
    format!("{how}{usage}{why}")
}

fn tokens(usage: &Value) -> String {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let read = count("input_tokens")
        + count("cache_creation_input_tokens")
        + count("cache_read_input_tokens");
    let written = count("output_tokens");
    if read + written == 0 {
        return String::new();
    }
    let cached = match count("cache_read_input_tokens") {
        0 => String::new(),
        cached => format!(", {} of them cached", number(cached)),
    };
    format!(
        " · {} tokens in{cached}, {} out",
        number(read),
        number(written)
    )
}
