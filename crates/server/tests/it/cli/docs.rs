//! What the documents tell people to type is typed here: blocks marked `bash run`
//! are run as they stand, and blocks marked `bash stream` until a turn ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Run;
use crate::harness::{KEY, Server};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The blocks of a document that are to be run, as one script.
fn script(text: &str) -> String {
    let (mut lines, mut inside) = (Vec::new(), None);
    for line in text.lines() {
        match (inside, line) {
            (None, "```bash run") => inside = Some(""),
            (None, "```bash stream") => {
                lines.push("{");
                inside = Some("} | sed '/turn.completed/q'");
            }
            (Some(end), "```") => {
                lines.push(end);
                inside = None;
            }
            (Some(_), line) => lines.push(line),
            (None, _) => {}
        }
    }
    lines.join("\n")
}

fn run(server: &Server, folder: &Path, line: &str) -> Run {
    let bin = Server::program().parent().unwrap().display().to_string();
    let mut shell = Command::new("bash");
    shell.args(["-euc", line]).current_dir(folder);
    shell.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()));
    shell
        .env("OPENCOMPUTER_API_URL", &server.url)
        .env("OPENCOMPUTER_API_KEY", KEY);
    Run::of(shell.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_every_document_work() {
    let server = Server::with(&[("OC_HEARTBEAT_SECONDS", "1")]);
    let mut documents: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    documents.push(root().join("README.md"));
    for document in documents {
        let script = script(&std::fs::read_to_string(&document).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let done = run(&server, folder.path(), &script);
        assert_eq!(
            done.code,
            0,
            "{}:\n{script}\n{}\n{}",
            document.display(),
            done.out,
            done.err
        );
        assert!(
            !done.out.contains("\"error\""),
            "{}: {}",
            document.display(),
            done.out
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_with_curl_alone_works() {
    let server = Server::with(&[("OC_HEARTBEAT_SECONDS", "1")]);
    let example = root().join("examples/curl.sh");
    let done = run(&server, &root(), &example.display().to_string()).well();
    assert_eq!(
        done.out.matches("\"type\":\"turn.completed\"").count(),
        2,
        "{}",
        done.out
    );
    assert!(done.out.contains("2 3 5 7 11 13"), "{}", done.out);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    documents.push(root().join("README.md"));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let path = link.0.split('#').next().unwrap_or_default();
            let there = path.is_empty()
                || path.starts_with("https://")
                || document.parent().unwrap().join(path).exists();
            assert!(there, "{}: {}", document.display(), link.0);
        }
    }
}
