//! Schedules by the command line.

use serde_json::json;

use super::{error, oc};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_changed_fired_and_deleted() {
    let server = Server::start();
    server.agent("watchman", "test/demo").await;
    let create = |cron| {
        let verb = [
            "agent", "schedule", "create", "yearly", "--agent", "watchman",
        ];
        let of = [
            "--cron",
            cron,
            "--input",
            "hi",
            "--tz",
            "Asia/Kathmandu",
            "--json",
        ];
        oc(&server, &[&verb[..], &of].concat())
    };
    let wrong = create("0 0 1 1");
    assert_eq!(
        (wrong.code, &error(&wrong)["param"]),
        (3, &json!("cron")),
        "{wrong:?}"
    );
    let made = create("0 0 1 1 *").json();
    assert_eq!(made["schedule"]["tz"], "Asia/Kathmandu");
    let shown = oc(&server, &["agent", "schedules", "--agent", "watchman"]).well();
    assert!(shown.out.contains("yearly"), "{shown:?}");

    let of = |verb| ["agent", "schedule", verb, "yearly", "--agent", "watchman"];
    let with = |verb, more: &[&'static str]| [&of(verb)[..], more].concat();
    assert_eq!(oc(&server, &of("update")).code, 2);
    let more = [
        "--tz",
        "",
        "--tokens-per-day",
        "9",
        "--overlap",
        "allow",
        "--json",
    ];
    let changed = oc(&server, &with("update", &more)).json();
    let changed = &changed["schedule"];
    assert_eq!(
        (&changed["tz"], &changed["overlap"]),
        (&json!(null), &json!("allow"))
    );
    assert_eq!(changed["caps"], json!({ "tokens_per_day": 9 }));
    let both = ["--no-caps", "--tokens-per-day", "9"];
    assert_eq!(oc(&server, &with("update", &both)).code, 2);
    let open = oc(&server, &with("update", &["--no-caps", "--json"])).json();
    assert_eq!(open["schedule"]["caps"], json!({}));
    let paused = oc(&server, &with("pause", &["--json"])).json();
    assert_eq!(paused["schedule"]["state"], "paused");
    let resumed = oc(&server, &of("resume")).well();
    assert!(resumed.out.contains("active"), "{resumed:?}");

    let none = oc(&server, &of("runs")).well();
    assert!(none.out.contains("It has not fired yet."), "{none:?}");
    for _ in 0..2 {
        let fired = oc(&server, &of("fire")).well();
        assert!(fired.out.contains("enacted"), "{fired:?}");
    }
    let runs = oc(&server, &with("runs", &["--limit", "1"])).well();
    assert!(
        runs.out.contains("ses_") && runs.err.contains("--cursor"),
        "{runs:?}"
    );
    let card = oc(&server, &of("get")).well();
    assert!(card.out.contains("0 0 1 1 *"), "{card:?}");
    let gone = oc(&server, &with("delete", &["--json"])).json();
    assert_eq!(gone["id"], made["schedule"]["id"]);
    let missing = oc(&server, &of("get"));
    assert!(
        missing.code == 3 && missing.err.contains("no schedule `yearly`"),
        "{missing:?}"
    );
}
