//! What a sandbox's own policy does: names, lookups, addresses, and the audit.

use std::sync::Mutex;

use egress::{Decision, Egress, Error, Verdict};

use super::*;

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

fn to_port(to: &Destination) -> u16 {
    let Destination::Address(at) = to else {
        unreachable!()
    };
    at.port()
}
