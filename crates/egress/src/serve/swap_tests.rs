//! Which headers are changed, how, and which requests are stopped.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

const GIT: &str = "osb_sealed_0123456789abcdef0123456789abcdef";
const NPM: &str = "osb_sealed_fedcba9876543210fedcba9876543210";

fn pass() -> Pass {
    let grant = |name: &str, token: &str, hosts: &[&str]| Grant {
        name: name.into(),
        token: token.into(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
    };
    Pass {
        grants: vec![
            grant("GIT", GIT, &["git.example", "*.git.example"]),
            grant("NPM", NPM, &[]),
        ],
        reveal: Arc::new(|name| async move { Some(format!("real-{name}").into()) }.boxed()),
        ..Pass::open("sb")
    }
}

async fn swapped(pass: &Pass, host: &str, value: &str) -> Result<String, Stop> {
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_str(value).unwrap());
    swap(pass, host, true, &mut headers).await?;
    Ok(headers["x-key"].to_str().unwrap().to_owned())
}

fn basic(text: &str) -> String {
    format!("Basic {}", BASE64.encode(text))
}

#[tokio::test]
async fn tokens_are_swapped_wherever_they_stand_in_a_value() {
    let table = [
        (format!("Bearer {GIT}"), "Bearer real-GIT".to_owned()),
        (GIT.to_owned(), "real-GIT".to_owned()),
        (
            format!("a={GIT}; b={NPM}; c={GIT}"),
            "a=real-GIT; b=real-NPM; c=real-GIT".to_owned(),
        ),
        (format!("{GIT}-x"), "real-GIT-x".to_owned()),
        (basic(&format!("user:{GIT}")), basic("user:real-GIT")),
        (basic(&format!("{NPM}:{GIT}")), basic("real-NPM:real-GIT")),
        (
            basic(&format!("user:{GIT}")).replace("Basic ", "bAsIc  "),
            basic("user:real-GIT"),
        ),
        (
            basic(&format!("u:{GIT}")).trim_end_matches('=').to_owned(),
            basic("u:real-GIT"),
        ),
        ("nothing sealed".to_owned(), "nothing sealed".to_owned()),
        (basic("user:password"), basic("user:password")),
        ("Basic %%%".to_owned(), "Basic %%%".to_owned()),
    ];
    for (given, expected) in table {
        assert_eq!(
            swapped(&pass(), "git.example", &given).await,
            Ok(expected),
            "{given}"
        );
    }
}

#[tokio::test]
async fn a_token_that_may_not_go_there_stops_the_request() {
    let not_here = Stop::NotHere {
        name: "GIT".into(),
        hosts: vec!["git.example".into(), "*.git.example".into()],
    };
    let table = [
        ("evil.example", GIT.to_owned(), not_here.clone()),
        ("evil.example", format!("{NPM} {GIT}"), not_here.clone()),
        ("evil.example", basic(&format!("user:{GIT}")), not_here),
        ("git.example", format!("{GIT}00"), Stop::Unknown),
        ("git.example", GIT[..20].to_owned(), Stop::Unknown),
        ("git.example", PREFIX.to_owned(), Stop::Unknown),
        (
            "git.example",
            basic(&format!("{GIT}:osb_sealed_other")),
            Stop::Unknown,
        ),
    ];
    for (host, given, expected) in table {
        assert_eq!(
            swapped(&pass(), host, &given).await,
            Err(expected),
            "{given}"
        );
    }
}

#[tokio::test]
async fn no_secret_goes_unencrypted_or_into_the_hosts_name() {
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_static(GIT));
    let stop = swap(&pass(), "git.example", false, &mut headers).await;
    assert_eq!(stop, Err(Stop::Plain { name: "GIT".into() }));
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static(NPM));
    let stop = swap(&pass(), "git.example", true, &mut headers).await;
    assert_eq!(stop, Err(Stop::Unknown));
}

#[tokio::test]
async fn a_secret_that_is_gone_or_unfit_is_named() {
    let mut pass = pass();
    pass.reveal = Arc::new(|_| async { None }.boxed());
    let stop = swapped(&pass, "git.example", GIT).await.unwrap_err();
    assert_eq!(stop, Stop::Gone { name: "GIT".into() });
    pass.reveal = Arc::new(|_| async { Some("two\r\nlines: 1".to_owned().into()) }.boxed());
    let stop = swapped(&pass, "git.example", GIT).await.unwrap_err();
    assert_eq!(stop, Stop::Unfit { name: "GIT".into() });
    // Inside Basic any value can be carried.
    let carried = swapped(&pass, "git.example", &basic(&format!("u:{GIT}"))).await;
    assert_eq!(carried, Ok(basic("u:two\r\nlines: 1")));
}

#[tokio::test]
async fn what_was_put_in_is_marked_and_the_rest_untouched() {
    let mut headers = HeaderMap::new();
    headers.append("x-key", HeaderValue::from_static(GIT));
    headers.append("x-key", HeaderValue::from_static("other"));
    headers.append("x-raw", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    let used = swap(&pass(), "git.example", true, &mut headers).await;
    assert_eq!(used, Ok(vec!["GIT".to_owned()]));
    let keys: Vec<_> = headers.get_all("x-key").iter().collect();
    assert!(keys[0].is_sensitive() && !keys[1].is_sensitive());
    assert_eq!(
        (keys[0].as_bytes(), keys[1].as_bytes()),
        (&b"real-GIT"[..], &b"other"[..])
    );
    assert_eq!(headers["x-raw"].as_bytes(), b"\xff\xfe");
}

/// Runs to the end what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

proptest! {
    #[test]
    fn a_token_anywhere_in_a_value_is_swapped_and_its_neighbours_are_not(
        before in "[ -~]{0,40}[ =:;,\\-]",
        after in "([ =:;,\\-][ -~]{0,40})?",
    ) {
        prop_assume!(!before.contains(PREFIX) && !after.contains(PREFIX));
        prop_assume!(!before.to_ascii_lowercase().starts_with("basic "));
        let given = format!("{before}{GIT}{after}");
        let expected = format!("{before}real-GIT{after}");
        let got = now(swapped(&pass(), "git.example", &given));
        prop_assert_eq!(got, Ok(expected));
    }

    #[test]
    fn a_value_without_a_token_is_never_changed(value in "[ -~]{0,200}") {
        prop_assume!(!value.contains(PREFIX));
        let got = now(swapped(&pass(), "evil.example", &value));
        prop_assert_eq!(got, Ok(value));
    }

    #[test]
    fn what_goes_to_another_host_never_has_a_secret(user in "[a-z:]{0,20}", basic_form: bool) {
        let plain = format!("{user}:{GIT}");
        let given = if basic_form { basic(&plain) } else { plain };
        prop_assert!(now(swapped(&pass(), "evil.example", &given)).is_err());
    }
}
