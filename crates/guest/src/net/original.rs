//! Where a redirected connection was going, as the kernel remembers it.

#![expect(unsafe_code, reason = "the socket option has no safe binding")]

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use tokio::net::TcpStream;

/// The address the program inside connected to; `None` if it connected to our
/// listener itself.
pub(super) fn destination(stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
    let own = stream.local_addr()?;
    let asked = match own {
        SocketAddr::V4(_) => v4(stream),
        SocketAddr::V6(_) => v6(stream),
    };
    match asked {
        Ok(address) => Ok(Some(address).filter(|address| *address != own)),
        // Without nftables there is no record: nothing was redirected.
        Err(error) if is_no_record(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_no_record(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::ENOPROTOOPT | libc::EOPNOTSUPP)
    )
}

fn v4(stream: &TcpStream) -> io::Result<SocketAddr> {
    let raw: libc::sockaddr_in = option(stream, libc::SOL_IP, libc::SO_ORIGINAL_DST)?;
    let ip = Ipv4Addr::from_bits(u32::from_be(raw.sin_addr.s_addr));
    Ok((ip, u16::from_be(raw.sin_port)).into())
}

fn v6(stream: &TcpStream) -> io::Result<SocketAddr> {
    let raw: libc::sockaddr_in6 = option(stream, libc::SOL_IPV6, libc::IP6T_SO_ORIGINAL_DST)?;
    let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
    Ok((ip, u16::from_be(raw.sin6_port)).into())
}

/// `T` must be a plain address structure, valid when all its bytes are zero.
fn option<T>(stream: &TcpStream, level: i32, name: i32) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `value`, which is
    // zeroed and thus valid even if it writes fewer.
    unsafe {
        let code = libc::getsockopt(
            stream.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        );
        if code < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(value.assume_init())
    }
}
