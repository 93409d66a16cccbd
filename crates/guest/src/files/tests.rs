//! File operations against a real folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::file::{Entry, Kind, Span};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, content) in files {
            let path = folder.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn path(&self, path: &str) -> String {
        self.0.path().join(path).display().to_string()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn edit(&self, path: &str, old: &str, new: &str, replace_all: bool) -> Outcome {
        let (path, old, new) = (self.path(path), old.to_owned(), new.to_owned());
        carry_out(FileOp::Edit {
            path,
            old,
            new,
            replace_all,
        })
    }

    fn grep(&self, pattern: &str, glob: Option<&str>, limit: u32) -> (Vec<(String, u64)>, bool) {
        let (path, pattern, glob) = (self.path(""), pattern.to_owned(), glob.map(str::to_owned));
        let op = FileOp::Grep {
            path,
            pattern,
            glob,
            ignore_case: false,
            limit,
        };
        let Ok((FileOut::Found { matches, more }, _)) = carry_out(op) else {
            panic!("no matches")
        };
        let root = self.path("");
        let short = |path: String| path.strip_prefix(&root).unwrap().to_owned();
        (
            matches
                .into_iter()
                .map(|m| (short(m.path), m.line))
                .collect(),
            more,
        )
    }
}

fn fault_of(outcome: Outcome) -> FileFault {
    outcome.unwrap_err().fault
}

#[test]
fn a_part_of_a_file_is_read_by_bytes_or_lines() {
    let folder = Folder::new(&[("f", "one\ntwo\nthree")]);
    let bytes = |offset, limit| Span::Bytes { offset, limit };
    let lines = |first, count| Span::Lines {
        first,
        count,
        limit: 100,
    };
    for (span, text, more) in [
        (bytes(0, 100), "one\ntwo\nthree", false),
        (bytes(0, 13), "one\ntwo\nthree", false),
        (bytes(4, 3), "two", true),
        (bytes(99, 3), "", false),
        (lines(1, 2), "one\ntwo\n", true),
        (lines(3, 9), "three", false),
        (lines(4, 1), "", false),
        (
            Span::Lines {
                first: 1,
                count: 9,
                limit: 5,
            },
            "one\nt",
            true,
        ),
    ] {
        let got = carry_out(FileOp::Read {
            path: folder.path("f"),
            span,
        })
        .unwrap();
        let out = FileOut::Read {
            bytes: vec![],
            size: 13,
            more,
        };
        assert_eq!(got, (out, text.as_bytes().to_vec()), "{span:?}");
    }
}

#[test]
fn what_is_no_readable_file_is_told_apart() {
    let folder = Folder::new(&[("d/x", "")]);
    std::process::Command::new("mkfifo")
        .arg(folder.path("pipe"))
        .status()
        .unwrap();
    symlink("loop", folder.path("loop")).unwrap();
    for (path, want) in [
        ("none", FileFault::NotFound),
        ("d", FileFault::WrongKind),
        ("pipe", FileFault::WrongKind),
        ("d/x/y", FileFault::WrongKind),
        ("loop", FileFault::Other),
    ] {
        let span = Span::Bytes {
            offset: 0,
            limit: 1,
        };
        assert_eq!(
            fault_of(carry_out(FileOp::Read {
                path: folder.path(path),
                span
            })),
            want
        );
    }
    let span = Span::Bytes {
        offset: 0,
        limit: 1,
    };
    let zero = FileOp::Read {
        path: "/dev/zero".to_owned(),
        span,
    };
    assert_eq!(fault_of(carry_out(zero)), FileFault::WrongKind);
}

#[test]
fn a_write_makes_folders_keeps_the_mode_and_follows_a_link() {
    let folder = Folder::new(&[("run.sh", "old")]);
    fs::set_permissions(folder.path("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run.sh", folder.path("link")).unwrap();
    for (path, bytes, created) in [
        ("a/b/c", &b"new"[..], true),
        ("link", b"\xff\0", false),
        ("a/b/c", b"", false),
    ] {
        let op = FileOp::Write {
            path: folder.path(path),
            bytes: bytes.to_vec(),
        };
        let size = bytes.len() as u64;
        assert_eq!(
            carry_out(op).unwrap().0,
            FileOut::Written { size, created },
            "{path}"
        );
    }
    assert_eq!(fs::read(folder.path("run.sh")).unwrap(), b"\xff\0");
    assert_eq!(
        fs::metadata(folder.path("run.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert!(
        fs::symlink_metadata(folder.path("link"))
            .unwrap()
            .is_symlink()
    );
    let op = FileOp::Write {
        path: folder.path("a"),
        bytes: vec![],
    };
    assert_eq!(fault_of(carry_out(op)), FileFault::WrongKind);
    let left: Vec<_> = fs::read_dir(folder.path("a/b")).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
}

#[test]
fn an_edit_changes_exactly_what_it_names_or_nothing() {
    let folder = Folder::new(&[("f", "a b a")]);
    fs::write(folder.path("bin"), [0xff]).unwrap();
    for (path, old, new, all, want) in [
        ("f", "x", "y", false, Err(FileFault::NoMatch)),
        ("f", "a", "y", false, Err(FileFault::NotUnique)),
        ("f", "", "y", true, Err(FileFault::NoMatch)),
        ("f", "a", "a", true, Err(FileFault::Invalid)),
        ("bin", "a", "b", true, Err(FileFault::Invalid)),
        ("none", "a", "b", true, Err(FileFault::NotFound)),
        ("f", "b", "$1\\n", false, Ok(1)),
        ("f", "a", "aa", true, Ok(2)),
    ] {
        let got = folder.edit(path, old, new, all);
        let want = want.map(|replaced| (FileOut::Edited { replaced }, vec![]));
        assert_eq!(got.map_err(|error| error.fault), want, "{old:?} in {path}");
    }
    assert_eq!(folder.text("f"), "aa $1\\n aa");
}

#[test]
fn a_list_is_sorted_limited_and_shows_links_as_links() {
    let folder = Folder::new(&[("b", "12"), ("a/x", "")]);
    symlink("/nowhere", folder.path("c")).unwrap();
    let list = |limit| {
        carry_out(FileOp::List {
            path: folder.path(""),
            limit,
        })
        .unwrap()
        .0
    };
    let FileOut::Listed { entries, more } = list(9) else {
        panic!("no list")
    };
    let short = |e: &Entry| (e.name.clone(), e.kind, e.size, e.target.clone());
    assert_eq!(
        entries.iter().map(short).collect::<Vec<_>>(),
        [
            ("a".to_owned(), Kind::Folder, 0, None),
            ("b".to_owned(), Kind::File, 2, None),
            ("c".to_owned(), Kind::Link, 0, Some("/nowhere".to_owned())),
        ]
    );
    assert!(!more);
    assert!(matches!(list(2), FileOut::Listed { entries, more: true } if entries.len() == 2));
    let stat = carry_out(FileOp::Stat {
        path: folder.path("c"),
    })
    .unwrap()
    .0;
    assert!(matches!(
        stat,
        FileOut::Stat(Entry {
            kind: Kind::Link,
            ..
        })
    ));
}

#[test]
fn grep_finds_lines_in_text_files_that_are_not_ignored() {
    let folder = Folder::new(&[
        ("src/a.rs", "fn one() {}\nlet x;\r\nfn two() {}\n"),
        ("b.txt", "fn three"),
        ("out/c.rs", "fn ignored"),
        (".gitignore", "out/\n"),
        (".git/config", "fn git"),
        (".hidden", "fn hidden"),
        ("bin", "fn \0"),
    ]);
    let all = [
        (".hidden", 1),
        ("b.txt", 1),
        ("src/a.rs", 1),
        ("src/a.rs", 3),
    ];
    for (pattern, glob, limit, want, more) in [
        (r"^fn \w+", None, 99, &all[..], false),
        (r"^fn \w+", None, 4, &all, false),
        (r"^fn \w+", None, 3, &all[..3], true),
        ("fn", Some("**/*.rs"), 99, &all[2..], false),
        ("fn", Some("*.rs"), 99, &[], false),
        ("x;$", None, 9, &[("src/a.rs", 2)], false),
    ] {
        let (got, cut) = folder.grep(pattern, glob, limit);
        let got: Vec<_> = got
            .iter()
            .map(|(path, line)| (path.as_str(), *line))
            .collect();
        assert_eq!((got.as_slice(), cut), (want, more), "{pattern} {glob:?}");
    }
    let bad = FileOp::Grep {
        path: folder.path(""),
        pattern: "(".to_owned(),
        glob: None,
        ignore_case: false,
        limit: 1,
    };
    assert_eq!(fault_of(carry_out(bad)), FileFault::Invalid);
}

#[test]
fn a_glob_gives_the_newest_first_and_follows_no_links() {
    let folder = Folder::new(&[("old.py", ""), ("d/new.py", ""), ("x.txt", "")]);
    symlink("/usr", folder.path("usr")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let old = fs::File::options()
        .write(true)
        .open(folder.path("old.py"))
        .unwrap();
    old.set_modified(long_ago).unwrap();
    for (pattern, want, limit, more) in [
        ("**/*.py", vec!["d/new.py", "old.py"], 9, false),
        ("**/*.py", vec!["d/new.py"], 1, true),
        ("*.py", vec!["old.py"], 9, false),
        ("usr/**", vec![], 9, false),
    ] {
        let op = FileOp::Glob {
            path: folder.path(""),
            pattern: pattern.to_owned(),
            limit,
        };
        let paths = want.iter().map(|path| folder.path(path)).collect();
        assert_eq!(
            carry_out(op).unwrap().0,
            FileOut::Paths { paths, more },
            "{pattern}"
        );
    }
}

use std::time::SystemTime;
