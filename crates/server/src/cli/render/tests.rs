//! Golden text of every type of event.

use serde_json::{Value, json};

use super::*;

fn event(kind: &str, level: &str, body: Value) -> Value {
    json!({ "seq": 1, "ts": "2026-01-02T03:04:05.000Z", "type": kind, "level": level, "body": body })
}

fn plain(kind: &str, level: &str, body: Value) -> String {
    Render::new(Paint(false))
        .with_steps(true)
        .event(&event(kind, level, body))
        .unwrap_or_default()
}

/// Type, level and body of an event, and below them the lines it is shown as.
const GOLDEN: &str = r#"
user.message user {"text":"hi\nthere"}
03:04:05  you ▸ hi
          there

agent.message user {"text":"done\n\nreally"}
03:04:05  agent ▸ done

          really

agent.message progress {"text":"looking"}
03:04:05  agent ▸ looking

agent.thinking progress {"text":"hm"}
03:04:05  thinks · hm

turn.started progress {"turn_id":"t"}
03:04:05  turn started

turn.completed user {"yield_reason":"completed","usage":{"input_tokens":1200,"output_tokens":34,"cache_read_input_tokens":1000}}
03:04:05  ✓ turn completed · 2,200 tokens in, 1,000 of them cached, 34 out

turn.completed user {"yield_reason":"needs_input"}
03:04:05  ? turn ended: waiting for your answer

turn.completed user {"yield_reason":"budget_exceeded"}
03:04:05  ■ turn ended: budget exceeded

turn.completed user {"yield_reason":"error","error":{"message":"no key"}}
03:04:05  ✗ turn failed
          no key

tool.call internal {"tool":"bash","args_summary":"ls -l"}
03:04:05  $ ls -l

tool.call internal {"tool":"write","args_summary":"a.py"}
03:04:05  write a.py

exec.completed internal {"tool":"bash","output":"one\ntwo","exit_code":0,"duration_ms":12}
03:04:05  one
          two
          ✓ · 12 ms

exec.completed internal {"tool":"bash","output":"oops\n[exit code 3]","exit_code":3}
03:04:05  oops
          exit 3

exec.completed internal {"tool":"bash","output":"(no output)","exit_code":0}
03:04:05  ✓

exec.completed internal {"output":"x","outcome":"killed","reason":"out_of_memory","bytes":99999}
03:04:05  x
          stopped: out of memory · 99,999 bytes in all

exec.completed internal {"output":"x\n[stopped: interrupted]","outcome":"killed","reason":"interrupted"}
03:04:05  x
          stopped: interrupted

tool.result internal {"tool":"read","output":"1 a","is_error":false}
03:04:05  1 a

tool.result internal {"tool":"read","summary":"no such file","is_error":true}
03:04:05  no such file
          failed

tool.indeterminate progress {"command":"make all\nmore"}
03:04:05  outcome unknown · make all …

model.completed internal {"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}
03:04:05  model answered · 1 tokens in, 2 out · tool use

context.compacted progress {"summary":"shorter"}
03:04:05  compacted · shorter

session.cancel_requested progress {}
03:04:05  cancel requested

session.archived progress {}
03:04:05  session archived

session.waiting progress {"what":"quota","since":"x","deadline":null,"next":"a place is free","place":3}
03:04:05  waits on quota, no. 3 in line · a place is free

session.waiting progress {"what":"model","deadline":"2026-01-02T03:14:05.000Z","next":"it is asked again"}
03:04:05  waits on model, until 03:14:05 · it is asked again

session.recovered progress {"reason":"lease_expired","epoch":2}
03:04:05  taken up again · lease expired

session.continued progress {"number":1,"of":3}
03:04:05  goes on by itself · 1 of 3

session.limits_changed progress {"limits":{"turn_seconds":60,"usd":0.5}}
03:04:05  limits · turn seconds 60, usd 0.5

session.forked progress {"from_session":"ses_0","at_seq":7,"checkpoint":{"id":"ckp_1"}}
03:04:05  forked from ses_0 at event 7 · files of ckp_1

checkpoint.created internal {"checkpoint_id":"ckp_1","files":3,"added_bytes":4096}
03:04:05  files are safe · 3 files, 4,096 new bytes

sandbox.hibernated internal {"checkpoint_id":"ckp_1"}
03:04:05  sandbox sleeps

sandbox.restored internal {"checkpoint_id":"ckp_1","as_of_seq":9,"reason":"woken"}
03:04:05  files restored · woken, ckp_1 as of event 9

sandbox.restored internal {"checkpoint_id":null,"as_of_seq":0,"reason":"lost"}
03:04:05  sandbox is new · lost, no files to restore

egress.granted internal {"host":"api.example.com","port":443,"secret":"KEY","times":1}
03:04:05  secret let out · KEY to api.example.com:443

egress.denied internal {"host":"10.0.0.1","port":80,"reason":"private","times":1234}
03:04:05  not let out · 10.0.0.1:80: private · 1,234 times

error.model user {"code":"auth","message":"bad key","retriable":true}
03:04:05  error.model (auth): bad key Sending the message again may help.

preview.url user {"summary":"a page"}
03:04:05  preview.url · a page

brand.new user {}
03:04:05  brand.new ·
"#;

#[test]
fn every_type_has_its_lines() {
    let mut shown = String::new();
    // A block begins with an event; a blank line may stand within what it is shown as.
    for line in GOLDEN.lines().filter(|line| line.ends_with('}')) {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (level, body) = rest.split_once(' ').unwrap();
        let lines = plain(kind, level, serde_json::from_str(body).unwrap());
        shown.push_str(&format!("\n{line}\n{}\n", lines.trim_end()));
    }
    assert_eq!(shown, GOLDEN);
}

#[test]
fn what_went_wrong_is_told_once() {
    let mut render = Render::new(Paint(false));
    let error = json!({ "code": "auth", "message": "bad key" });
    let end = event(
        "turn.completed",
        "user",
        json!({ "yield_reason": "error", "error": error }),
    );
    render.event(&event("error.model", "user", error));
    let shown = render.event(&end);
    assert_eq!(shown.as_deref(), Some("03:04:05  ✗ turn failed"));
    let alone = render.event(&end);
    assert_eq!(
        alone.as_deref(),
        Some("03:04:05  ✗ turn failed\n          bad key")
    );
}

#[test]
fn a_part_of_a_message_says_that_it_is_one() {
    let mut part = event("agent.message", "user", json!({ "text": "begin…" }));
    part["body_truncated"] = true.into();
    part["body_bytes"] = 40_000.into();
    let shown = Render::new(Paint(false)).event(&part);
    let want = "03:04:05  agent ▸ begin…\n          (the beginning of 40,000 bytes)";
    assert_eq!(shown.as_deref(), Some(want));
}

#[test]
fn model_calls_are_shown_only_to_whoever_asks() {
    let model = event(
        "model.completed",
        "internal",
        json!({ "stop_reason": "end_turn" }),
    );
    assert_eq!(Render::new(Paint(false)).event(&model), None);
}

#[test]
fn what_say_and_ask_do_is_shown_once_only() {
    for tool in ["say", "ask"] {
        assert_eq!(
            plain(
                "tool.call",
                "internal",
                json!({ "tool": tool, "args_summary": "x" })
            ),
            ""
        );
        assert_eq!(
            plain(
                "tool.result",
                "internal",
                json!({ "tool": tool, "output": "ok" })
            ),
            ""
        );
    }
}

#[test]
fn a_turn_tells_how_long_it_took_if_its_start_was_seen() {
    let mut render = Render::new(Paint(false));
    let at = |ts: &str, kind: &str| json!({ "ts": ts, "type": kind, "body": { "turn_id": "t1", "yield_reason": "completed" } });
    render.event(&at("2026-01-02T03:04:05.000Z", "turn.started"));
    let end = render.event(&at("2026-01-02T03:04:06.250Z", "turn.completed"));
    assert_eq!(end.as_deref(), Some("03:04:06  ✓ turn completed · 1.2 s"));
    let again = render.event(&at("2026-01-02T03:04:07.000Z", "turn.completed"));
    assert_eq!(again.as_deref(), Some("03:04:07  ✓ turn completed"));
}

#[test]
fn a_request_is_shown_as_json_and_by_whom() {
    let mut asked = event(
        "http.request",
        "user",
        json!({ "payload": { "issue": 7, "evil": "\u{9b}" } }),
    );
    let shown = Render::new(Paint(false)).event(&asked).unwrap_or_default();
    let lines =
        "03:04:05  request ▸ {\n            \"evil\": \"\",\n            \"issue\": 7\n          }";
    assert_eq!(shown, lines);
    asked["actor"] = json!({ "type": "trigger", "id": "hk_1", "display": "iss\u{1b}[1Aues" });
    asked["body"] = json!({ "payload": null });
    let shown = Render::new(Paint(false)).event(&asked).unwrap_or_default();
    assert_eq!(shown, "03:04:05  hook issues ▸ null");
}

#[test]
fn a_strangers_output_cannot_steer_the_terminal() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}hello\u{1b}[1A";
    for (kind, field) in [
        ("exec.completed", "output"),
        ("agent.message", "text"),
        ("tool.call", "args_summary"),
        ("weird", "summary"),
    ] {
        let shown = plain(kind, "user", json!({ "tool": "bash", field: evil }));
        assert!(
            shown.contains("hello") && !shown.contains('\u{1b}') && !shown.contains('\u{7}'),
            "{kind}: {shown:?}"
        );
    }
}

#[test]
fn long_output_is_shortened_and_dimmed() {
    let output = (0..100).map(|n| format!("line {n}\n")).collect::<String>();
    let body = json!({ "tool": "bash", "output": output, "exit_code": 0 });
    let shown = Render::new(Paint(true))
        .event(&event("exec.completed", "internal", body))
        .unwrap_or_default();
    assert_eq!(shown.lines().count(), OUTPUT + 1);
    assert!(shown.contains("\x1b[2m… 93 more lines …\x1b[0m"), "{shown}");
}

#[test]
fn an_event_of_any_shape_is_rendered() {
    for event in [
        json!({}),
        json!(null),
        json!({ "type": 7, "body": [] }),
        json!({ "type": "turn.completed", "body": { "error": {} } }),
    ] {
        assert!(Render::new(Paint(false)).event(&event).is_some(), "{event}");
    }
}
