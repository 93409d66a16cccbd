//! Edges of every special range, and properties over all addresses.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn of(text: &str) -> Option<Reason> {
    special(text.parse().unwrap())
}

#[test]
fn each_special_range_is_refused_from_its_first_to_its_last_address() {
    use Reason::*;
    let table = [
        ("0.0.0.0", "0.255.255.255", Loopback),
        ("127.0.0.0", "127.255.255.255", Loopback),
        ("10.0.0.0", "10.255.255.255", Private),
        ("172.16.0.0", "172.31.255.255", Private),
        ("192.168.0.0", "192.168.255.255", Private),
        ("100.64.0.0", "100.127.255.255", Shared),
        ("169.254.0.0", "169.254.255.255", LinkLocal),
        ("224.0.0.0", "239.255.255.255", Multicast),
        ("192.0.2.0", "192.0.2.255", Documentation),
        ("198.51.100.0", "198.51.100.255", Documentation),
        ("203.0.113.0", "203.0.113.255", Documentation),
        ("198.18.0.0", "198.19.255.255", Benchmarking),
        ("192.0.0.0", "192.0.0.255", Reserved),
        ("192.88.99.0", "192.88.99.255", Reserved),
        ("240.0.0.0", "255.255.255.254", Reserved),
        ("255.255.255.255", "255.255.255.255", Multicast),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
        (
            "fe80::",
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            LinkLocal,
        ),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
        (
            "ff00::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Multicast,
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            Documentation,
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Documentation,
        ),
        (
            "2001:2::",
            "2001:2:0:ffff:ffff:ffff:ffff:ffff",
            Benchmarking,
        ),
        ("2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
        (
            "2001:10::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reserved,
        ),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Private),
        ("100::", "100::ffff:ffff:ffff:ffff", Reserved),
        (
            "4000::",
            "5fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Reserved,
        ),
        ("::1", "::1", Loopback),
        ("::", "::", Loopback),
    ];
    for (first, last, reason) in table {
        assert_eq!(of(first), Some(reason), "{first}");
        assert_eq!(of(last), Some(reason), "{last}");
    }
}

#[test]
fn the_neighbours_of_the_ranges_are_public() {
    for public in [
        "1.0.0.0",
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "8.8.8.8",
        "2000::",
        "2001:200::",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2001:db7:ffff::",
        "2001:db9::",
        "2620:4f:8000::1",
        "3ffd::1",
        "3fff:1000::",
    ] {
        assert_eq!(of(public), None, "{public}");
    }
}

#[test]
fn metadata_is_named_as_such_wherever_it_lies() {
    for metadata in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ] {
        assert_eq!(of(metadata), Some(Reason::Metadata), "{metadata}");
    }
}

#[test]
fn a_public_address_stays_public_in_the_forms_that_are_in_use() {
    assert_eq!(of("::ffff:8.8.8.8"), None);
    assert_eq!(of("64:ff9b::8.8.8.8"), None);
    assert_eq!(of("2002:0808:0808::1"), None);
    // Teredo: server 8.8.8.8, client 8.8.4.4 with its bits inverted.
    assert_eq!(of("2001:0:808:808:0:0:f7f7:fbfb"), None);
    // The compatible form is nobody's address, whatever it holds.
    assert_eq!(of("::8.8.8.8"), Some(Reason::Reserved));
}

fn forms(inner: Ipv4Addr) -> [Ipv6Addr; 6] {
    let bits = u128::from(inner.to_bits());
    let public = u128::from(u32::from_be_bytes([8, 8, 8, 8]));
    let teredo = 0x2001_0000_u128 << 96;
    [
        inner.to_ipv6_mapped(),
        Ipv6Addr::from_bits(bits),
        Ipv6Addr::from_bits(0x64_ff9b_u128 << 96 | bits),
        Ipv6Addr::from_bits(0x2002_u128 << 112 | bits << 80 | 1),
        Ipv6Addr::from_bits(teredo | bits << 64 | (!public & 0xffff_ffff)),
        Ipv6Addr::from_bits(teredo | public << 64 | (!bits & 0xffff_ffff)),
    ]
}

/// An address of one of the special IPv4 ranges, any of its hosts.
fn special_address() -> impl Strategy<Value = Ipv4Addr> {
    (prop::sample::select(SPECIAL_V4.to_vec()), any::<u32>()).prop_map(
        |((base, length, _), noise)| {
            let host = if length == 32 { 0 } else { u32::MAX >> length };
            Ipv4Addr::from_bits(u32::from_be_bytes(base) | (noise & host))
        },
    )
}

proptest! {
    #[test]
    fn any_host_of_a_special_range_is_special_in_every_form(inner in special_address()) {
        prop_assert!(special(inner.into()).is_some());
        for form in forms(inner) {
            prop_assert!(special(form.into()).is_some(), "{}", form);
        }
    }

    #[test]
    fn a_mapped_address_is_judged_as_the_address_itself(bits: u32) {
        let inner = Ipv4Addr::from_bits(bits);
        prop_assert_eq!(special(inner.to_ipv6_mapped().into()), special(inner.into()));
    }

    #[test]
    fn what_the_standard_library_calls_special_we_do_too(bits: u32) {
        let inner = Ipv4Addr::from_bits(bits);
        if inner.is_private() || inner.is_loopback() || inner.is_link_local() || inner.is_multicast()
            || inner.is_broadcast() || inner.is_documentation() || inner.is_unspecified() {
            prop_assert!(special(inner.into()).is_some());
        }
    }

    #[test]
    fn ipv6_outside_global_unicast_is_public_only_as_a_form_of_ipv4(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        let global = bits >> 125 == 1;
        if !global && !is_nat64(address) && address.to_ipv4_mapped().is_none() {
            prop_assert!(special(address.into()).is_some(), "{}", address);
        }
    }

    #[test]
    fn unique_local_and_link_local_ipv6_never_pass(bits: u128, link: bool) {
        let (base, length) = if link { (0xfe80_u128 << 112, 10) } else { (0xfc00_u128 << 112, 7) };
        let address = Ipv6Addr::from_bits(base | (bits & (u128::MAX >> length)));
        prop_assert!(special(address.into()).is_some(), "{}", address);
    }
}
