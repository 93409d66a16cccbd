//! Ways out that a command or an engine may try, in a sandbox as sessions have it
//! and in one that is shown a folder of the host, as engines have it.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::sync::{Arc, Mutex};

use hands::{Dial, Exec, Hands, Mount, Pieces, Pipe, Sandbox, Stream, Target, To, Wanted};
use tokio::io::AsyncReadExt;

use crate::support::{Folder, config, fresh, no_resolve, run, says, text};

/// Two kinds of sandboxes behind a dial that refuses all and remembers it.
struct Field {
    folder: Folder,
    hands: Hands,
    runtime: tempfile::TempDir,
    tried: Arc<Mutex<Vec<Target>>>,
}

impl Field {
    async fn new() -> Self {
        let tried: Arc<Mutex<Vec<Target>>> = Arc::default();
        let noted = Arc::clone(&tried);
        let dial: Dial = Arc::new(move |target: Target| {
            noted.lock().unwrap().push(target);
            Box::pin(async { Err::<Box<dyn Stream>, _>(io::ErrorKind::PermissionDenied.into()) })
        });
        let folder = Folder::new();
        let config = config(folder.path());
        let hands = Hands::open(config, dial, no_resolve(), Pieces::none())
            .await
            .unwrap();
        Self {
            folder,
            hands,
            runtime: tempfile::tempdir().unwrap(),
            tried,
        }
    }

    async fn both(&self) -> [Arc<dyn Sandbox>; 2] {
        let mount = Mount {
            host: self.runtime.path().to_owned(),
            inside: "/opt/runtime".into(),
        };
        let brain = Wanted {
            mounts: vec![mount],
            ..Wanted::default()
        };
        let hands = self.hands.obtain("ses_1", None, None).await;
        let brain = self.hands.obtain_with("brain:ses_1", brain).await;
        [hands.unwrap().sandbox, brain.unwrap().sandbox]
    }

    /// What was asked of the dial since the last look.
    fn tried(&self) -> Vec<Target> {
        self.tried.lock().unwrap().drain(..).collect()
    }

    async fn end(self) {
        self.hands.reap(&Default::default()).await;
        self.hands.close().await;
        drop(self.folder);
    }
}

/// Whether Python inside can do it; what it says if not.
async fn python(sandbox: &Arc<dyn Sandbox>, script: &str) -> Result<(), String> {
    let exec = Exec {
        timeout_ms: Some(60_000),
        ..Exec::new(fresh(), &["python3", "-c", script])
    };
    let receipt = sandbox.exec(exec, None).await.unwrap();
    match receipt.exit_code {
        Some(0) => Ok(()),
        _ => Err(text(&receipt)),
    }
}

#[tokio::test]
async fn the_hosts_sockets_cannot_be_reached_by_name_or_path() {
    let field = Field::new().await;
    let name = format!("oc-test-{}", std::process::id());
    let address = UnixAddr::from_abstract_name(&name).unwrap();
    let _stream = UnixListener::bind_addr(&address).unwrap();
    let _datagram =
        UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(format!("{name}-d")).unwrap());
    let path = field.folder.path().join("host.sock");
    let _path = UnixListener::bind(&path).unwrap();
    let both = field.both().await;
    for sandbox in &both {
        let links = both.iter().map(|other| {
            let folder = field.folder.path().join("sandboxes").join(other.id());
            folder.join("guest.sock").display().to_string()
        });
        let tries = links.chain([
            format!("\\0{name}"),
            path.display().to_string(),
            "/run/docker.sock".to_owned(),
            "/var/run/docker.sock".to_owned(),
            "/run/dbus/system_bus_socket".to_owned(),
            "/run/systemd/private".to_owned(),
            "guest.sock".to_owned(),
            "/proc/1/cwd/guest.sock".to_owned(),
            "/proc/1/root/guest.sock".to_owned(),
        ]);
        for to in tries {
            let script = format!(
                "import socket; s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('{to}')"
            );
            let said = python(sandbox, &script).await.unwrap_err();
            let kinds = [
                "ConnectionRefused",
                "FileNotFound",
                "PermissionError",
                "too long",
            ];
            assert!(kinds.iter().any(|kind| said.contains(kind)), "{to}: {said}");
        }
        let datagram = format!(
            "import socket; socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM).sendto(b'x','\\0{name}-d')"
        );
        assert!(python(sandbox, &datagram).await.is_err());
        // Not even their names are told.
        let names = says(sandbox, "cat /proc/net/unix").await;
        assert!(!names.contains(&name), "{names}");
    }
    field.end().await;
}

#[tokio::test]
async fn one_sandbox_is_not_on_anothers_network() {
    let field = Field::new().await;
    let [hands, brain] = field.both().await;
    const LISTENS: &str = "import socket,time
a=socket.create_server(('0.0.0.0',8321)); b=socket.socket(socket.AF_UNIX); b.bind('\\0here'); b.listen()
print('up',flush=True); time.sleep(600)";
    let argv = ["python3", "-c", LISTENS].map(str::to_owned).to_vec();
    let pipe = Pipe {
        argv,
        ..Pipe::default()
    };
    for (one, other) in [(&hands, &brain), (&brain, &hands)] {
        let mut talk = one.pipe(pipe.clone()).await.unwrap();
        talk.stream.read_exact(&mut [0; 3]).await.unwrap();
        let reach = |to: &str| format!("import socket; socket.create_connection(({to},8321),5)");
        python(one, &reach("'127.0.0.1'")).await.unwrap();
        for to in ["'127.0.0.1'", "'10.200.0.1'", "'::1'", "'0.0.0.0'"] {
            let said = python(other, &reach(to)).await.unwrap_err();
            assert!(said.contains("refused"), "{to}: {said}");
        }
        let name = "import socket; socket.socket(socket.AF_UNIX).connect('\\0here')";
        python(one, name).await.unwrap();
        assert!(python(other, name).await.is_err());
    }
    // Nothing of this came to the host at all.
    assert_eq!(field.tried(), Vec::new());
    field.end().await;
}

#[tokio::test]
async fn the_metadata_address_comes_to_the_dial_as_what_it_is_whatever_it_was_written_as() {
    let field = Field::new().await;
    let metadata: SocketAddr = "169.254.169.254:80".parse().unwrap();
    for (sandbox, owner) in field.both().await.iter().zip(["ses_1", "brain:ses_1"]) {
        for written in [
            "169.254.169.254",
            "2852039166",
            "0xA9FEA9FE",
            "0251.0376.0251.0376",
            "169.254.43518",
        ] {
            let script = format!(
                "import socket; s=socket.socket(); s.connect((socket.inet_ntoa(socket.inet_aton('{written}')),80)); \
                 s.settimeout(9); s.recv(1)"
            );
            assert!(python(sandbox, &script).await.is_err(), "{written}");
            let to = To::Addr(metadata);
            let (sandbox, owner) = (sandbox.id().to_owned(), Some(owner.to_owned()));
            let want = Target { sandbox, owner, to };
            assert_eq!(field.tried(), [want], "{written}");
        }
        for (written, want) in [
            ("::ffff:169.254.169.254", "169.254.169.254:80"),
            ("fd00:ec2::254", "[fd00:ec2::254]:80"),
            ("64:ff9b::a9fe:a9fe", "[64:ff9b::a9fe:a9fe]:80"),
            ("2002:a9fe:a9fe::1", "[2002:a9fe:a9fe::1]:80"),
        ] {
            let script = format!(
                "import socket; s=socket.socket(socket.AF_INET6); s.connect(('{written}',80)); s.settimeout(9); s.recv(1)"
            );
            assert!(python(sandbox, &script).await.is_err(), "{written}");
            let tried: Vec<_> = field.tried().into_iter().map(|one| one.to).collect();
            assert_eq!(tried, [To::Addr(want.parse().unwrap())], "{written}");
        }
        // A proxy's client chooses the name; what it means is for the dial to find out.
        let connect = "import socket; s=socket.create_connection(('127.0.0.1',61443)); \
            s.sendall(b'CONNECT metadata.google.internal:80 HTTP/1.1\\r\\n\\r\\n'); \
            assert b'200' not in s.recv(99)";
        python(sandbox, connect).await.unwrap();
        let tried: Vec<_> = field.tried().into_iter().map(|one| one.to).collect();
        let name = "metadata.google.internal".to_owned();
        assert_eq!(tried, [To::Name(name, 80)]);
    }
    field.end().await;
}

#[tokio::test]
async fn the_hosts_processes_and_memory_are_out_of_reach() {
    let field = Field::new().await;
    for sandbox in &field.both().await {
        let own = std::process::id();
        let guest = field.folder.state(sandbox.id())["pid"].as_i64().unwrap();
        for pid in [own.into(), guest] {
            for line in [
                format!("kill -0 {pid}"),
                format!("cat /proc/{pid}/cmdline"),
                format!("cat /proc/{pid}/environ"),
            ] {
                let receipt = run(sandbox, &line).await;
                assert_ne!(receipt.exit_code, Some(0), "{line}: {}", text(&receipt));
            }
        }
        for line in [
            "head -c1 /dev/mem",
            "head -c1 /dev/kmem",
            "head -c1 /proc/kcore",
            "head -c1 /proc/kmsg",
            "dmesg",
            "echo c > /proc/sysrq-trigger",
            "echo x > /proc/sys/kernel/core_pattern",
            "echo 1 > /proc/sys/vm/drop_caches",
            "echo 0 > /proc/sys/kernel/yama/ptrace_scope",
            "ls /sys/fs/cgroup/",
            "ls /sys/kernel/debug/",
            "head -c1 /dev/loop0",
            "head -c1 /dev/vda",
            "head -c1 /dev/sda",
            "cat /dev/kvm",
        ] {
            let receipt = run(sandbox, line).await;
            let nothing = receipt.exit_code != Some(0) || receipt.total_bytes == 0;
            assert!(nothing, "{line}: {}", text(&receipt));
        }
    }
    field.end().await;
}

#[tokio::test]
async fn ten_thousand_connections_take_nothing_from_the_host_but_what_is_theirs() {
    let field = Field::new().await;
    const FLOOD: &str = "import socket
held=[]
for n in range(10000):
    s=socket.socket(); s.setblocking(False)
    try: s.connect(('203.0.113.%d' % (n%250+1), 80))
    except BlockingIOError: pass
    except OSError: pass
    held.append(s)
print('all',flush=True); input()";
    let argv = ["python3", "-c", FLOOD].map(str::to_owned).to_vec();
    let pipe = Pipe {
        argv,
        ..Pipe::default()
    };
    let [hands, brain] = field.both().await;
    let mut floods = Vec::new();
    for sandbox in [&hands, &brain] {
        let mut talk = sandbox.pipe(pipe.clone()).await.unwrap();
        talk.stream.read_exact(&mut [0; 4]).await.unwrap();
        floods.push(talk);
    }
    for sandbox in [&hands, &brain] {
        assert_eq!(says(sandbox, "echo works").await, "works");
        let stats = sandbox.stats().await.unwrap();
        assert!(stats.pids.is_some_and(|pids| pids < 10), "{stats:?}");
    }
    drop(floods);
    assert_eq!(says(&hands, "echo works").await, "works");
    field.end().await;
}
