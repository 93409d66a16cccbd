//! The gate against real servers on loopback: what passes, what is refused,
//! what is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod bounds;
mod curl;
mod dial;
mod git;
mod grpc;
mod hosts;
mod lists;
mod packages;
mod plain;
mod refuse;
mod rig;
mod run;
mod shapes;
mod upgrade;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use egress::{Destination, Gate, Limits, Pass, Policy, Reason, Roots, Stats};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A gate that lets loopback through, as `OC_ALLOW_PRIVATE=1` does.
fn open_gate(limits: Limits) -> Gate {
    Gate::new(
        Policy {
            allow_private: true,
        },
        limits,
        None,
        Roots::none(),
    )
}

/// A gate as it is by default.
fn closed_gate() -> Gate {
    Gate::new(Policy::default(), Limits::default(), None, Roots::none())
}

/// A sandbox that may connect anywhere and has no secrets.
fn pass(sandbox: &str) -> Arc<Pass> {
    Arc::new(Pass::open(sandbox))
}

fn listener() -> (TcpListener, Destination) {
    // A full queue of the accepting side would cost a connect one second.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, Destination::Address(address))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

fn address(text: &str) -> Destination {
    Destination::Address(text.parse::<SocketAddr>().unwrap())
}

fn refusals(stats: &Stats, reason: Reason) -> u64 {
    let row = stats.refused.iter().find(|row| row.0 == reason);
    row.unwrap().1
}
