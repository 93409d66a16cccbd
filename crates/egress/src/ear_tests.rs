//! First bytes whole, in pieces, and of the wrong kind.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use rustls::ClientConfig;
use rustls::client::ClientConnection;

use super::*;
use crate::roots::Roots;

/// What a TLS client says first.
fn hello(name: &'static str, protocols: &[&[u8]]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Roots::none().0)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    let mut client = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same handshake in TLS records of so many bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    hello[5..]
        .chunks(size)
        .flat_map(|piece| [&hello[..3], &(piece.len() as u16).to_be_bytes(), piece].concat())
        .collect()
}

fn heard(bytes: &[u8], at_once: usize) -> Heard {
    let mut ear = Ear::default();
    let heard = bytes
        .chunks(at_once)
        .map(|piece| ear.hear(piece))
        .find(|heard| *heard != Heard::More)
        .unwrap_or(Heard::More);
    assert!(bytes.starts_with(&ear.into_bytes()));
    heard
}

#[test]
fn a_hello_is_understood_however_it_is_cut() {
    let expected = Heard::Tls(Hello {
        name: Some("api.example.com".into()),
        protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    });
    let whole = hello("api.example.com", &[b"h2", b"http/1.1"]);
    for size in [1, 2, 7, 100, 10_000] {
        let records = in_records(&whole, size);
        for at_once in [1, 3, 64, 10_000] {
            assert_eq!(heard(&records, at_once), expected, "{size} {at_once}");
        }
    }
}

#[test]
fn a_hello_to_an_address_names_nobody() {
    let bytes = hello("192.0.2.1", &[]);
    assert_eq!(heard(&bytes, 10_000), Heard::Tls(Hello::default()));
}

#[test]
fn half_a_hello_is_too_little_and_a_false_one_is_broken() {
    let whole = hello("api.example.com", &[]);
    assert_eq!(heard(&whole[..whole.len() - 1], 50), Heard::More);
    let mut wrong = whole.clone();
    wrong[5] = 2; // a ServerHello
    assert_eq!(heard(&wrong, 10_000), Heard::Broken);
    assert_eq!(heard(b"\x16\x03\x01\x00\x00", 10), Heard::Broken);
    assert_eq!(heard(&[0x16; 100], 10), Heard::Broken);
}

#[test]
fn a_hello_without_end_is_not_listened_to_for_ever() {
    let mut whole = hello("api.example.com", &[]);
    // The handshake says that it goes on for 64 KiB.
    whole[6..9].copy_from_slice(&[0, 0xff, 0xff]);
    let mut endless = in_records(&whole, 16);
    while endless.len() < 70_000 {
        endless.extend_from_slice(&[0x16, 3, 1, 0, 4, 0, 0, 0, 0]);
    }
    assert_eq!(heard(&endless, 1000), Heard::Broken);
}

#[test]
fn requests_are_told_from_other_protocols() {
    let (one, two) = (Heard::Http { two: false }, Heard::Http { two: true });
    let table: [(&[u8], Heard); 14] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", one.clone()),
        (b"GET / HTTP/1.0\n\n", one.clone()),
        (b"M-SEARCH * HTTP/1.1\r\n", one),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", two),
        (b"", Heard::More),
        (b"GE", Heard::More),
        (b"GET /a/long/path", Heard::More),
        (b"NICK somebody\r\n", Heard::Other),
        (b"PING\r\n", Heard::Other),
        (b"EHLO localhost\r\n", Heard::Other),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Heard::Other),
        (b"*1\r\n$4\r\nPING\r\n", Heard::Other),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Heard::Other),
        (b"\r\nGET / HTTP/1.1\r\n", Heard::Other),
    ];
    for (bytes, expected) in table {
        assert_eq!(heard(bytes, 1_000), expected, "{bytes:?}");
        assert_eq!(heard(bytes, 1), expected, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn anything_can_be_heard_and_nothing_is_lost(
        tls: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        at_once in 1..50_usize,
    ) {
        let mut said = if tls { vec![0x16, 3, 1] } else { Vec::new() };
        said.extend(bytes);
        let mut ear = Ear::default();
        let mut last = Heard::More;
        for piece in said.chunks(at_once) {
            last = ear.hear(piece);
            if last != Heard::More {
                break;
            }
        }
        if last == Heard::More {
            prop_assert_eq!(ear.into_bytes(), said);
        } else {
            prop_assert!(said.starts_with(&ear.into_bytes()));
        }
    }

    #[test]
    fn a_hello_with_one_byte_changed_is_never_taken_for_another_protocol(at in 1..200_usize, to: u8) {
        let mut bytes = hello("api.example.com", &[b"h2"]);
        bytes[at] = to;
        let heard = heard(&bytes, 10_000);
        prop_assert!(!matches!(heard, Heard::Http { .. } | Heard::Other), "{heard:?}");
    }
}
