//! Running the programs that people run in sandboxes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::rig::Inside;

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// Runs `argv` in `folder` as a program of that sandbox would run: told of the
/// proxy and of whom to trust by the variables, and of nothing else.
pub async fn run(inside: &Inside, folder: &Path, argv: &[&str]) -> Ran {
    let trust = inside.trust();
    let mut command = Command::new(argv[0]);
    command
        .args(&argv[1..])
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        // The host's own settings are not a sandbox's.
        .env("npm_config_globalconfig", folder.join("none"))
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env_remove("PIP_FIND_LINKS")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env(name, &inside.proxy);
    }
    for name in [
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
    ] {
        command.env(name, &trust);
    }
    let ran = tokio::time::timeout(Duration::from_secs(120), command.output());
    let output = ran
        .await
        .expect("in time")
        .expect("the program is installed");
    Ran {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs it and expects that it succeeds; what it said.
pub async fn ran(inside: &Inside, folder: &Path, argv: &[&str]) -> String {
    let ran = run(inside, folder, argv).await;
    assert!(ran.ok, "{argv:?}: {ran:?} {:?}", inside.told());
    ran.out
}
