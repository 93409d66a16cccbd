//! Packages as they should be, and as somebody would make them who means harm.

use std::os::unix::fs::PermissionsExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

const KEEP: &[(&str, &str)] = &[("package/bin/x", "bin/x"), ("package/NOTE", "NOTE")];

/// An entry: its name, what it is, where it leads, what it holds.
type Entry<'a> = (&'a str, EntryType, &'a str, &'a [u8]);

fn file<'a>(name: &'a str, body: &'a [u8]) -> Entry<'a> {
    (name, EntryType::Regular, "", body)
}

/// A package; names are written as they are, whatever they say.
fn package(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, link, body) in entries {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(body.len() as u64);
        header.set_mode(if name.contains("bin") { 0o4777 } else { 0o600 });
        header.set_cksum();
        archive.append(&header, *body).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn tried(package: &[u8]) -> (tempfile::TempDir, Result<(), Error>) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("inner");
    std::fs::create_dir(&folder).unwrap();
    let done = unpack(package, KEEP, &folder);
    (outer, done)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_kept_is_kept_and_nothing_else() {
    let package = package(&[
        file("package/bin/x", b"run"),
        file("package/bin/y", b"no"),
        file("package/NOTE", b"note"),
    ]);
    let (outer, done) = tried(&package);
    done.unwrap();
    let folder = outer.path().join("inner");
    assert_eq!(names(&folder), ["NOTE", "bin"]);
    assert_eq!(names(&folder.join("bin")), ["x"]);
    let mode = |name| {
        std::fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(
        (mode("bin/x"), mode("NOTE")),
        (0o755, 0o644),
        "no more than that"
    );
}

#[test]
fn nothing_leaves_the_folder_whatever_a_package_says() {
    for bad in [
        file("../out", b"x"),
        file("/tmp/oc-out", b"x"),
        file("package/../../out", b"x"),
        ("package/bin", EntryType::Symlink, "../..", b""),
        ("package/l", EntryType::Link, "/etc/passwd", b""),
        ("package/dev", EntryType::Char, "", b""),
    ] {
        let package = package(&[
            bad,
            file("package/bin/x", b"run"),
            file("package/NOTE", b"n"),
        ]);
        let (outer, done) = tried(&package);
        done.unwrap();
        assert_eq!(names(outer.path()), ["inner"], "{}", bad.0);
        assert_eq!(
            names(&outer.path().join("inner")),
            ["NOTE", "bin"],
            "{}",
            bad.0
        );
    }
}

#[test]
fn a_wanted_file_that_is_a_link_or_missing_is_refused() {
    let link = ("package/bin/x", EntryType::Symlink, "/bin/sh", &b""[..]);
    let (_, done) = tried(&package(&[link, file("package/NOTE", b"n")]));
    assert!(done.unwrap_err().to_string().contains("bin/x is no file"));
    let (_, done) = tried(&package(&[file("package/NOTE", b"n")]));
    assert!(done.unwrap_err().to_string().contains("no package/bin/x"));
}

#[test]
fn what_breaks_off_or_is_no_package_is_refused() {
    let whole = package(&[
        file("package/bin/x", &[7; 9_000]),
        file("package/NOTE", b"n"),
    ]);
    for bad in [&whole[..whole.len() / 2], b"", b"no package", &whole[..10]] {
        let (_, done) = tried(bad);
        assert!(matches!(done, Err(Error::Package(_))), "{}", bad.len());
    }
}

#[test]
fn a_second_file_of_the_same_name_does_not_replace_the_first() {
    let package = package(&[
        file("package/bin/x", b"first"),
        file("package/bin/x", b"second"),
        file("package/NOTE", b"n"),
    ]);
    let (outer, done) = tried(&package);
    done.unwrap();
    let kept = std::fs::read(outer.path().join("inner/bin/x")).unwrap();
    assert_eq!(kept, b"first");
}
