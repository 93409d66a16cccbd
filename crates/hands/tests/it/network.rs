//! What leaves a sandbox: real programs inside, real servers on the host, and a
//! dial of the test's own in the gate's place.
//!
//! Inside, bash and perl are used as they come with every Debian.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use hands::{Dial, Exec, Hands, Lookup, Pieces, Receipt, Resolve, Sandbox, Stream, Target, To};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support;

/// Repeated, the content of every long transfer.
const LINE: &[u8] = b"0123456789abcde\n";
const LONG: usize = 200 << 20;

/// Servers that stand for the world, and a sandbox that may reach them.
struct World {
    folder: tempfile::TempDir,
    hands: Hands,
    sandbox: Arc<dyn Sandbox>,
    dialled: Arc<Mutex<Vec<Target>>>,
    dial: Dial,
    /// What the servers that tell something told.
    heard: mpsc::Receiver<String>,
    _servers: JoinSet<()>,
}

impl World {
    async fn new() -> World {
        let mut servers = JoinSet::new();
        let mut map = HashMap::new();
        let (tell, heard) = mpsc::channel(8);
        for (address, kind) in [
            ("192.0.2.1:80", Kind::Echo),
            ("[2001:db8::1]:80", Kind::Echo),
            ("192.0.2.2:80", Kind::Flood),
            ("192.0.2.3:80", Kind::Swallow),
            ("192.0.2.4:80", Kind::EndsFirst),
            ("192.0.2.5:80", Kind::Holds),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address: SocketAddr = address.parse().unwrap();
            map.insert(address, listener.local_addr().unwrap());
            servers.spawn(serve(listener, kind, tell.clone()));
        }
        let dialled = Arc::default();
        let folder = tempfile::tempdir().unwrap();
        let dial = dial(map, Arc::clone(&dialled));
        let config = support::config(folder.path());
        let hands = Hands::open(config, dial.clone(), resolve(), Pieces::none())
            .await
            .unwrap();
        let sandbox = hands.obtain("world", None, None).await.unwrap().sandbox;
        World {
            folder,
            dial,
            hands,
            sandbox,
            dialled,
            heard,
            _servers: servers,
        }
    }

    async fn run(&self, program: &str, script: &str) -> Receipt {
        let flag = if program == "perl" { "-e" } else { "-c" };
        let mut exec = Exec::new(support::fresh(), &[program, flag, script]);
        exec.timeout_ms = Some(60_000);
        self.sandbox.exec(exec, None).await.unwrap()
    }

    async fn bash(&self, script: &str) -> String {
        said(self.run("bash", script).await)
    }

    async fn perl(&self, script: &str) -> String {
        said(self.run("perl", &format!("{PERL}{script}")).await)
    }

    async fn end(self) {
        self.hands.destroy("world").await.unwrap();
        self.hands.close().await;
    }
}

/// What a script said, and its exit code unless that is 0.
fn said(receipt: Receipt) -> String {
    let text = String::from_utf8(receipt.output.head).unwrap();
    match receipt.exit_code {
        Some(0) => text,
        code => format!("{text}exit {code:?} signal {:?}", receipt.signal),
    }
}

/// `to("192.0.2.1", 80)` is a connected socket, or the reason why not.
const PERL: &str = r#"
use strict; use Socket qw(:all); $| = 1;
sub to { my ($ip, $port) = @_;
    socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket $!";
    connect($s, pack_sockaddr_in($port, inet_aton($ip))) or die "connect $!";
    return $s; }
sub put { my ($s, $all) = @_;
    while (length $all) { my $n = syswrite($s, $all) // die "write $!"; substr($all, 0, $n) = ""; } }
sub get { my ($s, $want) = @_; my $all = "";
    while (!defined $want || length $all < $want) {
        my $n = sysread($s, my $part, 65536) // return "read $!"; last if !$n; $all .= $part; }
    return $all; }
"#;

#[derive(Clone, Copy)]
enum Kind {
    /// Sends back what comes, and ends when the client has ended.
    Echo,
    /// Sends a long transfer.
    Flood,
    /// Checks a long transfer and says so.
    Swallow,
    /// Ends its own half at once, then tells what still came, on a second look.
    EndsFirst,
    /// Tells that it was reached, and says nothing.
    Holds,
}

async fn serve(listener: TcpListener, kind: Kind, tell: mpsc::Sender<String>) {
    let mut served = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let tell = tell.clone();
        served.spawn(async move { serve_one(stream, kind, tell).await });
    }
}

async fn serve_one(
    mut stream: TcpStream,
    kind: Kind,
    tell: mpsc::Sender<String>,
) -> io::Result<()> {
    let (mut from, mut into) = stream.split();
    match kind {
        Kind::Echo => {
            tokio::io::copy(&mut from, &mut into).await?;
            into.shutdown().await
        }
        Kind::Flood => {
            let piece = LINE.repeat(1 << 16);
            for _ in 0..LONG / piece.len() {
                into.write_all(&piece).await?;
            }
            into.shutdown().await
        }
        Kind::Swallow => {
            let (mut piece, mut count) = (vec![0; LINE.len() << 10], 0);
            while count < LONG {
                from.read_exact(&mut piece).await?;
                assert_eq!(piece, LINE.repeat(1 << 10));
                count += piece.len();
            }
            into.write_all(b"all there").await?;
            into.shutdown().await
        }
        Kind::EndsFirst => {
            into.shutdown().await?;
            let mut heard = String::new();
            from.read_to_string(&mut heard).await?;
            tell.send(heard).await.map_err(io::Error::other)
        }
        Kind::Holds => {
            tell.send("reached".into())
                .await
                .map_err(io::Error::other)?;
            from.read_u8().await.map(drop)
        }
    }
}

fn dial(map: HashMap<SocketAddr, SocketAddr>, dialled: Arc<Mutex<Vec<Target>>>) -> Dial {
    Arc::new(move |target: Target| {
        let known = match &target.to {
            To::Addr(address) => map.get(address).copied(),
            To::Name(..) => None,
        };
        dialled.lock().unwrap().push(target);
        async move {
            let address = known.ok_or(io::ErrorKind::PermissionDenied)?;
            let stream: Box<dyn Stream> = Box::new(TcpStream::connect(address).await?);
            Ok(stream)
        }
        .boxed()
    })
}

fn resolve() -> Resolve {
    Arc::new(|lookup: Lookup| {
        async move {
            // A sandbox that is somebody's says whose it is.
            let name = lookup.owner.and(Some(lookup.name)).unwrap_or_default();
            let addresses: &[&str] = match name.as_str() {
                "echo.example" => &["192.0.2.1", "2001:db8::1"],
                "broken.example" => return Err(io::ErrorKind::TimedOut.into()),
                _ => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(addresses
                .iter()
                .map(|a| a.parse::<IpAddr>().unwrap())
                .collect())
        }
        .boxed()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_knows_of_no_proxy_reaches_what_the_dial_allows() {
    let world = World::new().await;
    for host in ["192.0.2.1", "2001:db8::1", "echo.example"] {
        let script = format!("exec 3<>/dev/tcp/{host}/80 && echo hello >&3 && head -n1 <&3");
        assert_eq!(world.bash(&script).await, "hello\n", "{host}");
    }
    let dialled: Vec<_> = world.dialled.lock().unwrap().drain(..).collect();
    assert_eq!(dialled.len(), 3);
    let to = To::Addr("192.0.2.1:80".parse().unwrap());
    assert_eq!(dialled[0].to, to);
    assert!(dialled.iter().all(|one| one.sandbox == world.sandbox.id()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_the_hosts_to_know() {
    let world = World::new().await;
    let found = world.bash("getent ahostsv4 echo.example | head -n1").await;
    assert!(found.starts_with("192.0.2.1 "), "{found}");
    let found = world.bash("getent ahostsv6 echo.example | head -n1").await;
    assert!(found.starts_with("2001:db8::1 "), "{found}");
    for unknown in ["nobody.example", "broken.example", "169.254.169.254.nip.io"] {
        let found = world.bash(&format!("getent ahosts {unknown}")).await;
        assert_eq!(found, "exit Some(2) signal None", "{unknown}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dial_refuses_is_reset_and_not_hung() {
    let world = World::new().await;
    for refused in [
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "10.200.0.2",
        "8.8.8.8",
    ] {
        let script = format!(r#"print get(to("{refused}", 80));"#);
        let told = world.perl(&script).await;
        assert_eq!(told, "read Connection reset by peer", "{refused}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_servers_are_not_on_the_sandboxs_loopback() {
    let world = World::new().await;
    let host = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    for own in ["127.0.0.1", "127.0.0.2", "10.200.0.1", "0.0.0.0"] {
        let told = world.perl(&format!(r#"to("{own}", {port});"#)).await;
        assert!(
            told.starts_with("connect Connection refused"),
            "{own}: {told}"
        );
    }
    assert!(world.dialled.lock().unwrap().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_inside_is_reached_inside_on_any_port() {
    let world = World::new().await;
    let told = world
        .perl(
            r#"socket(my $l, PF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
            bind($l, pack_sockaddr_in(80, INADDR_ANY)) or die "bind $!"; listen($l, 5);
            for my $ip ("127.0.0.1", "10.200.0.1") {
                my $c = to($ip, 80); accept(my $a, $l); put($a, "mine"); print get($c, 4); }"#,
        )
        .await;
    assert_eq!(told, "minemine");
    assert!(world.dialled.lock().unwrap().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_transfers_arrive_whole_both_ways() {
    let world = World::new().await;
    let line = std::str::from_utf8(LINE).unwrap().trim_end();
    let down = format!(
        "exec 3<>/dev/tcp/192.0.2.2/80 && cmp <(cat <&3) <(yes {line} | head -c {LONG}) && echo same"
    );
    assert_eq!(world.bash(&down).await, "same\n");
    let up = format!("exec 3<>/dev/tcp/192.0.2.3/80 && yes {line} | head -c {LONG} >&3 && cat <&3");
    assert_eq!(world.bash(&up).await, "all there");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connections_at_once_keep_their_bytes_apart() {
    let world = World::new().await;
    let told = world
        .perl(
            r#"my @all = map { to("192.0.2.1", 80) } 1..200; my $bad = 0;
            put($all[$_], "$_ " x 500) for 0..199;
            shutdown($_, 1) for @all;
            for (0..199) { $bad++ if get($all[$_]) ne "$_ " x 500; }
            print "$bad bad";"#,
        )
        .await;
    assert_eq!(told, "0 bad");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_holds_up_nobody_else() {
    let world = World::new().await;
    let told = world
        .perl(
            r#"my @stopped = map { to("192.0.2.2", 80) } 1..4;
            my $s = to("192.0.2.1", 80);
            for (1..200) { put($s, "ping"); get($s, 4) eq "ping" or die; }
            print "no wait";"#,
        )
        .await;
    assert_eq!(told, "no wait");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_half_of_a_connection_ends_alone() {
    let mut world = World::new().await;
    let told = world
        .perl(
            r#"my $s = to("192.0.2.1", 80); put($s, "before the end"); shutdown($s, 1); print get($s);
            my $t = to("192.0.2.4", 80); print "[", get($t), "]"; put($t, "after its end"); close $t;"#,
        )
        .await;
    assert_eq!(told, "before the end[]");
    assert_eq!(world.heard.recv().await.unwrap(), "after its end");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_fail_at_once_and_raw_sockets_are_not_to_be_had() {
    let world = World::new().await;
    let told = world
        .perl(
            r#"socket(my $u, PF_INET, SOCK_DGRAM, 0);
            send($u, "x", 0, pack_sockaddr_in(123, inet_aton("192.0.2.1"))) or print "datagram: $!\n";
            socket(my $r, PF_INET, SOCK_RAW, 1) or print "raw: $!\n";
            socket(my $p, 17, SOCK_RAW, 0) or print "packet: $!\n";"#,
        )
        .await;
    assert!(
        told.starts_with("datagram: Operation not permitted\n"),
        "{told}"
    );
    assert!(
        told.contains("raw: ") && told.contains("packet: "),
        "{told}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_resets_what_it_carried_and_carries_on() {
    let mut world = World::new().await;
    let script = r#"my $s = to("192.0.2.5", 80); print get($s), " ";
        my $t = to("192.0.2.1", 80); put($t, "again"); print get($t, 5);"#;
    let exec = Exec::new("held", &["perl", "-e", &format!("{PERL}{script}")]);
    world.sandbox.start(exec.clone()).await.unwrap();
    assert_eq!(world.heard.recv().await.unwrap(), "reached");

    world.hands.close().await;
    let config = support::config(world.folder.path());
    world.hands = Hands::open(config, world.dial.clone(), resolve(), Pieces::none())
        .await
        .unwrap();
    let found = world.hands.obtain("world", None, None).await.unwrap();
    assert_eq!(found.sandbox.id(), world.sandbox.id());
    let receipt = found.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(said(receipt), "read Connection reset by peer again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_interface_but_loopback() {
    let world = World::new().await;
    let interfaces = world
        .bash("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")
        .await;
    assert_eq!(interfaces, "lo\n");
    world.end().await;
}
