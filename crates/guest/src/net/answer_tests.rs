//! Questions and answers as bytes, checked with an independent reading of them
//! where that is short, and with the parser where it is not.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use simple_dns::rdata::OPT;
use simple_dns::{Name, Question as Asked};

use super::*;

fn query(name: &str, kind: QTYPE) -> Packet<'_> {
    let mut packet = Packet::new_query(7);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).unwrap();
    let question = Asked::new(name, kind, CLASS::IN.into(), false);
    packet.questions.push(question);
    packet
}

fn bytes(name: &str, kind: TYPE) -> Vec<u8> {
    query(name, kind.into()).build_bytes_vec().unwrap()
}

fn addresses(answer: &[u8]) -> Vec<IpAddr> {
    let packet = Packet::parse(answer).unwrap();
    packet
        .answers
        .iter()
        .map(|record| match &record.rdata {
            RData::A(a) => IpAddr::V4(a.address.into()),
            RData::AAAA(aaaa) => IpAddr::V6(aaaa.address.into()),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_question_for_addresses_is_looked_up() {
    for kind in [TYPE::A, TYPE::AAAA] {
        let asked = read(&bytes("www.example.com", kind));
        assert_eq!(asked, Question::Lookup("www.example.com".into()));
    }
}

#[test]
fn only_addresses_of_the_family_asked_for_are_told() {
    let both = Resolved::Addresses(vec![
        "192.0.2.1".parse().unwrap(),
        "2001:db8::1".parse().unwrap(),
        "192.0.2.2".parse().unwrap(),
    ]);
    let table: [(TYPE, &[&str]); 2] = [
        (TYPE::A, &["192.0.2.1", "192.0.2.2"]),
        (TYPE::AAAA, &["2001:db8::1"]),
    ];
    for (kind, expected) in table {
        let question = bytes("Example.com", kind);
        let answer = answer(&question, &both);
        let told: Vec<_> = addresses(&answer).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
        let packet = Packet::parse(&answer).unwrap();
        assert_eq!((packet.id(), packet.rcode()), (7, RCODE::NoError));
        assert_eq!(packet.questions[0].qname.to_string(), "Example.com");
        let flags =
            PacketFlag::RESPONSE | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE;
        assert!(packet.has_flags(flags));
    }
}

#[test]
fn a_name_without_such_addresses_is_no_error_and_no_such_name_is_one() {
    let v4 = Resolved::Addresses(vec!["192.0.2.1".parse().unwrap()]);
    let table = [
        (TYPE::AAAA, v4, RCODE::NoError),
        (TYPE::A, Resolved::NoName, RCODE::NameError),
        (TYPE::A, Resolved::Failed, RCODE::ServerFailure),
    ];
    for (kind, resolved, code) in table {
        let answer = answer(&bytes("example.com", kind), &resolved);
        assert_eq!(Packet::parse(&answer).unwrap().rcode(), code);
        assert!(addresses(&answer).is_empty());
    }
}

#[test]
fn other_records_are_answered_with_none() {
    for kind in [TYPE::MX, TYPE::TXT, TYPE::NS, TYPE::PTR, TYPE::SRV] {
        let Question::Answer(answer) = read(&bytes("example.com", kind)) else {
            panic!("{kind:?}")
        };
        let packet = Packet::parse(&answer).unwrap();
        assert_eq!(packet.rcode(), RCODE::NoError, "{kind:?}");
        assert!(packet.answers.is_empty());
    }
}

#[test]
fn what_is_no_plain_question_is_refused_by_code_or_ignored() {
    let good = bytes("example.com", TYPE::A);
    let change = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let unknown_type = {
        let mut bytes = good.clone();
        let at = bytes.len() - 4;
        bytes[at..at + 2].copy_from_slice(&65400_u16.to_be_bytes());
        bytes
    };
    let code = |bytes: &[u8]| match read(bytes) {
        Question::Answer(answer) => Some(answer[3] & 0x0f),
        Question::Ignore => None,
        Question::Lookup(name) => panic!("{name}"),
    };
    let table = [
        ("a header cut short", good[..11].to_vec(), None),
        ("an answer", change(2, 0x81), None),
        ("no question", change(5, 0), Some(1)),
        ("two questions", change(5, 2), Some(1)),
        ("claims 65,280 answers", change(6, 0xff), Some(1)),
        ("claims two additional records", change(11, 2), Some(1)),
        ("a status request", change(2, 0x10), Some(4)),
        ("a record type nobody knows", unknown_type, Some(4)),
        ("another class", change(good.len() - 1, 3), Some(4)),
        ("cut within the name", good[..15].to_vec(), Some(4)),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(code(&bytes), expected, "{what}");
    }
}

#[test]
fn an_edns_question_is_answered_without_edns() {
    let mut packet = query("example.com", TYPE::A.into());
    *packet.opt_mut() = Some(OPT {
        udp_packet_size: 1232,
        version: 0,
        opt_codes: Vec::new(),
    });
    let question = packet.build_bytes_vec().unwrap();
    assert_eq!(question[11], 1);
    assert_eq!(read(&question), Question::Lookup("example.com".into()));
    let one = Resolved::Addresses(vec!["192.0.2.1".parse().unwrap()]);
    let answer = answer(&question, &one);
    assert_eq!(answer[11], 0);
    assert_eq!(addresses(&answer).len(), 1);
}

#[test]
fn more_addresses_than_fit_are_left_out_whole() {
    let many = (0..200).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    let long = format!("{}.example.com", "a".repeat(63));
    let answer = answer(&bytes(&long, TYPE::A), &Resolved::Addresses(many));
    assert!(answer.len() <= SMALLEST);
    let told = addresses(&answer);
    assert!(told.len() > 20, "{}", told.len());
    assert_eq!(told[0], IpAddr::from([192, 0, 2, 0]));
}

proptest! {
    #[test]
    fn no_bytes_make_the_stub_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
        answer(&bytes, &Resolved::NoName);
    }

    #[test]
    fn a_broken_question_never_gets_a_longer_answer_than_a_datagram(
        at in 0usize..30, value: u8,
    ) {
        let mut bytes = bytes("www.example.com", TYPE::A);
        bytes[at] = value;
        if let Question::Answer(answer) = read(&bytes) {
            prop_assert!(answer.len() <= SMALLEST);
            prop_assert_eq!(&answer[..2], &bytes[..2]);
        }
    }
}
