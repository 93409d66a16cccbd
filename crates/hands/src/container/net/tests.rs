//! What `configure` makes of a fresh namespace, seen by ordinary sockets.
//!
//! Each test runs its body in a child: this very test binary, started again
//! in new user and network namespaces, for root and ordinary users alike.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods
)]

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

const LISTENER: u16 = 61443;
const INSIDE: &str = "OC_TEST_IN_NAMESPACE";

fn in_namespace(name: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut child = Command::new("/proc/self/exe");
    child
        .args(["--exact", &format!("container::net::tests::{name}")])
        .env(INSIDE, "1");
    // SAFETY: between fork and exec the child is single-threaded; it makes one
    // system call and writes two small files.
    unsafe {
        let (uid, gid) = (libc::getuid(), libc::getgid());
        child.pre_exec(move || {
            if libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) < 0 {
                return Err(io::Error::last_os_error());
            }
            std::fs::write("/proc/self/setgroups", "deny")?;
            std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
            std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))
        });
    }
    let output = child.output().expect("namespaces can be made");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

fn original(stream: &TcpStream) -> SocketAddr {
    let (level, v6) = match stream.local_addr().unwrap() {
        SocketAddr::V4(_) => (libc::SOL_IP, false),
        SocketAddr::V6(_) => (libc::SOL_IPV6, true),
    };
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the storage is large enough for either family and zeroed.
    unsafe {
        let code = libc::getsockopt(
            stream.as_raw_fd(),
            level,
            libc::SO_ORIGINAL_DST,
            storage.as_mut_ptr().cast(),
            &mut length,
        );
        assert_eq!(code, 0, "{}", io::Error::last_os_error());
        if v6 {
            let address = &*storage.as_ptr().cast::<libc::sockaddr_in6>();
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            (ip, u16::from_be(address.sin6_port)).into()
        } else {
            let address = &*storage.as_ptr().cast::<libc::sockaddr_in>();
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            (ip, u16::from_be(address.sin_port)).into()
        }
    }
}

#[test]
fn a_connection_to_anywhere_reaches_the_listener_and_tells_where_it_was_going() {
    in_namespace(
        "a_connection_to_anywhere_reaches_the_listener_and_tells_where_it_was_going",
        || {
            let network = configure(LISTENER).unwrap();
            assert_eq!(network.missing, None);
            assert!(network.redirect && network.ipv6 && network.low_ports);
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, LISTENER)).unwrap();
            let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, LISTENER)).unwrap();
            for (listener, to) in [
                (&v4, "192.0.2.10:443"),
                (&v4, "10.1.2.3:22"),
                (&v4, "169.254.169.254:80"),
                (&v4, "10.200.0.2:53"),
                (&v6, "[2001:db8::1]:443"),
                (&v6, "[fd00:ec2::254]:80"),
            ] {
                let to: SocketAddr = to.parse().unwrap();
                let mut client = TcpStream::connect(to).unwrap();
                let (mut server, from) = listener.accept().unwrap();
                assert_eq!(original(&server), to);
                let own: IpAddr = if to.is_ipv4() {
                    ADDRESS_V4.into()
                } else {
                    ADDRESS_V6.into()
                };
                assert_eq!(from.ip(), own);
                assert_eq!(client.peer_addr().unwrap(), to);
                client.write_all(b"ping").unwrap();
                let mut got = [0; 4];
                server.read_exact(&mut got).unwrap();
                assert_eq!(&got, b"ping");
            }
        },
    );
}

#[test]
fn servers_inside_are_reached_directly() {
    in_namespace("servers_inside_are_reached_directly", || {
        configure(LISTENER).unwrap();
        for own in [
            "127.0.0.1",
            "127.8.9.1",
            "10.200.0.1",
            "::1",
            "fd6f:6300::1",
        ] {
            let own: IpAddr = own.parse().unwrap();
            let server = TcpListener::bind((own, 0)).unwrap();
            let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            let (_, from) = server.accept().unwrap();
            assert_eq!(from, client.local_addr().unwrap());
        }
    });
}

#[test]
fn a_question_to_any_name_server_reaches_the_stub() {
    in_namespace("a_question_to_any_name_server_reaches_the_stub", || {
        configure(LISTENER).unwrap();
        for (stub, asked) in [("127.0.0.1", "8.8.8.8"), ("::1", "2001:4860:4860::8888")] {
            let stub: IpAddr = stub.parse().unwrap();
            let asked: IpAddr = asked.parse().unwrap();
            let stub = UdpSocket::bind((stub, DNS_PORT)).unwrap();
            let any = if asked.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let client = UdpSocket::bind(any).unwrap();
            client.connect((asked, DNS_PORT)).unwrap();
            client.send(b"question").unwrap();
            let mut buffer = [0; 16];
            let (length, from) = stub.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"question");
            stub.send_to(b"answer", from).unwrap();
            assert_eq!(client.recv(&mut buffer).unwrap(), 6);
        }
    });
}

#[test]
fn other_datagrams_fail_at_once_and_loopback_ones_do_not() {
    in_namespace(
        "other_datagrams_fail_at_once_and_loopback_ones_do_not",
        || {
            configure(LISTENER).unwrap();
            let outside = UdpSocket::bind("0.0.0.0:0").unwrap();
            outside.connect("192.0.2.1:123").unwrap();
            assert_eq!(outside.local_addr().unwrap().ip(), IpAddr::V4(ADDRESS_V4));
            let error = outside.send(b"?").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);

            let outside = UdpSocket::bind("[::]:0").unwrap();
            let error = outside.send_to(b"?", "[2001:db8::1]:443").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);

            let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
            inside.connect(inside.local_addr().unwrap()).unwrap();
            inside.send(b"self").unwrap();
            assert_eq!(inside.recv(&mut [0; 8]).unwrap(), 4);
        },
    );
}

#[test]
fn a_connection_nobody_reads_holds_little_of_the_hosts_memory() {
    in_namespace(
        "a_connection_nobody_reads_holds_little_of_the_hosts_memory",
        || {
            configure(LISTENER).unwrap();
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            let _held = server.accept().unwrap();
            client.set_nonblocking(true).unwrap();
            let (piece, mut held) = (vec![0; 1 << 20], 0);
            while let Ok(more) = client.write(&piece) {
                held += more;
            }
            assert!(held < 3 << 20, "{held}");
        },
    );
}

#[test]
fn a_second_configuration_is_refused() {
    in_namespace("a_second_configuration_is_refused", || {
        configure(LISTENER).unwrap();
        let error = configure(LISTENER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn what_was_found_survives_the_state_file() {
    let network = Network {
        redirect: false,
        missing: Some("no nftables".into()),
        ipv6: true,
        low_ports: false,
    };
    let text = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
}
