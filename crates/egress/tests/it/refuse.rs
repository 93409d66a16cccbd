//! What the gate refuses, and that nothing is sent when it does.

use egress::Error;

use super::*;

async fn refusal(gate: &Gate, to: &Destination) -> Reason {
    match gate.dial(&pass("sb"), to).await {
        Err(Error::Refused(reason)) => reason,
        other => panic!("{to:?}: {other:?}"),
    }
}

#[tokio::test]
async fn by_default_only_public_addresses_are_reached() {
    let gate = closed_gate();
    let table = [
        ("127.0.0.1:80", Reason::Loopback),
        ("[::1]:80", Reason::Loopback),
        ("0.0.0.0:80", Reason::Loopback),
        ("[::]:80", Reason::Loopback),
        ("[::ffff:127.0.0.1]:80", Reason::Loopback),
        ("[::ffff:0.0.0.0]:80", Reason::Loopback),
        ("[::127.0.0.1]:80", Reason::Loopback),
        ("[64:ff9b::127.0.0.1]:80", Reason::Loopback),
        ("10.1.2.3:80", Reason::Private),
        ("172.20.1.1:80", Reason::Private),
        ("192.168.1.1:80", Reason::Private),
        ("[fd12::1]:80", Reason::Private),
        ("[2002:c0a8:101::1]:80", Reason::Private),
        ("100.64.1.1:80", Reason::Shared),
        ("169.254.1.1:80", Reason::LinkLocal),
        ("[fe80::1]:80", Reason::LinkLocal),
        ("169.254.169.254:80", Reason::Metadata),
        ("[fd00:ec2::254]:80", Reason::Metadata),
        ("168.63.129.16:80", Reason::Metadata),
        ("255.255.255.255:80", Reason::Multicast),
        ("192.0.2.1:80", Reason::Documentation),
        ("240.0.0.1:80", Reason::Reserved),
        ("1.1.1.1:0", Reason::Port),
    ];
    for (to, expected) in table {
        assert_eq!(refusal(&gate, &address(to)).await, expected, "{to}");
    }
    let stats = gate.stats();
    assert_eq!((stats.allowed, stats.open), (0, 0));
    assert_eq!(refusals(&stats, Reason::Loopback), 8);
}

#[tokio::test]
async fn a_refused_server_never_sees_a_connection() {
    let gate = closed_gate();
    let (listener, to) = listener();
    assert_eq!(refusal(&gate, &to).await, Reason::Loopback);
    // The first connection it ever sees is the one we make ourselves now.
    let Destination::Address(at) = to else {
        unreachable!()
    };
    let own = TcpStream::connect(at).await.unwrap();
    let seen = accept(&listener).await;
    assert_eq!(seen.peer_addr().unwrap(), own.local_addr().unwrap());
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let gate = closed_gate();
    for name in ["localhost", "127.0.0.1", "127.1", "0x7f000001", "::1"] {
        let to = Destination::Name(name.into(), 80);
        assert_eq!(refusal(&gate, &to).await, Reason::Loopback, "{name}");
        let error = gate.resolve(&pass("sb"), name).await.unwrap_err();
        assert!(matches!(error, Error::Refused(Reason::Loopback)), "{error}");
    }
    let bad = Destination::Name("bad name".into(), 80);
    assert_eq!(refusal(&gate, &bad).await, Reason::Name);
    gate.close().await;
}

#[tokio::test]
async fn the_development_switch_never_opens_metadata() {
    let gate = open_gate(Limits::default());
    for to in [
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:80",
    ] {
        assert_eq!(refusal(&gate, &address(to)).await, Reason::Metadata, "{to}");
    }
}

#[tokio::test]
async fn one_sandbox_too_many_connections_leave_room_for_others() {
    let gate = open_gate(Limits {
        per_sandbox: 2,
        total: 3,
        ..Limits::default()
    });
    let (_listener, to) = listener();
    let first = gate.dial(&pass("a"), &to).await.unwrap();
    let _second = gate.dial(&pass("a"), &to).await.unwrap();
    let error = gate.dial(&pass("a"), &to).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Reason::TooMany)), "{error}");
    let _third = gate.dial(&pass("b"), &to).await.unwrap();
    gate.dial(&pass("c"), &to).await.unwrap_err();
    drop(first);
    let _again = gate.dial(&pass("a"), &to).await.unwrap();
    assert_eq!(refusals(&gate.stats(), Reason::TooMany), 2);
}
