//! `pip` and `npm` with private registries that want credentials.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use hyper::StatusCode;

use crate::rig::{Answer, Handler, Inside, SECRET, Seen, Server, TOKEN, World, said};
use crate::run::ran;

/// Serves what `page` gives to whoever says `wanted`.
fn private(
    wanted: String,
    page: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
) -> Handler {
    Arc::new(move |seen| {
        let known = seen.header("authorization") == Some(&wanted);
        let mut answer = match known {
            true => page(&seen).unwrap_or_else(|| status(StatusCode::NOT_FOUND)),
            false => status(StatusCode::UNAUTHORIZED),
        };
        let basic = "Basic realm=\"packages\"".parse().unwrap();
        answer.headers_mut().insert("www-authenticate", basic);
        async { answer }.boxed()
    })
}

fn status(status: StatusCode) -> Answer {
    let mut answer = said("");
    *answer.status_mut() = status;
    answer
}

/// An answer of this type.
fn typed(content: &'static str, body: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = said(body);
    answer
        .headers_mut()
        .insert("content-type", content.parse().unwrap());
    answer
}

const WHEEL: &str = "tiny-1.0-py3-none-any.whl";

/// A wheel of one module.
async fn wheel(inside: &Inside, folder: &Path) -> Vec<u8> {
    let script = format!(
        "import zipfile\n\
         z = zipfile.ZipFile('{WHEEL}', 'w')\n\
         z.writestr('tiny.py', 'size = 1\\n')\n\
         z.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')\n\
         z.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         z.writestr('tiny-1.0.dist-info/RECORD', '')\n\
         z.close()\n"
    );
    ran(inside, folder, &["python3", "-c", &script]).await;
    std::fs::read(folder.join(WHEEL)).unwrap()
}

#[tokio::test]
async fn pip_downloads_from_a_private_index() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let made = Inside::new(&world, &[], &[]).await;
    let wheel = wheel(&made, folder.path()).await;
    let wanted = format!("Basic {}", STANDARD.encode(format!("__token__:{SECRET}")));
    let handler = private(wanted, {
        let wheel = wheel.clone();
        move |seen| match seen.uri.path() {
            "/simple/tiny/" => Some(typed(
                "text/html",
                format!("<a href=\"/files/{WHEEL}\">{WHEEL}</a>"),
            )),
            path if path.ends_with(WHEEL) => Some(typed("application/zip", wheel.clone())),
            _ => None,
        }
    });
    let tls = world.server("pypi.example", &[b"http/1.1"]);
    let server = Server::start(Some(tls), handler).await;
    let inside = Inside::new(&world, &["pypi.example"], &[("pypi.example", &server)]).await;
    let index = format!("https://__token__:{TOKEN}@pypi.example/simple/");
    let argv = [
        "python3",
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--index-url",
        &index,
        "-d",
        "got",
        "tiny",
    ];
    ran(&inside, folder.path(), &argv).await;
    assert!(std::fs::read(folder.path().join("got").join(WHEEL)).unwrap() == wheel);
    assert!(
        inside
            .told()
            .contains(&"Granted pypi.example KEY".to_owned())
    );
}

#[tokio::test]
async fn npm_installs_from_a_private_registry() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let made = Inside::new(&world, &[], &[]).await;
    let script = "mkdir package && echo '{\"name\":\"tiny\",\"version\":\"1.0.0\"}' > package/package.json \
        && tar czf tiny.tgz package && openssl dgst -sha512 -binary tiny.tgz | base64 -w0";
    let hash = ran(&made, folder.path(), &["sh", "-c", script]).await;
    let tarball = std::fs::read(folder.path().join("tiny.tgz")).unwrap();
    let packument = serde_json::json!({
        "name": "tiny",
        "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": {
            "name": "tiny", "version": "1.0.0",
            "dist": {
                "tarball": "https://npm.example/tiny/-/tiny-1.0.0.tgz",
                "integrity": format!("sha512-{hash}"),
            },
        } },
    });
    let handler = private(format!("Bearer {SECRET}"), move |seen| {
        match seen.uri.path() {
            "/tiny" => Some(typed("application/json", packument.to_string())),
            "/tiny/-/tiny-1.0.0.tgz" => Some(typed("application/octet-stream", tarball.clone())),
            _ => None,
        }
    });
    let tls = world.server("npm.example", &[b"http/1.1"]);
    let server = Server::start(Some(tls), handler).await;
    let inside = Inside::new(&world, &["npm.example"], &[("npm.example", &server)]).await;
    let project = folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(
        project.join("package.json"),
        "{\"name\":\"mine\",\"version\":\"1.0.0\"}",
    )
    .unwrap();
    let npmrc = format!(
        "registry=https://npm.example/\n//npm.example/:_authToken={TOKEN}\nfetch-retries=0\n\
         audit=false\nfund=false\nupdate-notifier=false\n"
    );
    std::fs::write(project.join(".npmrc"), npmrc).unwrap();
    ran(&inside, &project, &["npm", "install", "tiny"]).await;
    let installed =
        std::fs::read_to_string(project.join("node_modules/tiny/package.json")).unwrap();
    assert!(installed.contains("1.0.0"), "{installed}");
    assert!(
        inside
            .told()
            .contains(&"Granted npm.example KEY".to_owned())
    );
}
