//! A secret's way from the vault to a host that may have it, through a real
//! sandbox, guest and gate; and every place where it must not be.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, script};

/// Answers with the headers it was sent, over TLS.
const ECHO: &str = r"
import http.server, json, ssl, sys
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        said = json.dumps(dict(self.headers))
        sys.stdout.write(said + '\n'); sys.stdout.flush()
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Echo)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// Somebody's server on the internet.
struct World {
    folder: TempDir,
    child: Child,
    said: mpsc::Receiver<String>,
    port: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let leaf = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut proof = CertificateParams::new(names).unwrap();
        // With the issuer's name it would pass for self-signed.
        proof.distinguished_name = DistinguishedName::new();
        let proof = proof.signed_by(&leaf, &issuer).unwrap().pem();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("root.pem"), root).unwrap();
        std::fs::write(at("proof.pem"), proof).unwrap();
        std::fs::write(at("key.pem"), leaf.serialize_pem()).unwrap();
        let mut child = Command::new("python3")
            .args(["-c", ECHO])
            .args([at("proof.pem"), at("key.pem")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, said) = mpsc::channel();
        // It ends with the server's output.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let port = said.recv_timeout(PATIENCE).unwrap();
        Self {
            folder,
            child,
            said,
            port,
        }
    }

    /// A server of ours that may reach it and trusts its authority.
    fn server(&self) -> Server {
        let roots = self.folder.path().join("root.pem");
        Server::with(&[
            ("OC_ALLOW_PRIVATE", "1"),
            ("OC_EXTRA_ROOTS", roots.to_str().unwrap()),
            // Little to search.
            ("OC_SANDBOX_DISK_MB", "64"),
        ])
    }

    /// What the next request said in that header.
    fn heard(&self, header: &str) -> String {
        let said = self.said.recv_timeout(PATIENCE).expect("nobody called");
        let said: Value = serde_json::from_str(&said).unwrap();
        said[header].as_str().unwrap_or_default().trim().to_owned()
    }

    /// Shows the token, and sends it to that host. The names of this machine are
    /// known outside the sandbox only, so a proxy's way is taken.
    fn call(&self, host: &str) -> Value {
        let url = format!("https://{host}:{}/", self.port);
        let line = format!(
            "echo $API_KEY; curl -sS -x http://127.0.0.1:61443 -H \"Authorization: Bearer $API_KEY\" {url}; echo"
        );
        json!({ "call": [{ "tool": "bash", "args": { "command": line } }] })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn keep(server: &Server, agent: &str, value: &str) {
    let path = format!("/v3/agents/{agent}/secrets/API_KEY");
    let body = json!({ "value": value, "allowed_hosts": ["localhost"] });
    let (status, answer) = server.send(Method::PUT, &path, Some(body)).await;
    assert!(status.is_success(), "{answer}");
}

/// Lets the session make that call; what it printed.
async fn turn(server: &Server, session: &str, number: usize, call: Value) -> String {
    let text = script(json!([call, { "say": "{{last_result}}" }]));
    server.say(session, &text).await;
    server.turn_end(session, number).await;
    server.result(session).await
}

/// A session that has said nothing yet.
async fn quiet(server: &Server, agent: &str) -> String {
    let session = server.session(agent, "hello").await;
    server.turn_end(&session, 1).await;
    session
}

/// The files of the server, sandboxes' disks among them, in which that stands.
fn stands_in(server: &Server, what: &str) -> String {
    let found = Command::new("grep")
        .args(["-rlaF", "--", what])
        .arg(server.data.path())
        .output()
        .unwrap();
    assert!(
        found.status.code().is_some_and(|code| code < 2),
        "{found:?}"
    );
    String::from_utf8(found.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_its_host_and_is_nowhere_else() {
    const VALUE: &str = "sk-canary-5f0a9c7e3b";
    let world = World::new();
    let server = world.server();
    let agent = server.agent("caller", "test/script").await;
    keep(&server, &agent, VALUE).await;
    let session = quiet(&server, &agent).await;

    let said = turn(&server, &session, 2, world.call("localhost")).await;
    let token = said.lines().next().unwrap().to_owned();
    assert!(
        token.starts_with("osb_sealed_") && token.len() == 43,
        "{said}"
    );
    assert!(said.ends_with("ok"), "{said}");
    assert_eq!(world.heard("Authorization"), format!("Bearer {VALUE}"));

    // Another name of the same server may not have it: what it gets is worthless.
    let said = turn(&server, &session, 3, world.call("127.0.0.1")).await;
    assert!(said.starts_with(&token), "one token in one sandbox: {said}");
    assert_eq!(world.heard("Authorization"), format!("Bearer {token}"));

    let granted = |event: &Value| event["type"] == "egress.granted";
    let granted = server.until(&session, granted).await;
    assert_eq!(granted["level"], "internal");
    assert_eq!(granted["body"]["secret"], "API_KEY");
    assert_eq!(granted["body"]["host"], "localhost");

    let events = json!(server.events(&session).await).to_string();
    assert!(!events.contains(VALUE));
    assert_eq!(stands_in(&server, VALUE), "");
    assert!(!stands_in(&server, &token).is_empty(), "it would be found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_reaches_a_running_sandbox_and_a_deleted_one_goes_nowhere() {
    let world = World::new();
    let server = world.server();
    let agent = server.agent("caller", "test/script").await;
    keep(&server, &agent, "first").await;
    let session = quiet(&server, &agent).await;
    let one = turn(&server, &session, 2, world.call("localhost")).await;
    assert_eq!(world.heard("Authorization"), "Bearer first");
    keep(&server, &agent, "second").await;
    let two = turn(&server, &session, 3, world.call("localhost")).await;
    assert_eq!(world.heard("Authorization"), "Bearer second");
    assert_eq!(one, two, "the token is the same");

    let path = format!("/v3/agents/{agent}/secrets/API_KEY");
    let (status, _) = server.send(Method::DELETE, &path, None).await;
    assert!(status.is_success());
    let three = turn(&server, &session, 4, world.call("localhost")).await;
    assert!(three.ends_with("ok"), "it has no token any more: {three}");
    assert_eq!(world.heard("Authorization"), "Bearer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_has_no_secrets_unless_asked_and_then_tokens_of_its_own() {
    let world = World::new();
    let server = world.server();
    let agent = server.agent("caller", "test/script").await;
    keep(&server, &agent, "value").await;
    let session = quiet(&server, &agent).await;
    let said = turn(&server, &session, 2, world.call("localhost")).await;
    let token = said.lines().next().unwrap().to_owned();
    assert_eq!(world.heard("Authorization"), "Bearer value");

    let text = script(json!([world.call("localhost"), { "say": "{{last_result}}" }]));
    let path = format!("/v3/sessions/{session}/fork");
    for (inherits, heard) in [(false, "Bearer"), (true, "Bearer value")] {
        let body = json!({ "input": text, "inherit_secrets": inherits });
        let fork = server.post(&path, body).await;
        let fork = fork["session"]["id"].as_str().unwrap();
        server.turn_end(fork, 3).await;
        assert_eq!(world.heard("Authorization"), heard);
        let said = server.result(fork).await;
        assert!(
            !said.contains(&token),
            "not the token of another sandbox: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reaches_what_its_egress_says_and_its_log_tells_of_the_rest() {
    let world = World::new();
    let server = world.server();
    for (name, egress, expected, denied) in [
        ("open", json!("open"), "ok", None),
        ("listed", json!({ "allowlist": ["localhost"] }), "ok", None),
        (
            "other",
            json!({ "allowlist": ["other.example"] }),
            "",
            Some("localhost"),
        ),
        ("none", json!("none"), "", Some("localhost")),
    ] {
        let wanted = json!({
            "name": name, "model": "test/script", "prompt": "p", "egress": egress,
        });
        let made = server.post("/v3/agents", wanted).await;
        let line = format!(
            "curl -sSk -x http://127.0.0.1:61443 https://localhost:{}/ 2>/dev/null",
            world.port
        );
        let call = json!({ "call": [{ "tool": "bash", "args": { "command": line } }] });
        let text = script(json!([call, { "say": "got:{{last_result}}" }]));
        let session = server.session(made["id"].as_str().unwrap(), &text).await;
        server.turn_end(&session, 1).await;
        let said = server.result(&session).await;
        assert_eq!(
            said.starts_with("got:ok"),
            expected == "ok",
            "{egress}: {said}"
        );
        if let Some(host) = denied {
            let event = server
                .until(&session, |e| e["type"] == "egress.denied")
                .await;
            assert_eq!(event["body"]["host"], host, "{egress}: {event}");
            assert!(event["body"]["reason"].is_string(), "{event}");
        }
    }
}
