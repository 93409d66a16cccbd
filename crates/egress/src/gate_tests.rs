//! What the gate makes of addresses that change, or that are the host's own.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A gate as it is by default, for which names lead where `lookup` says.
fn gate(lookup: crate::resolve::Lookup) -> Gate {
    let limits = Limits::default();
    let gate = Gate::new(Policy::default(), limits, None, Roots::none());
    let mut inner = Arc::into_inner(gate.inner).unwrap();
    inner.resolver = Resolver::new(limits.lookups, limits.resolve).asking(lookup);
    Gate {
        inner: Arc::new(inner),
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Reason {
    match outcome {
        Err(Error::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_hosts_own_public_addresses_are_refused_unless_developing() {
    let own: IpAddr = "8.8.8.8".parse().unwrap();
    let other: IpAddr = "1.1.1.1".parse().unwrap();
    let way = |address| {
        if address == own { Way::Own } else { Way::Out }
    };
    let table = [
        (false, vec![own], Err(Reason::Host)),
        (false, vec![own, other], Ok(vec![other])),
        (false, vec![], Ok(vec![])),
        (true, vec![own], Ok(vec![own])),
    ];
    for (allow_private, given, expected) in table {
        let gate = Gate::new(
            Policy { allow_private },
            Limits::default(),
            None,
            Roots::none(),
        );
        let got = crate::addresses::without_own(gate.inner.policy, given.clone(), way);
        assert_eq!(got, expected, "{given:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_by_the_last_one() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let gate = gate(|_| {
        let first = ASKED.fetch_add(1, SeqCst) == 0;
        let address = if first { "1.1.1.1" } else { "127.0.0.1" };
        Ok(vec![address.parse().unwrap()])
    });
    let pass = Arc::new(Pass::open("sb"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    gate.resolve(&pass, "rebinding.example").await.unwrap();
    let to = Destination::Name("rebinding.example".into(), port);
    assert_eq!(refusal(gate.dial(&pass, &to).await), Reason::Loopback);
    let address = Destination::Address(listener.local_addr().unwrap());
    assert_eq!(refusal(gate.dial(&pass, &address).await), Reason::Loopback);
    assert_eq!(ASKED.load(SeqCst), 2, "asked once for each connection");
}

#[tokio::test]
async fn a_private_address_among_public_ones_is_never_told_nor_tried() {
    let gate = gate(|_| {
        let found = ["10.0.0.1", "1.1.1.1", "169.254.169.254", "::1"];
        Ok(found.map(|one| one.parse().unwrap()).into())
    });
    let told = gate
        .resolve(&Pass::open("sb"), "mixed.example")
        .await
        .unwrap();
    assert_eq!(told, ["1.1.1.1".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn under_an_allowlist_a_listed_name_does_not_open_private_networks() {
    let gate = gate(|_| Ok(vec!["192.168.1.1".parse().unwrap()]));
    let pass = Arc::new(Pass {
        egress: Egress::Allowlist(vec!["mine.example".parse().unwrap()]),
        ..Pass::open("sb")
    });
    let to = Destination::Name("mine.example".into(), 443);
    assert_eq!(refusal(gate.dial(&pass, &to).await), Reason::Private);
    assert_eq!(
        refusal(gate.resolve(&pass, "mine.example").await),
        Reason::Private
    );
    // The name that is said later is judged like the one asked for at once.
    let reached = gate.inner.reach("mine.example", 443).await;
    assert_eq!(refusal(reached), Reason::Private);
}

#[tokio::test]
async fn a_second_spelling_of_a_special_address_is_the_same_address() {
    let gate = Gate::new(Policy::default(), Limits::default(), None, Roots::none());
    let pass = Arc::new(Pass::open("sb"));
    for (name, reason) in [
        ("2130706433", Reason::Loopback),
        ("0177.0.0.1", Reason::Loopback),
        ("0x7f.1", Reason::Loopback),
        ("127.1", Reason::Loopback),
        ("2852039166", Reason::Metadata),
        ("0xa9fea9fe", Reason::Metadata),
        ("0251.0376.0251.0376", Reason::Metadata),
        ("169.254.43518", Reason::Metadata),
        ("::ffff:a9fe:a9fe", Reason::Metadata),
        ("64:ff9b::a9fe:a9fe", Reason::Metadata),
        ("2002:a9fe:a9fe::", Reason::Metadata),
        ("0xa000001", Reason::Private),
        ("012.1", Reason::Private),
    ] {
        let to = Destination::Name(name.into(), 80);
        assert_eq!(refusal(gate.dial(&pass, &to).await), reason, "{name}");
    }
    gate.close().await;
}

#[tokio::test]
async fn nothing_goes_on_for_a_connection_that_was_given_up() {
    let policy = Policy {
        allow_private: true,
    };
    let authority = crate::authority::Authority::fresh().unwrap();
    let gate = Gate::new(policy, Limits::default(), Some(authority), Roots::none());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::Address(listener.local_addr().unwrap());
    let pass = Arc::new(Pass {
        grants: vec![crate::pass::Grant {
            name: "KEY".into(),
            token: "osb_sealed_1".into(),
            hosts: Vec::new(),
        }],
        ..Pass::open("sb")
    });
    // A request the server never answers, in both versions, and a handshake.
    let two = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let hello = hello();
    for said in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], two, &hello] {
        let mut connection = gate.dial(&pass, &to).await.unwrap();
        connection.write_all(said).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_u8().await.unwrap();
        assert!(!gate.inner.tasks.is_empty());
        drop(connection);
        let mut rest = Vec::new();
        // The server is hung up on, one way or another.
        let _ = server.read_to_end(&mut rest).await;
        gate.inner.tasks.close();
        gate.inner.tasks.wait().await;
        gate.inner.tasks.reopen();
        assert_eq!(gate.stats().open, 0);
    }
}

/// What a TLS client says first.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Roots::none().0)
        .with_no_client_auth();
    let name = "api.example".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}
