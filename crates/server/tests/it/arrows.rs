//! Who may know whom, read from `cargo metadata`: the arrows of the design and
//! no other, for builds and tests alike.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The packages of the workspace as cargo sees them on this machine.
pub fn metadata() -> Metadata {
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    let here = format!("{}-unknown-linux-{libc}", std::env::consts::ARCH);
    let options = ["--locked", "--offline", "--filter-platform", &here];
    MetadataCommand::new()
        .current_dir(crate::tidy::root())
        .other_options(options.map(str::to_owned))
        .exec()
        .expect("cargo can read the workspace")
}

/// A room, and the rooms it may know. `bench` stands outside the house.
const ARROWS: [(&str, &[&str]); 8] = [
    ("session", &[]),
    ("guest", &[]),
    ("egress", &[]),
    ("store", &["session"]),
    ("brain", &["session"]),
    ("hands", &["guest"]),
    (
        "server",
        &["session", "guest", "egress", "store", "brain", "hands"],
    ),
    (
        "bench",
        &[
            "session", "guest", "egress", "store", "brain", "hands", "server",
        ],
    ),
];

#[test]
fn only_the_arrows_of_the_design() {
    let metadata = metadata();
    let rooms = metadata.workspace_packages();
    let names: BTreeSet<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    assert_eq!(names, known, "a room without a place in the design");
    for (room, may) in ARROWS {
        let package = rooms
            .iter()
            .find(|package| package.name == room)
            .expect("a room");
        let knows = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str());
        for other in knows.filter(|name| names.contains(name)) {
            assert!(may.contains(&other), "{room} may not know {other}");
        }
    }
}

/// What a room may not even reach through the libraries it uses.
const KEPT_OUT: [(&str, &[&str]); 5] = [
    (
        "session",
        &[
            "tokio",
            "futures",
            "axum",
            "hyper",
            "reqwest",
            "rusqlite",
            "tokio-postgres",
            "rand",
        ],
    ),
    ("store", &["axum", "hyper", "reqwest"]),
    ("brain", &["rusqlite", "tokio-postgres", "object_store"]),
    (
        "hands",
        &["rusqlite", "tokio-postgres", "axum", "reqwest", "secrecy"],
    ),
    ("egress", &["rusqlite", "tokio-postgres", "axum"]),
];

#[test]
fn rooms_stay_free_of_what_is_not_their_business() {
    let metadata = metadata();
    for (room, kept_out) in KEPT_OUT {
        let reached = reached(&metadata, room);
        for name in kept_out {
            assert!(!reached.contains(*name), "{room} reaches {name}");
        }
    }
}

/// Names of all packages that a room is built from.
fn reached(metadata: &Metadata, room: &str) -> BTreeSet<String> {
    let packages: BTreeMap<_, &Package> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name == room);
    let mut todo = vec![&start.expect("a room").id];
    let mut reached = BTreeSet::new();
    while let Some(id) = todo.pop() {
        let built_from = nodes[id].deps.iter().filter(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind == DependencyKind::Normal)
        });
        for dependency in built_from {
            if reached.insert(packages[&dependency.pkg].name.to_string()) {
                todo.push(&dependency.pkg);
            }
        }
    }
    reached
}
