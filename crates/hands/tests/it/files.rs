//! File operations inside a sandbox, and that no path leads out of it.

use std::sync::Arc;

use hands::{Error, FileFault, FileOp, FileOut, Known, Sandbox, Span};

use crate::support::{Bench, fresh, says};

async fn read(sandbox: &Arc<dyn Sandbox>, path: &str) -> Result<String, Error> {
    let span = Span::Bytes {
        offset: 0,
        limit: 1 << 20,
    };
    match sandbox
        .file(
            &fresh(),
            FileOp::Read {
                path: path.to_owned(),
                span,
            },
        )
        .await?
    {
        FileOut::Read { bytes, .. } => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        other => panic!("{other:?}"),
    }
}

fn write(path: &str, bytes: &[u8]) -> FileOp {
    FileOp::Write {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    }
}

#[tokio::test]
async fn files_are_written_read_and_found() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let out = sandbox
        .file("w", write("src/a.txt", b"one\ntwo\n"))
        .await
        .unwrap();
    assert_eq!(
        out,
        FileOut::Written {
            size: 8,
            created: true
        }
    );
    assert_eq!(says(&sandbox, "cat /workspace/src/a.txt").await, "one\ntwo");
    assert_eq!(read(&sandbox, "src/a.txt").await.unwrap(), "one\ntwo\n");
    let pattern = "^two".to_owned();
    let path = ".".to_owned();
    let grep = FileOp::Grep {
        path,
        pattern,
        glob: None,
        ignore_case: false,
        limit: 9,
    };
    let FileOut::Found {
        matches,
        more: false,
    } = sandbox.file("g", grep).await.unwrap()
    else {
        panic!("no matches")
    };
    assert_eq!((matches.len(), matches[0].line), (1, 2));
    let big = vec![7u8; 9 << 20];
    sandbox
        .file("big", write("/var/tmp/big", &big))
        .await
        .unwrap();
    assert_eq!(
        says(&sandbox, "wc -c < /var/tmp/big").await,
        (9 << 20).to_string()
    );
    bench.end().await;
}

#[tokio::test]
async fn a_change_happens_once_under_its_id() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    sandbox.file("w", write("f", b"a")).await.unwrap();
    let edit = || FileOp::Edit {
        path: "f".to_owned(),
        old: "a".to_owned(),
        new: "aa".to_owned(),
        replace_all: false,
    };
    for _ in 0..3 {
        let out = sandbox.file("e", edit()).await.unwrap();
        assert_eq!(out, FileOut::Edited { replaced: 1 });
    }
    sandbox.file("w", write("f", b"other")).await.unwrap();
    assert_eq!(read(&sandbox, "f").await.unwrap(), "aa");
    sandbox.ack("e").await.unwrap();
    assert!(matches!(
        sandbox.file("e", edit()).await,
        Err(Error::Acked(_))
    ));
    assert!(matches!(
        sandbox.known("w").await,
        Err(Error::Refused(_)) | Ok(Known::Unknown)
    ));
    bench.end().await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_sandbox_or_into_its_guest() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let secret = bench.dir.path().join("secret");
    std::fs::write(&secret, "host secret").unwrap();
    let secret = secret.display().to_string();
    says(
        &sandbox,
        &format!("ln -s {secret} link; ln -s / root; ln -s /proc/1/root up"),
    )
    .await;
    let climb = format!("../../../../../../../..{secret}");
    let inner = format!("root{secret}");
    let proc = format!("/proc/1/root{secret}");
    for path in [
        secret.as_str(),
        "link",
        &climb,
        &inner,
        &proc,
        "up/etc/passwd",
    ] {
        let error = read(&sandbox, path).await.expect_err(path);
        let Error::File(error) = error else {
            panic!("{error}")
        };
        assert!(
            matches!(error.fault, FileFault::NotFound | FileFault::Denied),
            "{path}: {error}"
        );
    }
    for path in ["/proc/1/mem", "/proc/1/environ", "/proc/1/maps"] {
        assert!(read(&sandbox, path).await.is_err(), "{path}");
    }
    // The operation's own process has nothing but the pipe to its answer.
    let span = FileOp::List {
        path: "/proc/self/fd".to_owned(),
        limit: 99,
    };
    let FileOut::Listed { entries, .. } = sandbox.file("fds", span).await.unwrap() else {
        panic!("no list")
    };
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert!(
        names
            .iter()
            .all(|name| ["0", "1", "2", "3", "4"].contains(name)),
        "{names:?}"
    );
    let out = sandbox.file("wl", write("link", b"mine")).await;
    assert_eq!(
        std::fs::read_to_string(&secret).unwrap(),
        "host secret",
        "{out:?}"
    );
    for path in [
        "/proc/1/oom_score_adj",
        "/proc/sys/kernel/core_pattern",
        "/dev/null",
    ] {
        assert!(
            sandbox.file(&fresh(), write(path, b"x")).await.is_err(),
            "{path}"
        );
    }
    bench.end().await;
}
