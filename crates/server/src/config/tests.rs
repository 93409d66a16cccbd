//! File, environment and flags together, and what is refused.

use super::*;

fn file(text: &str) -> Result<Config, String> {
    let settings = Settings::parse(text)?;
    settings.hold().map_err(|error| error.to_string())
}

#[test]
fn a_flag_wins_over_a_file_and_a_default_fills_the_rest() {
    let file = Settings::parse("lease_seconds = 30\nturn_seconds = 60").unwrap();
    let mut flags = Settings::default();
    flags.turns.turn_seconds = Some(7);
    let config = flags.over(file).hold().unwrap();
    assert_eq!(
        (
            config.turns.turn_seconds,
            config.node.lease_seconds,
            config.node.heartbeat_seconds
        ),
        (7, 30, 15)
    );
}

#[test]
fn tables_are_for_the_file() {
    let config = file(
        "[org_turns_of]\norg_1 = 50\n[prices.\"anthropic/claude-x\"]\ninput = 3\noutput = 15.0\ncache_read = 0.3\n",
    )
    .unwrap();
    assert_eq!(config.turns.org_turns_of["org_1"], 50);
    let price = config.models.prices["anthropic/claude-x"];
    assert_eq!((price.input, price.output), (3.0, 15.0));
    assert_eq!((price.cache_write, price.cache_read), (None, Some(0.3)));
    let nanos = session::Prices::from(super::models::Price {
        input: 0.000_01,
        ..price
    });
    assert_eq!((nanos.input, nanos.cache_write), (1, 1));
    assert_eq!((nanos.output, nanos.cache_read), (15_000, 300));
}

#[test]
fn the_tables_in_the_documents_are_right() {
    let document = include_str!("../../../../docs/operations.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let config = file(rest.split_once("```").unwrap().0).unwrap();
    assert_eq!(config.models.prices.len(), 1);
    assert_eq!(config.turns.org_turns_of.len(), 1);
}

#[test]
fn the_published_name_of_the_idle_timeout_works_in_a_file() {
    assert_eq!(
        file("idle_timeout_s = 9")
            .unwrap()
            .sandboxes
            .idle_timeout_seconds,
        9
    );
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    for (text, named) in [
        ("lissen = \"x\"", "lissen"),
        ("turn_seconds = \"long\"", "turn_seconds"),
        ("listen = \"here\"", "listen"),
        ("turn_seconds = -1", "turn_seconds"),
        ("[prices.\"a/b\"]\ninput = 1.0\noutputs = 2.0", "prices"),
        ("= 1", "line 1"),
    ] {
        let problem = file(text).unwrap_err();
        assert!(problem.contains(named), "{text}: {problem}");
    }
}

#[test]
fn a_value_out_of_range_names_the_option_and_what_would_be_right() {
    for (name, value) in [
        ("turn_steps", "0"),
        ("turn_seconds", "0"),
        ("tool_seconds", "0"),
        ("waiting_seconds", "0"),
        ("loop_after", "1"),
        ("org_turns", "0"),
        ("org_turns_of", "{ org_1 = 0 }"),
        ("lease_seconds", "1"),
        ("heartbeat_seconds", "0"),
        ("max_running", "0"),
        ("model_attempts", "0"),
        ("model_seconds", "0"),
        ("prices", "{ \"a/b\" = { input = -1, output = 1 } }"),
        ("prices", "{ \"a/b\" = { input = nan, output = 1 } }"),
        ("sandbox_memory_mb", "1"),
        ("sandbox_driver", "\"vm\""),
        ("sandbox_start_seconds", "0"),
        ("idle_timeout_seconds", "0"),
        ("checkpoint_seconds", "0"),
        ("checkpoint_mb", "0"),
        ("checkpoints_kept", "0"),
        ("org_tokens_per_day", "0"),
        ("org_tokens_per_month", "0"),
        ("org_usd_per_day", "0.0"),
        ("org_usd_per_month", "nan"),
        ("session_hour_usd", "-0.1"),
        ("log_format", "\"xml\""),
    ] {
        let problem = file(&format!("{name} = {value}")).unwrap_err();
        assert!(
            problem.starts_with(&format!("`{name}` is ")) && problem.contains("give"),
            "{problem}"
        );
    }
}

#[test]
fn a_secret_is_never_printed() {
    let config = file(
        "bootstrap_key = \"osb_secret\"\ndatabase_url = \"postgres://u:hunter2@h/d\"\nopenai_api_key = \"sk-1\"",
    )
    .unwrap();
    let shown = format!("{config:?} {}", toml::to_string(&config).unwrap());
    for secret in ["osb_secret", "hunter2", "sk-1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("(set)"));
}
