//! The network inside a sandbox: everything that wants out arrives here and is
//! carried to the host, which decides.
//!
//! [`Ports::bind`] takes the listener that the redirect leads to and the DNS
//! stub's sockets; [`run`] serves them for as long as the sandbox lives. A
//! connection becomes a stream of the frame connection ([`Open::Dial`]), a
//! question a [`Open::Resolve`]. While no host is connected both wait a little
//! and are then refused. [`carry`] is the pump, for either side.
//!
//! It knows no policy: nothing is allowed or refused here.
//!
//! [`Open::Dial`]: crate::request::Open::Dial
//! [`Open::Resolve`]: crate::request::Open::Resolve

mod answer;
mod carry;
mod dns;
mod host;
mod original;
mod proxy;
mod redirect;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use carry::{Ended, carry};
pub use host::Host;

/// Where the redirect leads: above the range of outgoing ports, and nobody's
/// well-known one.
pub const LISTENER_PORT: u16 = 61443;

/// Where the DNS stub listens.
pub const DNS_PORT: u16 = 53;

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Connections carried at once. With [`QUESTIONS`] well below
/// [`MAX_STREAMS`](crate::mux::MAX_STREAMS): whatever programs inside open, the
/// host's own requests find room.
const CONNECTIONS: usize = 320;

/// DNS questions and clients at once.
const QUESTIONS: usize = 128;

/// A burst of connects must not lose its first packet, which costs a second.
const BACKLOG: u32 = 4096;

/// The sockets of the network inside, bound and not yet served.
#[derive(Debug)]
pub struct Ports {
    redirected: Vec<TcpListener>,
    dns: Vec<(UdpSocket, TcpListener)>,
}

impl Ports {
    /// Binds all of them on loopback, IPv4 and, where there is any, IPv6. Needs
    /// a tokio runtime and the right to bind port 53
    /// (`net.ipv4.ip_unprivileged_port_start`).
    ///
    /// # Errors
    /// If the IPv4 sockets cannot be had.
    pub async fn bind() -> io::Result<Ports> {
        Ports::bind_at(LISTENER_PORT, DNS_PORT).await
    }

    async fn bind_at(listener: u16, dns: u16) -> io::Result<Ports> {
        let mut ports = Ports {
            redirected: Vec::new(),
            dns: Vec::new(),
        };
        for ip in LOOPBACK {
            match bind_one(ip, listener, dns).await {
                Ok((redirected, stub)) => {
                    ports.redirected.push(redirected);
                    ports.dns.push(stub);
                }
                Err(error) if ip.is_ipv4() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(ports)
    }
}

async fn bind_one(
    ip: IpAddr,
    listener: u16,
    dns: u16,
) -> io::Result<(TcpListener, (UdpSocket, TcpListener))> {
    let redirected = listen((ip, listener).into())?;
    let udp = UdpSocket::bind((ip, dns)).await?;
    let tcp = listen((ip, dns).into())?;
    Ok((redirected, (udp, tcp)))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the ports until dropped; it does not end by itself.
pub async fn run(ports: Ports, host: Host) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let questions = Arc::new(Semaphore::new(QUESTIONS));
    let mut served = JoinSet::new();
    for listener in ports.redirected {
        served.spawn(redirect::serve(listener, host.clone(), connections.clone()));
    }
    for (udp, tcp) in ports.dns {
        served.spawn(dns::serve_udp(udp, host.clone(), questions.clone()));
        served.spawn(dns::serve_tcp(tcp, host.clone(), questions.clone()));
    }
    served.join_all().await;
}

#[cfg(test)]
mod tests;
