//! What the house is built from: `deny.toml` read against `cargo metadata`, for
//! machines that have no `cargo deny`. It checks licences, banned crates and
//! sources; advisories need the tool itself.

use serde::Deserialize;

use crate::arrows::metadata;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    registries: Vec<String>,
}

fn deny() -> Deny {
    let path = crate::tidy::root().join("deny.toml");
    toml::from_str(&std::fs::read_to_string(path).expect("deny.toml")).expect("well formed")
}

/// Whether a licence expression can be met with the allowed licences. In
/// practice there are two shapes: alternatives of conjunctions, and with
/// brackets a conjunction of alternatives.
fn met(expression: &str, allowed: &[String]) -> bool {
    let licence = |name: &str| {
        let name = name.trim_matches(|c: char| c.is_whitespace() || c == '(' || c == ')');
        allowed.iter().any(|allowed| allowed == name)
    };
    if expression.contains('(') {
        return expression
            .split(" AND ")
            .all(|part| part.split(" OR ").any(licence));
    }
    let alternatives = expression.replace('/', " OR ");
    alternatives
        .split(" OR ")
        .any(|all| all.split(" AND ").all(licence))
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, want) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND ISC", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR GPL-3.0) AND Zlib", false),
    ] {
        assert_eq!(met(expression, &allowed), want, "{expression}");
    }
}

#[test]
fn every_library_has_an_allowed_licence() {
    let allowed = deny().licenses.allow;
    let wrong: Vec<_> = metadata()
        .packages
        .into_iter()
        .filter(|package| {
            !package
                .license
                .as_deref()
                .is_some_and(|licence| met(licence, &allowed))
        })
        .map(|package| format!("{}: {:?}", package.name, package.license))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_banned_library_and_no_unknown_source() {
    let deny = deny();
    let banned: Vec<_> = deny
        .bans
        .deny
        .iter()
        .map(|banned| banned.name.as_str())
        .collect();
    for wanted in [
        "openssl",
        "openssl-sys",
        "native-tls",
        "aws-lc-rs",
        "aws-lc-sys",
    ] {
        assert!(
            banned.contains(&wanted),
            "one TLS stack: {wanted} must be banned"
        );
    }
    for package in metadata().packages {
        assert!(
            !banned.contains(&package.name.as_str()),
            "{} is banned",
            package.name
        );
        let known = package.source.as_ref().is_none_or(|source| {
            deny.sources
                .registries
                .iter()
                .any(|registry| source.repr.ends_with(registry))
        });
        assert!(known, "{} comes from {:?}", package.name, package.source);
    }
}
