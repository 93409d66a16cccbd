//! A line between a server and its database that can be cut and mended.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::DrillError;

/// How long the database may take to answer the door.
const CONNECT: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Debug, Clone)]
pub(super) enum Upstream {
    /// Host and port.
    Tcp(String, u16),
    /// A socket of this machine.
    Unix(PathBuf),
}

/// The line. Its connections end when it is dropped.
pub(super) struct Proxy {
    /// Where the server finds it.
    pub(super) address: SocketAddr,
    whole: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn open(upstream: Upstream) -> Result<Self, DrillError> {
        let failed = |error| DrillError::Database(format!("no line to it: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let whole = watch::Sender::new(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, upstream, whole.subscribe()));
        Ok(Self {
            address,
            whole,
            _tasks: tasks,
        })
    }

    /// Cuts every connection, and those that are tried.
    pub(super) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub(super) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn accept(listener: TcpListener, upstream: Upstream, whole: watch::Receiver<bool>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((down, _)) = listener.accept() => {
                lines.spawn(carry(down, upstream.clone(), whole.clone()));
            }
            Some(_) = lines.join_next() => {}
        }
    }
}

/// One connection, for as long as the line is whole.
async fn carry(mut down: TcpStream, upstream: Upstream, mut whole: watch::Receiver<bool>) {
    let through = async {
        if let Some(mut up) = connect(&upstream).await {
            let _ = copy_bidirectional(&mut down, &mut up).await;
        }
    };
    tokio::select! {
        _ = whole.wait_for(|whole| !whole) => {}
        () = through => {}
    }
}

/// What connects two ways.
trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

async fn connect(upstream: &Upstream) -> Option<Box<dyn Line>> {
    let connecting = async {
        Some(match upstream {
            Upstream::Tcp(host, port) => {
                Box::new(TcpStream::connect((host.as_str(), *port)).await.ok()?) as Box<dyn Line>
            }
            Upstream::Unix(path) => Box::new(UnixStream::connect(path).await.ok()?),
        })
    };
    tokio::time::timeout(CONNECT, connecting).await.ok()?
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo(listener: TcpListener) {
        let mut lines = JoinSet::new();
        while let Ok((mut line, _)) = listener.accept().await {
            lines.spawn(async move {
                let (mut from, mut to) = line.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    }

    async fn said(line: &mut TcpStream) -> Option<u8> {
        let mut byte = [0];
        line.write_all(b"x").await.ok()?;
        line.read_exact(&mut byte).await.ok()?;
        Some(byte[0])
    }

    #[tokio::test]
    async fn a_line_is_cut_for_old_and_new_connections_until_it_is_mended() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut echoes = JoinSet::new();
        echoes.spawn(echo(listener));
        let upstream = Upstream::Tcp("127.0.0.1".to_owned(), port);
        let proxy = Proxy::open(upstream).await.unwrap();
        let mut old = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(said(&mut old).await, Some(b'x'));
        proxy.cut();
        assert_eq!(said(&mut old).await, None);
        let mut while_cut = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(said(&mut while_cut).await, None);
        proxy.mend();
        let mut new = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(said(&mut new).await, Some(b'x'));
    }
}
