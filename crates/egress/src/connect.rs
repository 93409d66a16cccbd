//! One connection to the first of several addresses that answers.
//!
//! Addresses are tried in order, the next one as soon as the last failed or
//! has been silent for a moment (RFC 8305, without its sorting: the resolver
//! did that).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long an address may be silent before the next one is tried as well.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first of `addresses` that accepts; the last failure is the
/// error when none does. The caller sets the deadline.
pub(crate) async fn first(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(TcpStream::connect(SocketAddr::new(*address, port)));
        } else if attempts.is_empty() {
            return Err(last);
        }
        let finished = tokio::select! {
            finished = attempts.next() => finished,
            () = sleep(STAGGER), if waiting.len() > 0 => continue,
        };
        match finished {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => {}
        }
    }
}

/// Bytes the kernel takes from us ahead of what it can send. Without this a
/// server that stops reading makes it hoard megabytes for each connection, of
/// memory that all of the host's TCP shares.
const AHEAD: u32 = 128 * 1024;

/// Settings of every connection: small writes wait for nobody (the guest has
/// gathered them already), and little is hoarded.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(AHEAD)
}

/// How the host would reach an address, asked of its routes; sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is one of the host's own addresses.
    Own,
    /// Some route leads there.
    Out,
    /// No route leads there.
    Nowhere,
}

/// The way to `address`. A datagram socket that "connects" picks a source
/// address, and the host talks to itself from the very address it calls.
pub(crate) fn way(address: IpAddr) -> Way {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    match source {
        Ok(source) if source.ip() == address => Way::Own,
        Ok(_) => Way::Out,
        Err(_) => Way::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.3", "127.0.0.2"].map(|a| a.parse().unwrap());
        let stream = first(&addresses, port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    }

    #[tokio::test]
    async fn when_none_answers_the_last_failure_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = first(&["127.0.0.1".parse().unwrap()], port)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first(&[], port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn little_is_taken_ahead_of_a_server_that_does_not_read() {
        async fn taken(tuned: bool) -> usize {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let stream = first(&[to.ip()], to.port()).await.unwrap();
            let _held = listener.accept().await.unwrap();
            if tuned {
                tune(&stream).unwrap();
                assert!(stream.nodelay().unwrap());
            }
            let (piece, mut taken) = (vec![0; 16 * 1024], 0);
            stream.writable().await.unwrap();
            while let Ok(more) = stream.try_write(&piece) {
                taken += more;
                // What loopback has delivered meanwhile makes room again.
                tokio::task::yield_now().await;
            }
            taken
        }
        let (tuned, plain) = (taken(true).await, taken(false).await);
        assert!(tuned < plain / 2, "{tuned} {plain}");
    }

    #[test]
    fn the_hosts_own_addresses_are_known_without_a_packet() {
        assert_eq!(way("127.0.0.1".parse().unwrap()), Way::Own);
        assert_eq!(way("::1".parse().unwrap()), Way::Own);
        assert_ne!(way("8.8.8.8".parse().unwrap()), Way::Own);
    }
}
