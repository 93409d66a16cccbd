//! The nftables table of a sandbox: every new TCP connection that does not
//! stay on loopback goes to the guest's listener, every DNS question to the
//! guest's stub, and anything else that would leave is refused at once.
//!
//! One `inet` table covers IPv4 and IPv6 (kernel 5.2 and later). As text:
//!
//! ```text
//! table inet oc {
//!   chain carry  { type nat hook output priority -100;
//!     ip daddr 127.0.0.0/8 return; ip daddr 10.200.0.1 return
//!     ip6 daddr ::1 return; ip6 daddr fd6f:6300::1 return
//!     meta l4proto tcp redirect to :LISTENER
//!     meta l4proto udp th dport 53 redirect to :53 }
//!   chain refuse { type filter hook output priority 0; policy drop;
//!     meta l4proto tcp accept
//!     (the four loopback addresses) accept }
//! }
//! ```
//!
//! A dropped datagram fails its `send` with EPERM: programs learn at once.
//! This is comfort and speed, not the wall: the wall is that the namespace
//! has no way out but the guest.

use std::io;

use super::netlink::{Attrs, Train};
use super::{ADDRESS_V4, ADDRESS_V6, DNS_PORT};

const NEW_TABLE: u16 = message(libc::NFT_MSG_NEWTABLE);
const NEW_CHAIN: u16 = message(libc::NFT_MSG_NEWCHAIN);
const NEW_RULE: u16 = message(libc::NFT_MSG_NEWRULE);

const TABLE: &str = "oc";
const CARRY: &str = "carry";
const REFUSE: &str = "refuse";

const REGISTER: u32 = libc::NFT_REG_1 as u32;
const BEFORE_FILTER: u32 = -100i32 as u32;

// Attribute numbers of <linux/netfilter/nf_tables.h>, which `libc` leaves out.
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

const fn message(kind: i32) -> u16 {
    ((libc::NFNL_SUBSYS_NFTABLES << 8) | kind) as u16
}

/// What a rule looks at.
#[derive(Clone, Copy)]
enum Match {
    Tcp,
    Udp,
    ToPort(u16),
    /// The first `u8` bytes of an IPv4 destination.
    V4([u8; 4], u8),
    V6([u8; 16]),
}

/// What a rule does.
#[derive(Clone, Copy)]
enum Verdict {
    Accept,
    Return,
    Redirect(u16),
}

/// Installs the table in the calling thread's network namespace, all or
/// nothing.
pub(super) fn install(listener: u16) -> io::Result<()> {
    let mut train = Train::default();
    train.mark(libc::NFNL_MSG_BATCH_BEGIN as u16, &batch_head());
    train.push(NEW_TABLE, libc::NLM_F_CREATE, &head(), |attrs| {
        attrs.name(TABLE_NAME, TABLE);
    });
    chain(&mut train, CARRY, "nat", BEFORE_FILTER, libc::NF_ACCEPT);
    chain(&mut train, REFUSE, "filter", 0, libc::NF_DROP);

    for local in locals() {
        rule(&mut train, CARRY, &[local], Verdict::Return);
    }
    rule(
        &mut train,
        CARRY,
        &[Match::Tcp],
        Verdict::Redirect(listener),
    );
    let question = [Match::Udp, Match::ToPort(DNS_PORT)];
    rule(&mut train, CARRY, &question, Verdict::Redirect(DNS_PORT));

    rule(&mut train, REFUSE, &[Match::Tcp], Verdict::Accept);
    for local in locals() {
        rule(&mut train, REFUSE, &[local], Verdict::Accept);
    }
    train.mark(libc::NFNL_MSG_BATCH_END as u16, &batch_head());
    train.send(libc::NETLINK_NETFILTER)
}

fn locals() -> [Match; 4] {
    [
        Match::V4([127, 0, 0, 0], 1),
        Match::V4(ADDRESS_V4.octets(), 4),
        Match::V6(std::net::Ipv6Addr::LOCALHOST.octets()),
        Match::V6(ADDRESS_V6.octets()),
    ]
}

/// `nfgenmsg`: family, version 0, resource 0.
fn head() -> [u8; 4] {
    [libc::NFPROTO_INET as u8, 0, 0, 0]
}

/// `nfgenmsg` of a batch mark names the subsystem, in network order.
fn batch_head() -> [u8; 4] {
    [0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8]
}

fn chain(train: &mut Train, name: &str, kind: &str, priority: u32, policy: i32) {
    train.push(NEW_CHAIN, libc::NLM_F_CREATE, &head(), |attrs| {
        attrs.name(CHAIN_TABLE, TABLE);
        attrs.name(CHAIN_NAME, name);
        attrs.nest(CHAIN_HOOK, |hook| {
            hook.number(HOOK_NUMBER, libc::NF_INET_LOCAL_OUT as u32);
            hook.number(HOOK_PRIORITY, priority);
        });
        attrs.number(CHAIN_POLICY, policy as u32);
        attrs.name(CHAIN_TYPE, kind);
    });
}

fn rule(train: &mut Train, chain: &str, matches: &[Match], verdict: Verdict) {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    train.push(NEW_RULE, flags, &head(), |attrs| {
        attrs.name(RULE_TABLE, TABLE);
        attrs.name(RULE_CHAIN, chain);
        attrs.nest(RULE_EXPRESSIONS, |list| {
            for one in matches {
                one.write(list);
            }
            verdict.write(list);
        });
    });
}

impl Match {
    fn write(self, list: &mut Attrs) {
        match self {
            Match::Tcp => meta_is(list, libc::NFT_META_L4PROTO, libc::IPPROTO_TCP),
            Match::Udp => meta_is(list, libc::NFT_META_L4PROTO, libc::IPPROTO_UDP),
            Match::ToPort(port) => {
                payload(list, libc::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
                equals(list, &port.to_be_bytes());
            }
            Match::V4(address, length) => {
                meta_is(list, libc::NFT_META_NFPROTO, libc::NFPROTO_IPV4);
                payload(list, libc::NFT_PAYLOAD_NETWORK_HEADER, 16, length.into());
                equals(list, &address[..usize::from(length)]);
            }
            Match::V6(address) => {
                meta_is(list, libc::NFT_META_NFPROTO, libc::NFPROTO_IPV6);
                payload(list, libc::NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
                equals(list, &address);
            }
        }
    }
}

impl Verdict {
    fn write(self, list: &mut Attrs) {
        match self {
            Verdict::Accept => code(list, libc::NF_ACCEPT),
            Verdict::Return => code(list, libc::NFT_RETURN),
            Verdict::Redirect(port) => {
                expression(list, "immediate", |data| {
                    data.number(1, REGISTER);
                    data.nest(2, |value| value.put(DATA_VALUE, &port.to_be_bytes()));
                });
                expression(list, "redir", |data| data.number(1, REGISTER));
            }
        }
    }
}

fn expression(list: &mut Attrs, name: &str, data: impl FnOnce(&mut Attrs)) {
    list.nest(LIST_ELEMENT, |element| {
        element.name(EXPRESSION_NAME, name);
        element.nest(EXPRESSION_DATA, data);
    });
}

/// Loads one packet property (always a single byte here) and compares it.
fn meta_is(list: &mut Attrs, key: i32, value: i32) {
    expression(list, "meta", |data| {
        data.number(1, REGISTER);
        data.number(2, key as u32);
    });
    equals(list, &[value as u8]);
}

fn payload(list: &mut Attrs, base: i32, offset: u32, length: u32) {
    expression(list, "payload", |data| {
        data.number(1, REGISTER);
        data.number(2, base as u32);
        data.number(3, offset);
        data.number(4, length);
    });
}

fn equals(list: &mut Attrs, value: &[u8]) {
    expression(list, "cmp", |data| {
        data.number(1, REGISTER);
        data.number(2, libc::NFT_CMP_EQ as u32);
        data.nest(3, |inner| inner.put(DATA_VALUE, value));
    });
}

fn code(list: &mut Attrs, code: i32) {
    expression(list, "immediate", |data| {
        data.number(1, libc::NFT_REG_VERDICT as u32);
        data.nest(2, |value| {
            value.nest(DATA_VERDICT, |verdict| {
                verdict.number(VERDICT_CODE, code as u32);
            });
        });
    });
}
