//! An authority that sandboxes are told to trust, and real programs that do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures::FutureExt;
use hands::{Dial, Hands, HandsConfig, Lookup, Pieces, Resolve, Stream, Target, To};
use tokio::net::TcpStream;

use crate::support::{Folder, config, run, says, text};

const HOST: &str = "https://private.example:8443";

/// Runs a line of shell on the host.
fn sh(dir: &Path, line: &str) {
    let done = Command::new("sh")
        .args(["-ec", line])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{line}: {done:?}");
}

/// A server that shows a certificate for `private.example` by an authority of its own.
struct Server {
    child: Child,
    port: u16,
    authority: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        sh(
            dir,
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
               -subj /CN=authority -keyout ca.key -out ca.pem
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
               -subj /CN=private.example -keyout key.pem -out csr.pem
             printf 'subjectAltName=DNS:private.example' > ext
             openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
               -extfile ext -out cert.pem
             echo it is here > page",
        );
        // Asked for here and given to the server: somebody else could only take it in between.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-WWW", "-cert", "cert.pem"])
            .args(["-key", "key.pem", "-accept", &format!("127.0.0.1:{port}")])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let authority = std::fs::read_to_string(dir.join("ca.pem")).unwrap();
        Self {
            child,
            port,
            authority,
        }
    }

    fn dial(&self) -> Dial {
        let port = self.port;
        Arc::new(move |target: Target| {
            async move {
                assert_eq!(target.to, To::Addr("192.0.2.9:8443".parse().unwrap()));
                let connected = until_reached(port).await;
                Ok(Box::new(connected) as Box<dyn Stream>)
            }
            .boxed()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn until_reached(port: u16) -> TcpStream {
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

fn resolve() -> Resolve {
    Arc::new(|lookup: Lookup| {
        async move {
            match lookup.name.as_str() {
                "private.example" => Ok(vec!["192.0.2.9".parse().unwrap()]),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }
        .boxed()
    })
}

async fn hands(dir: &Folder, server: &Server, trust: Option<String>) -> Hands {
    let config = HandsConfig {
        trust,
        ..config(dir.path())
    };
    Hands::open(config, server.dial(), resolve(), Pieces::none())
        .await
        .unwrap()
}

const PYTHON: &str =
    "import urllib.request as u; print(u.urlopen('https://private.example:8443/page').read())";
const NODE: &str =
    "require('https').get('https://private.example:8443/page', r => r.pipe(process.stdout))";

/// Each fetches the page, with nothing but what the sandbox tells it.
fn programs() -> Vec<(&'static str, String)> {
    vec![
        ("curl", format!("curl -sSf {HOST}/page")),
        ("wget", format!("wget -qO- {HOST}/page")),
        ("python", format!("python3 -c \"{PYTHON}\"")),
        ("node", format!("node -e \"{NODE}\"")),
        (
            "openssl",
            "printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet \
             -verify_return_error -verify_hostname private.example \
             -connect private.example:8443"
                .to_owned(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_inside_trust_the_authority_they_are_told_of() {
    let files = tempfile::tempdir().unwrap();
    let server = Server::start(files.path());
    let dir = Folder::new();
    let hands = hands(&dir, &server, Some(server.authority.clone())).await;
    let sandbox = hands.obtain("a", None, None).await.unwrap().sandbox;
    for (name, line) in programs() {
        let said = says(&sandbox, &line).await;
        assert!(said.contains("it is here"), "{name}: {said}");
    }
    // Those that look at the system's files need no variable.
    for line in [
        format!("env -i curl -sSf {HOST}/page"),
        format!("env -i wget -qO- {HOST}/page"),
        format!("env -i /usr/bin/python3 -c \"{PYTHON}\""),
    ] {
        let said = says(&sandbox, &line).await;
        assert!(said.contains("it is here"), "{line}: {said}");
    }
    // git speaks to it too, and only then finds that it is no repository.
    let git = run(&sandbox, &format!("git clone {HOST}/page x")).await;
    assert!(!text(&git).contains("ertificate"), "{}", text(&git));
    assert_eq!(says(&sandbox, "env | grep -c =/etc/ssl/certs/").await, "7");
    let own = server.authority.len();
    for variable in ["PIP_CERT", "CARGO_HTTP_CAINFO", "NODE_EXTRA_CA_CERTS"] {
        let last = says(&sandbox, &format!("tail -c {own} ${variable}")).await;
        assert_eq!(last, server.authority.trim(), "{variable}");
    }
    hands.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_no_program_does() {
    let files = tempfile::tempdir().unwrap();
    let server = Server::start(files.path());
    let dir = Folder::new();
    let hands = hands(&dir, &server, None).await;
    let sandbox = hands.obtain("a", None, None).await.unwrap().sandbox;
    for (name, line) in programs() {
        let receipt = run(&sandbox, &line).await;
        assert!(!text(&receipt).contains("it is here"), "{name}");
        assert_ne!(receipt.exit_code, Some(0), "{name}");
    }
    hands.close().await;
}
