//! What the platform notes about the session itself, in words.

use serde_json::Value;

use super::parts::{clock, number};
use crate::cli::paint::{Paint, clean};

/// The line of a note; `None` for what is none.
pub(super) fn note(paint: Paint, kind: &str, body: &Value) -> Option<String> {
    let word = |name: &str| clean(body[name].as_str().unwrap_or_default()).replace('_', " ");
    let count = |name: &str| number(body[name].as_u64().unwrap_or(0));
    Some(match kind {
        "session.waiting" => paint.yellow(&waiting(body)),
        "session.recovered" => paint.yellow(&format!("taken up again · {}", word("reason"))),
        "session.continued" => {
            let (n, of) = (count("number"), count("of"));
            paint.yellow(&format!("goes on by itself · {n} of {of}"))
        }
        "session.limits_changed" => paint.dim(&format!("limits · {}", limits(&body["limits"]))),
        "session.forked" => {
            let files = match body["checkpoint"]["id"].as_str() {
                Some(id) => format!("files of {}", clean(id)),
                None => "no files".to_owned(),
            };
            let from = clean(body["from_session"].as_str().unwrap_or_default());
            let at = count("at_seq");
            paint.dim(&format!("forked from {from} at event {at} · {files}"))
        }
        "checkpoint.created" => {
            let (files, added) = (count("files"), count("added_bytes"));
            paint.dim(&format!(
                "files are safe · {files} files, {added} new bytes"
            ))
        }
        "sandbox.started" => paint.dim("sandbox started"),
        "sandbox.hibernated" => paint.dim("sandbox sleeps"),
        "session.handed_over" => paint.dim("handed over to another run"),
        "model.cut" => paint.dim("model call cut"),
        "sandbox.restored" => restored(paint, body),
        "egress.granted" => paint.dim(&format!("secret let out · {}", gated(body))),
        "egress.denied" => paint.yellow(&format!("not let out · {}", gated(body))),
        _ => return None,
    })
}

fn waiting(body: &Value) -> String {
    let what = clean(body["what"].as_str().unwrap_or("something"));
    let place = body["place"].as_u64();
    let place = place.map(|place| format!(", no. {place} in line"));
    let until = body["deadline"].as_str();
    let until = until.map(|at| format!(", until {}", clock(at)));
    let next = clean(body["next"].as_str().unwrap_or_default());
    let (place, until) = (place.unwrap_or_default(), until.unwrap_or_default());
    format!("waits on {what}{place}{until} · {next}")
}

fn limits(limits: &Value) -> String {
    let named = limits.as_object().into_iter().flatten();
    let all: Vec<_> = named
        .map(|(name, limit)| format!("{} {limit}", clean(name).replace('_', " ")))
        .collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// Where something wanted to go, with which secret, why not, and how often.
fn gated(body: &Value) -> String {
    let word = |name: &str| clean(body[name].as_str().unwrap_or_default());
    let mut line = format!("{}:{}", word("host"), body["port"].as_u64().unwrap_or(0));
    if body["secret"].is_string() {
        line = format!("{} to {line}", word("secret"));
    }
    if body["reason"].is_string() {
        line = format!("{line}: {}", word("reason"));
    }
    match body["times"].as_u64().unwrap_or(1) {
        0 | 1 => line,
        times => format!("{line} · {} times", number(times)),
    }
}

fn restored(paint: Paint, body: &Value) -> String {
    let why = clean(body["reason"].as_str().unwrap_or_default());
    let skipped = body["skipped"].as_array().map_or(0, Vec::len);
    let Some(id) = body["checkpoint_id"].as_str() else {
        let none = match skipped {
            0 => "no files to restore".to_owned(),
            n => format!("its files are lost: {n} damaged"),
        };
        return paint.yellow(&format!("sandbox is new · {why}, {none}"));
    };
    let at = number(body["as_of_seq"].as_u64().unwrap_or(0));
    let line = format!("files restored · {why}, {} as of event {at}", clean(id));
    match skipped {
        0 => paint.dim(&line),
        n => paint.yellow(&format!("{line}; {n} damaged")),
    }
}
