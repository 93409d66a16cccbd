//! The network of a sandbox: `lo`, two addresses, routes that lead nowhere
//! but back, and the redirect that hands every connection to the guest.
//!
//! The launcher calls [`configure`] once, inside the new network namespace,
//! after it entered the user namespace and before it drops capabilities: it
//! needs `CAP_NET_ADMIN` there, `/proc` of any kind, one thread, no async, no
//! tools. Everything is raw netlink. It knows nothing of the gate or of what
//! the guest does with a connection.

mod loopback;
mod netlink;
mod redirect;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The IPv4 address programs in a sandbox are seen to connect from.
pub const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

/// The IPv6 one, a unique-local address ("oc" in hex).
pub const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x6300, 0, 0, 0, 0, 0, 1);

/// Where the guest's DNS stub listens on loopback.
pub const DNS_PORT: u16 = 53;

/// What a sandbox's network turned out to be; the launcher records it and
/// `oc doctor` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// New connections reach the guest by themselves. When false, programs
    /// must be told of the proxy by `HTTP_PROXY` and `HTTPS_PROXY`.
    pub redirect: bool,
    /// Why there is no redirect, in words for a person.
    pub missing: Option<String>,
    /// IPv6 destinations work too.
    pub ipv6: bool,
    /// Any program may bind a port below 1024 (and the guest port 53).
    pub low_ports: bool,
}

/// Sets up the calling thread's network namespace so that all TCP except
/// loopback reaches `127.0.0.1:listener` (and `[::1]:listener`).
///
/// # Errors
///
/// Only when `lo` itself cannot be set up. A kernel without nftables is no
/// error: [`Network::redirect`] is false then and [`Network::missing`] says
/// why.
pub fn configure(listener: u16) -> io::Result<Network> {
    loopback::up()?;
    let ipv6 = loopback::up_v6().is_ok();
    let installed = redirect::install(listener);
    // Where it fails, the sandbox only has the kernel's own, larger buffers.
    let _ = small_buffers();
    Ok(Network {
        redirect: installed.is_ok(),
        missing: installed
            .err()
            .map(|error| format!("nftables redirect not available: {error}")),
        ipv6,
        low_ports: free_low_ports().is_ok(),
    })
}

/// Tries [`configure`] in new user and network namespaces of the calling
/// process, which must be single-threaded, have `/proc`, and end soon after:
/// it stays in them.
///
/// # Errors
///
/// When the namespaces cannot be made or `lo` cannot be set up.
#[expect(unsafe_code, reason = "a system call without a safe binding")]
pub fn probe(listener: u16) -> io::Result<Network> {
    // SAFETY: no pointers; the kernel itself refuses a threaded caller.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    configure(listener)
}

/// Commands have no capabilities, yet a web server on port 80 of its own
/// namespace harms nobody.
fn free_low_ports() -> io::Result<()> {
    std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
}

/// No connection inside may hold more than a megabyte each way in the kernel:
/// cgroup v1 does not count that as the sandbox's memory unless told to, and
/// it takes from what the whole host has for TCP.
fn small_buffers() -> io::Result<()> {
    std::fs::write("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 1048576")?;
    std::fs::write("/proc/sys/net/ipv4/tcp_wmem", "4096 65536 1048576")
}

#[cfg(test)]
mod tests;
