//! What the agents of a run play: scripts of the rehearsal model with commands
//! that each leave a mark, drawn from the seed.

use serde_json::{Value, json};

use super::seed::Seed;

/// One session of a run.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What it is called in findings.
    pub(super) name: String,
    /// The first input: a script.
    pub(super) input: String,
    /// The marks its commands leave, in order.
    pub(super) marks: Vec<String>,
    /// What is said to it on the way.
    pub(super) notes: Vec<Note>,
    /// Its tokens, where it has a budget. Then it leaves no marks.
    pub(super) cap: Option<u64>,
    /// Model calls of the whole script.
    pub(super) replies: u64,
}

/// A message to a session at work.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// After so many of its events were seen.
    pub(super) after: usize,
    /// Its text, found nowhere else.
    pub(super) text: String,
}

/// Sessions with marks in one run.
const WORKERS: u64 = 3;

/// The sessions of run `run`.
pub(super) fn cast(run: u32, seed: &Seed) -> Vec<Part> {
    let mut parts: Vec<Part> = (0..WORKERS)
        .map(|n| worker(&format!("r{run}s{n}"), &mut seed.part(n)))
        .collect();
    parts.push(spender(&format!("r{run}b"), &mut seed.part(WORKERS)));
    parts
}

/// A session that leaves marks.
fn worker(name: &str, seed: &mut Seed) -> Part {
    let mut marks = Vec::new();
    let mut steps = Vec::new();
    for reply in 0..seed.between(2, 4) {
        let calls: Vec<Value> = (0..seed.between(1, 2))
            .map(|_| {
                let mark = format!("{name}m{}", marks.len());
                let command = command(&mark, seed);
                marks.push(mark);
                json!({ "tool": "bash", "args": { "command": command } })
            })
            .collect();
        steps.push(json!({
            "say": format!("Step {reply} of {name}: leaving marks in the sandbox, one after the other."),
            "chunks": seed.between(3, 8),
            "chunk_ms": seed.between(2, 20),
            "call": calls,
        }));
    }
    steps.push(json!({ "say": format!("{name} is through.") }));
    let notes = (0..seed.between(1, 2))
        .map(|n| Note {
            after: usize::try_from(seed.between(2, 10)).unwrap_or(2),
            text: format!("note {n} to {name}"),
        })
        .collect();
    Part {
        name: name.to_owned(),
        replies: steps.len() as u64,
        input: script(&Value::Array(steps)),
        marks,
        notes,
        cap: None,
    }
}

/// A session that is at work for so many seconds.
pub(super) fn sleeper(run: u32, seconds: u64) -> Part {
    let name = format!("r{run}z");
    let mark = format!("{name}m0");
    let command = format!("sleep {seconds}; echo {mark} >> marks");
    let steps = json!([
        { "call": [{ "tool": "bash", "args": { "command": command } }] },
        { "say": "rested" },
    ]);
    Part {
        name,
        replies: 2,
        input: script(&steps),
        marks: vec![mark],
        notes: Vec::new(),
        cap: None,
    }
}

/// A command that leaves the mark, at its beginning, its end, or with much ado.
fn command(mark: &str, seed: &mut Seed) -> String {
    let leave = format!("echo {mark} >> marks");
    match seed.between(0, 4) {
        0 => format!("{leave}; sleep 0.2"),
        1 => format!("sleep 0.15; {leave}; echo left"),
        2 => format!("{leave}; head -c 60000 /dev/zero | tr '\\0' x"),
        _ => leave,
    }
}

/// A session whose budget ends before its script does.
fn spender(name: &str, seed: &mut Seed) -> Part {
    let replies = seed.between(6, 9);
    let (input, output) = (seed.between(20, 60), seed.between(5, 30));
    // Each call another one: the same over and over would be no progress.
    let each = |n: u64| {
        json!({
            "tokens": { "in": input, "out": output },
            "call": [{ "tool": "bash", "args": { "command": format!("echo {n}") } }],
        })
    };
    let all = replies * (input + output);
    let cap = seed.between(all / 3, all * 2 / 3);
    Part {
        name: name.to_owned(),
        replies,
        input: script(&(0..replies).map(each).collect()),
        marks: Vec::new(),
        notes: Vec::new(),
        cap: Some(cap),
    }
}

/// An input that makes the model read the marks back.
pub(super) fn reading() -> String {
    script(&json!([
        { "call": [{ "tool": "bash", "args": { "command": READ } }] },
        { "say": "read" },
    ]))
}

/// The command that reads the marks back.
pub(super) const READ: &str = "echo the marks:; cat marks";

fn script(steps: &Value) -> String {
    format!("A drill: play this.\n@steps\n{steps}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_means_the_same_cast_and_another_seed_another() {
        let inputs = |number| {
            let all = cast(3, &Seed::new(number));
            all.into_iter().map(|part| part.input).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }

    #[test]
    fn every_mark_is_left_by_one_command_alone() {
        for number in 0..20 {
            let cast = cast(1, &Seed::new(number));
            let marks: Vec<_> = cast.iter().flat_map(|part| &part.marks).collect();
            let distinct: BTreeSet<_> = marks.iter().collect();
            assert_eq!(marks.len(), distinct.len());
            for part in cast.iter().filter(|part| part.cap.is_none()) {
                assert!(!part.marks.is_empty() && !part.notes.is_empty());
                for mark in &part.marks {
                    assert_eq!(part.input.matches(&format!("echo {mark} ")).count(), 1);
                }
            }
        }
    }

    #[test]
    fn a_budget_ends_before_its_script() {
        for number in 0..20 {
            let cast = cast(1, &Seed::new(number));
            let spender = cast.iter().find(|part| part.cap.is_some()).unwrap();
            assert!(spender.cap.unwrap() < spender.replies * 90);
            assert!(spender.cap.unwrap() >= 25);
        }
    }
}
