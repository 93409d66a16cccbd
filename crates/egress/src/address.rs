//! What kind of address an address is: public, or special and why.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries
//! (RFC 6890, RFC 8190 and the RFC named at each row), the IANA IPv6 address
//! space (only 2000::/3 is handed out, RFC 4291), and the clouds' own pages
//! for their metadata addresses. IPv6 is closed by default: what is not global
//! unicast, or a form of an IPv4 address, is special.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::Reason;

type V4 = ([u8; 4], u32, Reason);
type V6 = ([u16; 8], u32, Reason);

/// The first row that holds the address decides.
const SPECIAL_V4: [V4; 22] = [
    // Azure's platform service, which sits in public space.
    ([168, 63, 129, 16], 32, Reason::Metadata),
    // Alibaba Cloud.
    ([100, 100, 100, 200], 32, Reason::Metadata),
    // Oracle Cloud (classic).
    ([192, 0, 0, 192], 32, Reason::Metadata),
    // EC2, GCE, Azure, OpenStack, DigitalOcean and others.
    ([169, 254, 169, 254], 32, Reason::Metadata),
    // ECS task and EKS pod credentials.
    ([169, 254, 170, 0], 24, Reason::Metadata),
    // RFC 791 "this network": connects to the host itself on Linux.
    ([0, 0, 0, 0], 8, Reason::Loopback),
    ([127, 0, 0, 0], 8, Reason::Loopback),          // RFC 1122
    ([10, 0, 0, 0], 8, Reason::Private),            // RFC 1918
    ([172, 16, 0, 0], 12, Reason::Private),         // RFC 1918
    ([192, 168, 0, 0], 16, Reason::Private),        // RFC 1918
    ([100, 64, 0, 0], 10, Reason::Shared),          // RFC 6598
    ([169, 254, 0, 0], 16, Reason::LinkLocal),      // RFC 3927
    ([255, 255, 255, 255], 32, Reason::Multicast),  // RFC 919 broadcast
    ([224, 0, 0, 0], 4, Reason::Multicast),         // RFC 5771
    ([192, 0, 2, 0], 24, Reason::Documentation),    // RFC 5737
    ([198, 51, 100, 0], 24, Reason::Documentation), // RFC 5737
    ([203, 0, 113, 0], 24, Reason::Documentation),  // RFC 5737
    ([233, 252, 0, 0], 24, Reason::Documentation),  // RFC 6676
    ([198, 18, 0, 0], 15, Reason::Benchmarking),    // RFC 2544
    ([192, 0, 0, 0], 24, Reason::Reserved),         // RFC 6890
    ([192, 88, 99, 0], 24, Reason::Reserved),       // RFC 7526, 6to4 relays
    ([240, 0, 0, 0], 4, Reason::Reserved),          // RFC 1112
];

const SPECIAL_V6: [V6; 16] = [
    // EC2 and EKS; both inside fd00::/8.
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, Reason::Metadata),
    // Google Compute Engine.
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32, Reason::Metadata),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Reason::Loopback), // RFC 4291
    ([0; 8], 128, Reason::Loopback),                   // RFC 4291
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Reason::Private), // RFC 4193
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Reason::Private), // RFC 3879
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Reason::Private), // RFC 8215
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Reason::LinkLocal), // RFC 4291
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Reason::Multicast), // RFC 4291
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Reason::Documentation), // RFC 3849
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Reason::Documentation), // RFC 9637
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Reason::Benchmarking), // RFC 5180
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Reason::Reserved), // RFC 2928
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, Reason::Reserved), // RFC 3701, 6bone
    // RFC 4291 IPv4-compatible, deprecated.
    ([0; 8], 96, Reason::Reserved),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Reason::Reserved), // RFC 6666
];

/// Why `address` is not public, or `None` when it is.
///
/// An IPv6 address that stands for IPv4 addresses (mapped, compatible, NAT64,
/// 6to4, Teredo) is as special as the worst of them.
pub(crate) fn special(address: IpAddr) -> Option<Reason> {
    match address.to_canonical() {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => embedded(v6)
            .into_iter()
            .flatten()
            .find_map(special_v4)
            .or_else(|| special_v6(v6)),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Reason> {
    let bits = address.to_bits();
    SPECIAL_V4
        .iter()
        .find(|(base, length, _)| (bits ^ u32::from_be_bytes(*base)).leading_zeros() >= *length)
        .map(|row| row.2)
}

fn special_v6(address: Ipv6Addr) -> Option<Reason> {
    let bits = address.to_bits();
    let row = SPECIAL_V6.iter().find(|(base, length, _)| {
        (bits ^ Ipv6Addr::from(*base).to_bits()).leading_zeros() >= *length
    });
    match row {
        // Teredo lies in the reserved block, and was judged by its parts.
        Some(_) if is_teredo(address) => None,
        Some(row) => Some(row.2),
        None if is_nat64(address) || address.segments()[0] >> 13 == 1 => None,
        None => Some(Reason::Reserved),
    }
}

/// The IPv4 addresses inside: at most two (Teredo's server and client).
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [a, b, c, d, .., g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let one_word = address.to_bits() >> 32 == 0 && address.to_bits() > 1;
    if is_nat64(address) || one_word {
        return [Some(join(g, h)), None];
    }
    if a == 0x2002 {
        return [Some(join(b, c)), None]; // RFC 3056
    }
    if is_teredo(address) {
        return [Some(join(c, d)), Some(join(!g, !h))]; // RFC 4380
    }
    [None, None]
}

fn is_nat64(address: Ipv6Addr) -> bool {
    address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] // RFC 6052
}

fn is_teredo(address: Ipv6Addr) -> bool {
    address.segments()[..2] == [0x2001, 0]
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
