//! A DNS question to its answer, as bytes; pure.
//!
//! Addresses are all this stub knows. Questions for other records of a name
//! are answered with none; what is no plain question is refused by code.

use std::net::IpAddr;

use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{CLASS, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};

use crate::request::Resolved;

/// The host asks again soon enough; long-lived processes must notice a move.
const TTL: u32 = 30;

/// Every client takes a datagram of this size (RFC 1035).
const SMALLEST: usize = 512;

const HEADER: usize = 12;

// RFC 1035 section 4.1.1.
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;

/// What to do with a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Look this name up, then call [`answer`].
    Lookup(String),
    /// Send these bytes.
    Answer(Vec<u8>),
    /// Not even a header: stay silent.
    Ignore,
}

/// Reads a question.
pub(super) fn read(bytes: &[u8]) -> Question {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Question::Ignore;
    };
    if header[2] & 0x80 != 0 {
        return Question::Ignore; // An answer; answering it could go round for ever.
    }
    // One question, no answers, perhaps an OPT record: checked before parsing,
    // which makes room for as many records as the header claims.
    if header[4..11] != [0, 1, 0, 0, 0, 0, 0] || header[11] > 1 {
        return Question::Answer(bare(header, FORMAT_ERROR));
    }
    let Ok(packet) = Packet::parse(bytes) else {
        // Mostly a record type unknown to the parser.
        return Question::Answer(bare(header, NOT_IMPLEMENTED));
    };
    match packet.questions.first() {
        _ if packet.opcode() != OPCODE::StandardQuery => {
            Question::Answer(bare(header, NOT_IMPLEMENTED))
        }
        Some(question) if wanted(question.qtype, question.qclass).is_some() => {
            Question::Lookup(question.qname.to_string())
        }
        Some(question) if question.qclass != QCLASS::CLASS(CLASS::IN) => {
            Question::Answer(bare(header, NOT_IMPLEMENTED))
        }
        _ => Question::Answer(reply(packet, RCODE::NoError, &[])),
    }
}

/// The answer to a question that was [`Question::Lookup`].
pub(super) fn answer(bytes: &[u8], resolved: &Resolved) -> Vec<u8> {
    let Ok(packet) = Packet::parse(bytes) else {
        return Vec::new();
    };
    let wanted = packet
        .questions
        .first()
        .and_then(|question| wanted(question.qtype, question.qclass));
    let addresses: Vec<IpAddr> = match (resolved, wanted) {
        (Resolved::Addresses(all), Some(v4)) => all
            .iter()
            .filter(|address| address.is_ipv4() == v4)
            .copied()
            .collect(),
        _ => Vec::new(),
    };
    let code = match resolved {
        Resolved::Addresses(_) => RCODE::NoError,
        Resolved::NoName => RCODE::NameError,
        Resolved::Failed => RCODE::ServerFailure,
    };
    reply(packet, code, &addresses)
}

/// Whether addresses are asked for: IPv4 (`true`), IPv6 (`false`) or neither.
fn wanted(kind: QTYPE, class: QCLASS) -> Option<bool> {
    match (kind, class) {
        (QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN)) => Some(true),
        (QTYPE::TYPE(TYPE::AAAA), QCLASS::CLASS(CLASS::IN)) => Some(false),
        _ => None,
    }
}

fn reply(question: Packet<'_>, code: RCODE, addresses: &[IpAddr]) -> Vec<u8> {
    let recursion = question.has_flags(PacketFlag::RECURSION_DESIRED);
    let name = question.questions.first().map(|one| one.qname.clone());
    let mut reply = question.into_reply();
    reply.additional_records.clear();
    *reply.opt_mut() = None;
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    if recursion {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    *reply.rcode_mut() = code;
    let mut bytes = reply.build_bytes_vec_compressed().unwrap_or_default();
    for address in addresses {
        let Some(name) = name.clone() else { break };
        let record = ResourceRecord::new(name, CLASS::IN, TTL, data(*address));
        reply.answers.push(record);
        match reply.build_bytes_vec_compressed() {
            Ok(longer) if longer.len() <= SMALLEST => bytes = longer,
            _ => break,
        }
    }
    bytes
}

fn data<'a>(address: IpAddr) -> RData<'a> {
    match address {
        IpAddr::V4(v4) => RData::A(A {
            address: v4.to_bits(),
        }),
        IpAddr::V6(v6) => RData::AAAA(AAAA {
            address: v6.to_bits(),
        }),
    }
}

/// A reply without sections: the id, "response", the opcode and the code.
fn bare(question: &[u8; HEADER], code: u8) -> Vec<u8> {
    let mut reply = vec![0; HEADER];
    reply[..2].copy_from_slice(&question[..2]);
    reply[2] = 0x80 | (question[2] & 0x79);
    reply[3] = 0x80 | code;
    reply
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
