//! `test/demo`: the quickstart, played on real hands. Whatever it is told, it
//! writes a script that prints the first 20 primes, runs it, and reports the
//! output it really got.

use serde_json::json;

use super::script::{Line, Wish};
use super::{Part, Scene, Seen};

const SCRIPT: &str = r#""""Print the first 20 prime numbers."""


def primes():
    """Yield every prime, smallest first."""
    found = []
    number = 2
    while True:
        if all(number % prime for prime in found):
            found.append(number)
            yield number
        number += 1


source = primes()
print(*(next(source) for _ in range(20)))
"#;

/// For templates without Python.
const FALLBACK: &str = "awk 'BEGIN { n = 2; while (count < 20) { prime = 1; \
    for (d = 2; d * d <= n; d++) if (n % d == 0) prime = 0; \
    if (prime) { printf \"%s%d\", (count ? \" \" : \"\"), n; count++ } n++ } print \"\" }'";

/// Where the piece stands.
#[derive(Default)]
struct Stage<'a> {
    seq: u64,
    step: u64,
    playing: bool,
    result: Option<(&'a str, bool)>,
    heckled: Option<&'a str>,
}

/// What `test/demo` plays next.
pub(super) fn part(scene: &Scene<'_>) -> Part {
    let stage = stage(scene);
    Part {
        line: line(&stage),
        seq: stage.seq,
        index: stage.step,
    }
}

fn stage<'a>(scene: &'a Scene<'_>) -> Stage<'a> {
    let mut stage = Stage::default();
    let mut counted = 0;
    for seen in &scene.0 {
        match seen {
            Seen::Summary { replies } => counted = *replies,
            Seen::User { text, .. } if stage.playing => stage.heckled = Some(text),
            Seen::User { seq, .. } => {
                stage = Stage {
                    seq: *seq,
                    step: std::mem::take(&mut counted),
                    playing: true,
                    ..Stage::default()
                };
            }
            Seen::Said { calls } => {
                stage.step += 1;
                stage.playing = *calls;
            }
            Seen::Result { text, is_error } => stage.result = Some((text, *is_error)),
        }
    }
    stage
}

fn line(stage: &Stage<'_>) -> Line {
    let failed = matches!(stage.result, Some((_, true)));
    match stage.step {
        0 => call(
            "I'll write a small Python script that finds the first 20 primes, then run it.",
            Wish {
                tool: "write".into(),
                args: json!({ "path": "primes.py", "content": SCRIPT }),
            },
        ),
        1 if !failed => call("Now I'll run it.", bash("python3 primes.py")),
        2 if failed => call(
            "Python did not run it here, so I'll compute the same with awk.",
            bash(FALLBACK),
        ),
        _ => report(stage),
    }
}

fn call(say: &str, wish: Wish) -> Line {
    Line {
        say: Some(say.to_owned()),
        call: vec![wish],
        ..Line::default()
    }
}

fn bash(command: &str) -> Wish {
    Wish {
        tool: "bash".into(),
        args: json!({ "command": command }),
    }
}

fn report(stage: &Stage<'_>) -> Line {
    let how = match stage.step {
        2 => "I wrote `primes.py` and ran it.",
        _ => "I wrote `primes.py`, but had to compute the numbers with awk.",
    };
    let mut say = match stage.result {
        Some((output, false)) => {
            format!(
                "{how} The first 20 primes are:\n\n```\n{}\n```",
                output.trim_end()
            )
        }
        Some((output, true)) => {
            format!(
                "That did not work. This is what I got:\n\n```\n{}\n```",
                output.trim_end()
            )
        }
        None => "The output of the script is no longer in my view.".to_owned(),
    };
    if let Some(words) = stage.heckled {
        say.push_str(&format!(
            "\n\nMeanwhile you wrote: {words}\n(I am a rehearsal: I know only this one piece.)"
        ));
    }
    super::script::text(say)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Seen<'_> {
        Seen::User {
            seq: 9,
            text: text.into(),
        }
    }

    fn result(text: &str, is_error: bool) -> Seen<'_> {
        Seen::Result {
            text: text.into(),
            is_error,
        }
    }

    const ACT: Seen<'static> = Seen::Said { calls: true };
    const REST: Seen<'static> = Seen::Said { calls: false };

    fn play(seen: Vec<Seen<'_>>) -> (String, Option<String>) {
        let part = super::super::part("demo", &Scene(seen)).unwrap();
        let command = part.line.call.first().map(|wish| {
            let field = wish.args.get("command").or_else(|| wish.args.get("path"));
            field.unwrap().as_str().unwrap().to_owned()
        });
        (part.line.say.unwrap(), command)
    }

    #[test]
    fn the_piece_writes_runs_and_reports() {
        let (_, first) = play(vec![user("anything")]);
        assert_eq!(first.as_deref(), Some("primes.py"));
        let (_, second) = play(vec![user("x"), ACT, result("ok", false)]);
        assert_eq!(second.as_deref(), Some("python3 primes.py"));
        let (said, none) = play(vec![
            user("x"),
            ACT,
            result("ok", false),
            ACT,
            result("2 3 5", false),
        ]);
        assert!(said.contains("2 3 5") && none.is_none(), "{said}");
    }

    #[test]
    fn without_python_it_takes_awk_and_says_so() {
        let mut seen = vec![
            user("x"),
            ACT,
            result("ok", false),
            ACT,
            result("not found", true),
        ];
        let (_, third) = play(seen.clone());
        assert!(third.unwrap().starts_with("awk"));
        seen.extend([ACT, result("2 3", false)]);
        let (said, none) = play(seen);
        assert!(said.contains("2 3") && said.contains("awk") && none.is_none());
    }

    #[test]
    fn a_failure_is_reported_as_one() {
        let (said, none) = play(vec![user("x"), ACT, result("disk full", true)]);
        assert!(said.contains("did not work") && said.contains("disk full") && none.is_none());
    }

    #[test]
    fn a_message_meanwhile_is_heard_and_a_later_one_begins_anew() {
        let (said, _) = play(vec![
            user("x"),
            ACT,
            result("ok", false),
            user("hurry"),
            ACT,
            result("2", false),
        ]);
        assert!(said.contains("hurry"), "{said}");
        let (_, again) = play(vec![
            user("x"),
            ACT,
            result("ok", false),
            REST,
            user("again"),
        ]);
        assert_eq!(again.as_deref(), Some("primes.py"));
    }

    #[test]
    fn both_programs_print_the_first_20_primes() {
        let want = "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71\n";
        for (program, args) in [("python3", ["-c", SCRIPT]), ("sh", ["-c", FALLBACK])] {
            let Ok(ran) = std::process::Command::new(program).args(args).output() else {
                // Machines without Python are what the fallback is for.
                assert_ne!(program, "sh");
                continue;
            };
            assert_eq!(String::from_utf8_lossy(&ran.stdout), want, "{program}");
        }
    }
}
