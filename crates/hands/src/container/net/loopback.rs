//! `lo` of a sandbox: brought up, given the sandbox's two addresses, and made
//! the way to everywhere, so that a connect to any address finds a route and
//! meets the redirect.
//!
//! IPv6 needs a *local* default route: the kernel turns a plain one over `lo`
//! into a reject.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::netlink::Train;
use super::{ADDRESS_V4, ADDRESS_V6};

/// `lo` is the first interface of every network namespace.
const LO: u32 = 1;

const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// Brings `lo` up with its IPv4 address and default route.
pub(super) fn up() -> io::Result<()> {
    let mut train = Train::default();
    let raised = libc::IFF_UP as u32;
    let mut link = vec![0; 4];
    link.extend(LO.to_ne_bytes());
    link.extend(raised.to_ne_bytes());
    link.extend(raised.to_ne_bytes());
    train.push(libc::RTM_NEWLINK, 0, &link, |_| ());
    address(&mut train, ADDRESS_V4.into());
    route(&mut train, ADDRESS_V4.into());
    train.send(libc::NETLINK_ROUTE)
}

/// The same for IPv6, which a kernel may lack.
pub(super) fn up_v6() -> io::Result<()> {
    let mut train = Train::default();
    address(&mut train, ADDRESS_V6.into());
    route(&mut train, ADDRESS_V6.into());
    train.send(libc::NETLINK_ROUTE)?;
    carries(ADDRESS_V6.into())
}

/// Waits until the address carries: the kernel finishes an IPv6 address on a
/// work queue, and what is sent to it before that is lost.
fn carries(address: IpAddr) -> io::Result<()> {
    const ANSWER: Duration = Duration::from_millis(5);
    const TRIES: u32 = 200;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..TRIES {
        let tried = UdpSocket::bind((address, 0)).and_then(|socket| {
            socket.set_read_timeout(Some(ANSWER))?;
            socket.send_to(b"?", socket.local_addr()?)?;
            socket.recv(&mut [0; 1])
        });
        match tried {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// `ifaddrmsg`: family, full prefix, no duplicate detection (it would make the
/// address unusable for a second), global scope, `lo`.
fn address(train: &mut Train, address: IpAddr) {
    let (family, bytes) = parts(address);
    let mut head = vec![
        family,
        (bytes.len() * 8) as u8,
        libc::IFA_F_NODAD as u8,
        libc::RT_SCOPE_UNIVERSE,
    ];
    head.extend(LO.to_ne_bytes());
    train.push(libc::RTM_NEWADDR, CREATE, &head, |attrs| {
        attrs.put(libc::IFA_LOCAL, &bytes);
        attrs.put(libc::IFA_ADDRESS, &bytes);
    });
}

/// `rtmsg`: the default route of the family over `lo`, with `source` as the
/// address that programs are seen to connect from.
fn route(train: &mut Train, source: IpAddr) {
    let (family, bytes) = parts(source);
    let (kind, scope) = match source {
        IpAddr::V4(_) => (libc::RTN_UNICAST, libc::RT_SCOPE_LINK),
        IpAddr::V6(_) => (libc::RTN_LOCAL, libc::RT_SCOPE_UNIVERSE),
    };
    let head = [
        family,
        0,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_BOOT,
        scope,
        kind,
        0,
        0,
        0,
        0,
    ];
    train.push(libc::RTM_NEWROUTE, CREATE, &head, |attrs| {
        attrs.put(libc::RTA_OIF, &LO.to_ne_bytes());
        attrs.put(libc::RTA_PREFSRC, &bytes);
    });
}

fn parts(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    }
}
