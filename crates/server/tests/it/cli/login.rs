//! What a user's commands remember: an address and a key, kept by `oc login`.

use std::path::Path;

use super::{Run, bare};
use crate::harness::{KEY, Server};

/// A command of a user with this home.
fn at_home(home: &Path, arguments: &[&str]) -> Run {
    let mut command = bare(arguments);
    Run::of(command.env("HOME", home).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_once_it_opens_and_goes_to_its_server_only() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let home = home.path();
    let early = at_home(home, &["agent", "list"]);
    assert!(
        early.code == 1 && early.err.contains("oc login"),
        "{early:?}"
    );

    let wrong = KEY.replace('0', "f");
    let refused = at_home(
        home,
        &["login", "--api-url", &server.url, "--api-key", &wrong],
    );
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        !home.join(".oc").exists(),
        "a key that opens nothing is not kept"
    );

    let told = at_home(home, &["login", "--api-url", &server.url, "--api-key", KEY]).well();
    assert!(
        !told.out.contains(KEY) && told.out.contains(&server.url),
        "{told:?}"
    );
    at_home(home, &["agent", "list"]).well();
    let elsewhere = at_home(home, &["agent", "list", "--api-url", "http://127.0.0.1:9"]);
    assert!(elsewhere.err.contains("no API key"), "{elsewhere:?}");

    let shown = at_home(home, &["config", "show", "--json"]).json();
    assert_eq!(shown["api_url"], server.url);
    assert_eq!(shown["api_key"], "osb_0123…");
    at_home(home, &["logout"]).well();
    assert_eq!(at_home(home, &["agent", "list"]).code, 1);
    let url = at_home(home, &["config", "get", "api_url"]).well();
    assert_eq!(url.out.trim(), server.url);
}

#[test]
fn values_are_kept_shown_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert_eq!(at_home(home, &["config", "get", "api_url"]).code, 1);
    at_home(home, &["config", "set", "api_url", "http://h:1"]).well();
    assert_eq!(
        at_home(home, &["config", "set", "api_url", "nonsense"]).code,
        2
    );
    assert_eq!(at_home(home, &["config", "set", "colour", "red"]).code, 2);
    let shown = at_home(home, &["config", "get", "api_url"]).well();
    assert_eq!(shown.out, "http://h:1\n");
    at_home(home, &["config", "set", "api_url", ""]).well();
    assert_eq!(at_home(home, &["config", "get", "api_url"]).code, 1);
    // The server's options are where they were.
    let options = at_home(home, &["config"]).well();
    assert!(options.out.contains("lease_seconds"), "{options:?}");
}
