//! Secret stores and secrets by the command line: values go in and are never
//! shown, hosts stay unless others are given.

use serde_json::{Value, json};

use super::{oc, oc_reads};
use crate::harness::Server;

const CANARY: &str = "canary-5ecre7-value-z9y8";

/// Without the value.
fn quiet(text: &str) -> &str {
    assert!(!text.contains("canary"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_made_filled_shown_and_deleted() {
    let server = Server::start();
    let create = "secret-store create --name ci --egress-allowlist api.test,*.github.com --json";
    let made = oc(&server, &create.split(' ').collect::<Vec<_>>()).json();
    assert_eq!(made["egressAllowlist"], json!(["api.test", "*.github.com"]));
    let set = [
        "secret",
        "set",
        "ci",
        "TOKEN",
        "--from-stdin",
        "--allowed-hosts",
        "api.github.com",
    ];
    let run = oc_reads(&server, &set, &format!("{CANARY}\n")).well();
    assert_eq!(quiet(&run.out), "Set TOKEN.\n");
    // By the store's id, and the value as an argument: the hosts stay.
    let id = made["id"].as_str().unwrap();
    let again = oc(&server, &["secret", "set", id, "TOKEN", CANARY, "--json"]);
    assert_eq!(again.json(), json!({ "name": "TOKEN", "status": "set" }));
    let list = oc(&server, &["secret", "list", "ci"]).well();
    assert!(quiet(&list.out).contains("TOKEN"), "{list:?}");
    assert!(list.out.contains("api.github.com"), "{list:?}");
    let open = [
        "secret",
        "set",
        "ci",
        "TOKEN",
        CANARY,
        "--allowed-hosts",
        "",
    ];
    oc(&server, &open).well();
    let list = oc(&server, &["secret", "ls", "ci", "--json"]).json();
    assert_eq!(list[0]["allowedHosts"], json!([]));

    let stores = oc(&server, &["secret-store", "list"]).well();
    assert!(stores.out.contains("api.test *.github.com"), "{stores:?}");
    let all = [
        "secret-store",
        "update",
        "ci",
        "--egress-allowlist",
        "",
        "--name",
        "cd",
    ];
    oc(&server, &all).well();
    let shown = oc(&server, &["secret-store", "get", "cd"]).well();
    assert!(shown.out.contains("all"), "{shown:?}");

    oc(&server, &["secret", "delete", "cd", "TOKEN"]).well();
    let gone = oc(&server, &["secret", "delete", "cd", "TOKEN", "--json"]);
    assert_eq!(gone.code, 3);
    let error: Value = serde_json::from_str(&gone.err).unwrap();
    assert_eq!(error["type"], "not_found");
    let taken = oc(&server, &["secret-store", "create", "--name", "cd"]);
    assert_eq!(
        (taken.code, taken.err.contains("`cd`")),
        (4, true),
        "{taken:?}"
    );
    oc(&server, &["secret-store", "delete", "cd"]).well();
    let none = oc(&server, &["secret-store", "list"]).well();
    assert!(none.out.contains("No secret stores yet"), "{none:?}");
    let gone = oc(&server, &["secret-store", "get", "cd"]);
    assert_eq!(
        (gone.code, gone.err.contains("`cd`")),
        (3, true),
        "{gone:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_s_secrets_and_egress_are_set_by_its_name() {
    let server = Server::start();
    oc(&server, &["secret-store", "create", "--name", "ci"]).well();
    let create = "agent create coder --prompt p --model test/script --egress api.test,*.github.com \
                  --secret-store ci --json";
    let made = oc(&server, &create.split_whitespace().collect::<Vec<_>>()).json();
    assert_eq!(
        made["egress"],
        json!({ "allowlist": ["api.test", "*.github.com"] })
    );
    assert_eq!(made["secret_store"], "ci");
    let update = [
        "agent",
        "update",
        "coder",
        "--egress",
        "none",
        "--secret-store",
        "",
        "--json",
    ];
    let now = oc(&server, &update).json();
    assert_eq!(
        (&now["egress"], &now["secret_store"]),
        (&json!("none"), &Value::Null)
    );

    let set = ["agent", "secret", "set", "TOKEN", "--agent", "coder"];
    let run = oc_reads(&server, &set, CANARY).well();
    assert_eq!(quiet(&format!("{}{}", run.out, run.err)), "Set TOKEN.\n");
    let list = oc(&server, &["agent", "secret", "list", "--agent", "coder"]).well();
    assert!(
        list.out.contains("z9y8") && quiet(&list.out).contains("TOKEN"),
        "{list:?}"
    );
    let store = format!("agent:{}", made["id"].as_str().unwrap());
    let same = oc(&server, &["secret", "list", &store, "--json"]).json();
    assert_eq!(same[0]["name"], "TOKEN");
    let delete = [
        "agent", "secret", "delete", "TOKEN", "--agent", "coder", "--json",
    ];
    assert_eq!(oc(&server, &delete).json()["deleted"], true);
    let none = oc(&server, &["agent", "secret", "list", "--agent", "coder"]).well();
    assert!(none.out.contains("No secrets yet"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_without_the_value() {
    let server = Server::start();
    oc(&server, &["secret-store", "create", "--name", "ci"]).well();
    for (arguments, input, code) in [
        (vec!["secret", "set", "ci", "../x", "v"], "", 2),
        (vec!["secret", "delete", "ci", ".."], "", 2),
        (vec!["secret", "set", "ci", "1X", "canary"], "", 3),
        (
            vec!["secret", "set", "ci", "X", "--from-stdin"],
            "canary\ncanary",
            3,
        ),
        (vec!["secret", "set", "ci", "X", "--from-stdin"], "", 3),
        (vec!["secret", "set", "nobody", "X", "canary"], "", 3),
        (
            vec![
                "secret",
                "set",
                "ci",
                "X",
                "canary",
                "--allowed-hosts",
                "https://x",
            ],
            "",
            3,
        ),
        (vec!["secret-store", "update", "ci"], "", 2),
    ] {
        let run = oc_reads(&server, &arguments, input);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        quiet(&format!("{}{}", run.out, run.err));
    }
    let long = "canary".repeat(30_000);
    let run = oc_reads(
        &server,
        &["secret", "set", "ci", "X", "--from-stdin"],
        &long,
    );
    assert_eq!(
        (run.code, run.err.contains("128 KiB")),
        (1, true),
        "too long"
    );
}
