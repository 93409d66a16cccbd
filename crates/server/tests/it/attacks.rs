//! What a program tries that wants out: from the hands of a session, and from a
//! brain sandbox. Each try is told with what came of it; nothing may be reached.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Server, script};

/// Tries in Python: for each a line `<name> <status or error>`.
const TRIES: &str = r#"
import os, socket, urllib.request, urllib.error
def http(url, proxy=None, data=None, **headers):
    ways = urllib.request.ProxyHandler({"http": proxy} if proxy else {})
    asked = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.build_opener(ways).open(asked, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except Exception as error:
        return type(error).__name__
def unix(path):
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path); return 200
        except OSError as error:
            return type(error).__name__
def tries():
    host, port, door = "@HOST@", @PORT@, "http://192.0.2.1"
    guest = "http://127.0.0.1:61443"
    yield "server_loopback", http(f"http://127.0.0.1:{port}/healthz")
    yield "server_host", http(f"http://{host}:{port}/healthz")
    for name in ("127.0.0.1", "localhost", host, "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"):
        yield "server_proxy_" + name, http(f"http://{name}:{port}/healthz", guest)
    for name in ("169.254.169.254", "2852039166", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]"):
        yield "metadata_" + name, http(f"http://{name}/latest/meta-data/")
        yield "metadata_proxy_" + name, http(f"http://{name}/latest/meta-data/", guest)
    yield "door_no_key", http(door + "/v1/messages", data=b"{}")
    token = {"x-api-key": "osb_sealed_" + "0" * 32}
    yield "door_wrong_key", http(door + "/v1/messages", data=b"{}", **token)
    yield "door_elsewhere", http(door + "/healthz")
    for path in ("/run/docker.sock", "/var/run/docker.sock", "\0oc", "@DATA@/link.sock"):
        yield "unix", unix(path)
def report():
    return "\n".join(f"{name} {came}" for name, came in tries())
"#;

/// An address of this machine that is not loopback, if it has one.
fn host() -> String {
    let told = Command::new("hostname").arg("-I").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    told.split_whitespace()
        .next()
        .unwrap_or("127.0.0.1")
        .to_owned()
}

fn tries(server: &Server) -> String {
    let port = server.url.rsplit(':').next().unwrap();
    let data = server.data.path().to_str().unwrap();
    TRIES
        .replace("@HOST@", &host())
        .replace("@PORT@", port)
        .replace("@DATA@", data)
}

/// Nothing answered; but for the door of a brain, which does not open.
fn all_shut(report: &str, door: bool) {
    assert!(report.lines().count() > 20, "{report}");
    for line in report.lines() {
        let (name, came) = line.rsplit_once(' ').unwrap();
        assert_ne!(came, "200", "{name}: {report}");
        match name {
            "door_elsewhere" if door => assert_eq!(came, "404", "{report}"),
            "door_no_key" | "door_wrong_key" if door => assert_eq!(came, "401", "{report}"),
            // Cut while it is asked or while it waits: an error of either name.
            _ if name.starts_with("door_") => assert!(came.parse::<u16>().is_err(), "{report}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_reach_neither_server_nor_host_nor_metadata_nor_the_door() {
    let server = Server::start();
    let line = format!(
        "python3 - <<'END'\n{}\nprint(report())\nEND",
        tries(&server)
    );
    let steps = json!([
        { "call": [{ "tool": "bash", "args": { "command": line } }] },
        { "say": "{{last_result}}" }
    ]);
    let session = server.play(steps).await;
    server.turn_end(&session, 1).await;
    let report = server.result(&session).await;
    all_shut(&report, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brain_sandbox_reaches_the_door_alone_and_that_by_its_own_token() {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().join("runtimes");
    let server = Server::on(data, &[("OC_RUNTIMES", place.to_str().unwrap())]);
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/brain-python/brain.py"
    );
    let example = std::fs::read_to_string(example).unwrap();
    // The example, but for what it does in a turn.
    let (before, serve) = example.rsplit_once("ThreadingHTTPServer(").unwrap();
    let turn = r#"
def turn(asked, tell):
    post(asked["config"]["mcp_endpoint"], {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "say", "arguments": {"text": report()}}})
    return "quiescent"
"#;
    let brain = format!(
        "{before}{}\n{turn}\nThreadingHTTPServer({serve}",
        tries(&server)
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("brain.py"), brain).unwrap();
    let added = Command::new(Server::program())
        .args([
            "runtime",
            "add",
            "burglar",
            "--command",
            "python3 brain.py",
            "--dir",
        ])
        .arg(folder.path())
        .arg("--runtimes")
        .arg(&place)
        .stdout(Stdio::null())
        .status();
    assert!(added.unwrap().success());
    let wanted = json!({
        "name": "b", "model": "test/script", "prompt": "p", "runtime": "burglar",
    });
    let agent = server.post("/v3/agents", wanted).await;
    let text = script(json!([{ "say": "never asked" }]));
    let session = server.session(agent["id"].as_str().unwrap(), &text).await;
    let end = server.turn_end(&session, 1).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
    let report = server.result(&session).await;
    all_shut(&report, true);
}
