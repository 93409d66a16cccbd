//! `git` over HTTPS with a sealed token: the real client against the real
//! `git http-backend`, which wants credentials.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::rig::{Answer, Inside, SECRET, Seen, Server, TOKEN, World, said};
use crate::run::{ran, run};

/// A bare repository with one commit, at `folder/private.git`.
async fn repository(inside: &Inside, folder: &Path) {
    let script = "git init -q -b main seed && cd seed && echo kept > file && git add file \
        && git -c user.name=a -c user.email=a@example commit -q -m first \
        && cd .. && git clone -q --bare seed private.git";
    ran(inside, folder, &["sh", "-c", script]).await;
}

/// Asks git's own server, as a web server asks it (CGI).
async fn backend(root: PathBuf, seen: Seen) -> Answer {
    let wanted = format!(
        "Basic {}",
        STANDARD.encode(format!("x-access-token:{SECRET}"))
    );
    if seen.header("authorization") != Some(&wanted) {
        let mut answer = said("who are you?");
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        let basic = "Basic realm=\"git\"".parse().unwrap();
        answer.headers_mut().insert("www-authenticate", basic);
        return answer;
    }
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "x-access-token")
        .env("REQUEST_METHOD", seen.method.as_str())
        .env("PATH_INFO", seen.uri.path())
        .env("QUERY_STRING", seen.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", seen.body.len().to_string());
    for (variable, header) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        command.env(variable, seen.header(header).unwrap_or_default());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (_, output) = tokio::join!(
        async move {
            // It need not read all of what it was sent.
            let _ = stdin.write_all(&seen.body).await;
        },
        child.wait_with_output()
    );
    parsed(&output.unwrap().stdout)
}

fn parsed(output: &[u8]) -> Answer {
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let mut answer = Response::new(Full::from(Bytes::copy_from_slice(&output[end + 4..])));
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *answer.status_mut() = value[..3].parse().unwrap();
        } else {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    answer
}

#[tokio::test]
async fn a_private_repository_is_cloned_and_pushed_to_with_a_sealed_token() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let (root, tls) = (
        folder.path().to_owned(),
        world.server("git.example", &[b"h2", b"http/1.1"]),
    );
    let handler = Arc::new(move |seen| backend(root.clone(), seen).boxed());
    let server = Server::start(Some(tls), handler).await;
    let inside = Inside::new(&world, &["git.example"], &[("git.example", &server)]).await;
    repository(&inside, folder.path()).await;

    let url = format!("https://x-access-token:{TOKEN}@git.example/private.git");
    ran(
        &inside,
        folder.path(),
        &["git", "clone", "-q", &url, "copy"],
    )
    .await;
    let copy = folder.path().join("copy");
    assert_eq!(
        std::fs::read_to_string(copy.join("file")).unwrap(),
        "kept\n"
    );

    let script = "head -c 3000000 /dev/urandom > more && git add more \
        && git -c user.name=a -c user.email=a@example commit -q -m second && git push -q";
    ran(&inside, &copy, &["sh", "-c", script]).await;
    let bare = folder.path().join("private.git");
    let log = ran(&inside, &bare, &["git", "log", "--format=%s", "main"]).await;
    assert_eq!(log, "second\nfirst\n");
    let config = std::fs::read_to_string(copy.join(".git/config")).unwrap();
    assert!(
        config.contains(TOKEN) && !config.contains(SECRET),
        "{config}"
    );
    let told = inside.told();
    assert!(
        !told.is_empty() && told.iter().all(|one| one == "Granted git.example KEY"),
        "{told:?}"
    );
}

#[tokio::test]
async fn with_a_token_of_somebody_else_git_is_told_that_it_may_not() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let (root, tls) = (
        folder.path().to_owned(),
        world.server("git.example", &[b"http/1.1"]),
    );
    let handler = Arc::new(move |seen| backend(root.clone(), seen).boxed());
    let server = Server::start(Some(tls), handler).await;
    let inside = Inside::new(&world, &["git.example"], &[("git.example", &server)]).await;
    let other = TOKEN.replace('0', "f");
    let url = format!("https://x-access-token:{other}@git.example/private.git");
    let refused = run(
        &inside,
        folder.path(),
        &["git", "clone", "-q", &url, "copy"],
    )
    .await;
    assert!(!refused.ok && refused.err.contains("403"), "{refused:?}");
}
