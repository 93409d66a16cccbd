//! What a sandbox's own policy does: names, lookups, addresses, and the audit.

use std::sync::Mutex;

use egress::{Decision, Egress, Error, Verdict};

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::rig::{Inside, Server, World, said};
use crate::wire::{greet, until_end};

/// A sandbox of this policy, and what is told of it.
fn audited(egress: Egress) -> (Arc<Pass>, Arc<Mutex<Vec<Decision>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    let pass = Pass {
        egress,
        audit: Arc::new(move |decision| ear.lock().unwrap().push(decision)),
        ..Pass::open("sb")
    };
    (Arc::new(pass), told)
}

fn only(hosts: &[&str]) -> Egress {
    Egress::Allowlist(hosts.iter().map(|host| host.parse().unwrap()).collect())
}

fn refused(error: &Error) -> Reason {
    let Error::Refused(reason) = error else {
        panic!("{error}")
    };
    *reason
}

#[tokio::test]
async fn with_egress_none_nothing_is_reached_and_no_name_asked_for() {
    let gate = open_gate(Limits::default());
    let (_listener, to) = listener();
    let (pass, told) = audited(Egress::None);
    let error = gate.dial(&pass, &to).await.unwrap_err();
    assert_eq!(refused(&error), Reason::Closed);
    let error = gate.resolve(&pass, "localhost").await.unwrap_err();
    assert_eq!(refused(&error), Reason::Closed);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    let last = Decision {
        verdict: Verdict::Denied,
        host: "localhost".into(),
        port: 0,
        secret: None,
        reason: Some("closed"),
    };
    assert_eq!(told[1], last);
}

#[tokio::test]
async fn an_allowlist_admits_its_names_however_they_are_written() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let (pass, told) = audited(only(&["localhost"]));
    for name in ["localhost", "LOCALHOST"] {
        let name = Destination::Name(name.into(), to_port(&to));
        gate.dial(&pass, &name).await.unwrap();
        accept(&listener).await;
    }
    for name in ["127.0.0.1", "localhost.example", "127.1", "0x7f000001"] {
        let name = Destination::Name(name.into(), to_port(&to));
        let error = gate.dial(&pass, &name).await.unwrap_err();
        assert_eq!(refused(&error), Reason::Unlisted);
    }
    let error = gate.resolve(&pass, "other.example").await.unwrap_err();
    assert_eq!(refused(&error), Reason::Unlisted);
    assert_eq!(told.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn an_address_on_the_list_is_reached_as_an_address() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let (pass, _) = audited(only(&["127.0.0.1"]));
    gate.dial(&pass, &to).await.unwrap();
    accept(&listener).await;
    let (pass, _) = audited(only(&["localhost"]));
    let mapped = address(&format!("[::ffff:127.0.0.1]:{}", to_port(&to)));
    gate.resolve(&pass, "localhost").await.unwrap();
    gate.dial(&pass, &mapped).await.unwrap();
    accept(&listener).await;
}

#[tokio::test]
async fn a_name_said_in_tls_decides_where_an_unknown_address_leads() {
    let world = World::new();
    let server = Server::hello(&world, "localhost").await;
    let inside = Inside::new(&world, &[], &[]).await;
    let pass = listing(&inside, &["localhost"]);
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // Nobody asked for this address, and nobody is there: the name decides.
    let elsewhere = address(&format!("127.9.9.9:{}", server.at.port()));
    let mut stream = greet(&inside, &pass, &elsewhere, "localhost", &[])
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(until_end(&mut stream).await.ends_with("hello"));
    for unlisted in ["evil.example", "localhost.evil.example", "127.0.0.1"] {
        let answer = asked(&inside, &pass, &server.to(), unlisted).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        let why = format!("may not reach {unlisted}: it is not on its egress allowlist");
        assert!(answer.contains(&why), "{answer}");
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(refusals(&inside.gate.stats(), Reason::Unlisted), 3);
    assert_eq!(inside.gate.stats().allowed, 1);
}

#[tokio::test]
async fn a_listed_address_does_not_front_for_another_name() {
    let world = World::new();
    let server = Server::hello(&world, "evil.example").await;
    let inside = Inside::new(&world, &[], &[]).await;
    let pass = listing(&inside, &["localhost"]);
    inside.gate.resolve(&pass, "localhost").await.unwrap();
    let answer = asked(&inside, &pass, &server.to(), "evil.example").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    // Not even as another protocol, of which we could say nothing.
    greet(&inside, &pass, &server.to(), "evil.example", &[b"imap"])
        .await
        .unwrap_err();
    let web = Server::start(None, Arc::new(|_| async { said("hello") }.boxed())).await;
    for (host, status) in [("evil.example", "403"), ("localhost", "200")] {
        let mut stream = inside.gate.dial(&pass, &web.to()).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until_end(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!((server.seen().len(), web.seen().len()), (0, 1));
}

#[tokio::test]
async fn a_request_that_is_not_encrypted_says_where_to_as_well() {
    let inside = Inside::new(&World::new(), &[], &[]).await;
    let web = Server::start(None, Arc::new(|_| async { said("hello") }.boxed())).await;
    let pass = listing(&inside, &["localhost"]);
    let elsewhere = address(&format!("127.9.9.9:{}", web.at.port()));
    for (host, status) in [("evil.example", "403"), ("localhost", "200")] {
        let mut stream = inside.gate.dial(&pass, &elsewhere).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until_end(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_says_no_name_goes_only_where_a_name_led() {
    let inside = Inside::new(&World::new(), &[], &[]).await;
    let pass = listing(&inside, &["localhost"]);
    let (server, to) = listener();
    let mut stream = inside.gate.dial(&pass, &to).await.unwrap();
    let error = stream
        .write_all(b"SSH-2.0-x\r\n")
        .await
        .and(stream.read_u8().await.map(|_| ()));
    assert!(error.unwrap_err().to_string().contains("unlisted"));
    inside.gate.resolve(&pass, "localhost").await.unwrap();
    let mut stream = inside.gate.dial(&pass, &to).await.unwrap();
    stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let mut heard = [0; 11];
    accept(&server).await.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"SSH-2.0-x\r\n");
}

#[tokio::test]
async fn a_name_that_is_not_listed_leads_to_where_that_is_said() {
    let inside = Inside::new(&World::new(), &[], &[]).await;
    let pass = listing(&inside, &["localhost"]);
    let found = inside.gate.resolve(&pass, "evil.example").await.unwrap();
    let at = SocketAddr::new(found[0], 443);
    let by_name = Destination::Name("evil.example".into(), 443);
    for to in [Destination::Address(at), by_name] {
        let answer = asked(&inside, &pass, &to, "evil.example").await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("not on its egress allowlist"), "{answer}");
        // Other protocols are hung up on.
        let mut stream = inside.gate.dial(&pass, &to).await.unwrap();
        stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        stream.read_u8().await.unwrap_err();
    }
    let stats = inside.gate.stats();
    assert_eq!((stats.allowed, stats.unreachable), (0, 0));
    // Where everything is closed there is nothing to be told at all.
    let none = Arc::new(Pass {
        egress: Egress::None,
        ..Pass::clone(&pass)
    });
    let error = inside.gate.dial(&none, &Destination::Address(at)).await;
    assert_eq!(refused(&error.unwrap_err()), Reason::Closed);
    let error = inside.gate.resolve(&none, "evil.example").await;
    assert_eq!(refused(&error.unwrap_err()), Reason::Closed);
}

/// What comes back for a request to `name` over TLS.
async fn asked(inside: &Inside, pass: &Arc<Pass>, to: &Destination, name: &str) -> String {
    let mut stream = greet(inside, pass, to, name, &[b"http/1.1"]).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    until_end(&mut stream).await
}

/// The pass of that sandbox without grants, for these hosts only.
fn listing(inside: &Inside, hosts: &[&str]) -> Arc<Pass> {
    Arc::new(Pass {
        egress: only(hosts),
        grants: Vec::new(),
        ..Pass::clone(&inside.pass)
    })
}

fn to_port(to: &Destination) -> u16 {
    let Destination::Address(at) = to else {
        unreachable!()
    };
    at.port()
}
