//! What goes over the socket between the hands and their launcher: one message for
//! each sandbox to start, with the descriptors that belong to it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

/// Bytes of a spec at most: what a message of this socket can hold.
const LONGEST: usize = 128 * 1024;

/// One sandbox to start.
#[derive(Debug)]
pub(crate) struct Order {
    /// The JSON of its [`Spec`](super::spec::Spec).
    pub(crate) spec: Vec<u8>,
    /// Where to say how it went.
    pub(crate) answer: OwnedFd,
    /// Its disk, if it has one of its own.
    pub(crate) disk: Option<OwnedFd>,
}

/// Both ends, neither of which a program that is run inherits by accident.
pub(crate) fn socket() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

/// Sends an order; never waits.
pub(crate) fn send(to: BorrowedFd<'_>, order: &Order) -> io::Result<()> {
    if order.spec.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let fds: Vec<BorrowedFd<'_>> = [
        Some(order.answer.as_fd()),
        order.disk.as_ref().map(AsFd::as_fd),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&fds));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(to, &[IoSlice::new(&order.spec)], &mut beside, flags)?;
    Ok(())
}

/// Waits for the next order; `None` when there will be no more.
pub(super) fn receive(from: BorrowedFd<'_>) -> io::Result<Option<Order>> {
    let mut spec = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        match recvmsg(from, &mut [IoSliceMut::new(&mut spec)], &mut beside, flags) {
            Err(rustix::io::Errno::INTR) => {}
            got => break got?,
        }
    };
    let mut fds = beside.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    });
    let Some(answer) = fds.next() else {
        return Ok(None);
    };
    let disk = fds.next();
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    spec.truncate(got.bytes);
    Ok(Some(Order { spec, answer, disk }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn orders_arrive_one_by_one_with_what_belongs_to_each() {
        let (ours, theirs) = socket().unwrap();
        let (mut first, answer) = io::pipe().unwrap();
        let (mut second, other) = io::pipe().unwrap();
        let spec = vec![b'x'; LONGEST];
        let order = |spec, answer, disk| Order { spec, answer, disk };
        send(ours.as_fd(), &order(spec.clone(), answer.into(), None)).unwrap();
        let disk = tempfile::tempfile().unwrap();
        let small = order(b"two".to_vec(), other.into(), Some(disk.into()));
        send(ours.as_fd(), &small).unwrap();
        drop((small, ours));
        for (want, has_disk, reads) in [
            (spec, false, &mut first),
            (b"two".to_vec(), true, &mut second),
        ] {
            let got = receive(theirs.as_fd()).unwrap().unwrap();
            assert!(got.spec == want);
            assert_eq!(got.disk.is_some(), has_disk);
            File::from(got.answer).write_all(b"done").unwrap();
            let mut said = String::new();
            reads.read_to_string(&mut said).unwrap();
            assert_eq!(said, "done");
        }
        assert!(receive(theirs.as_fd()).unwrap().is_none());
    }

    #[test]
    fn a_spec_that_does_not_fit_is_refused_by_who_sends_it() {
        let (ours, _theirs) = socket().unwrap();
        let (_, answer) = io::pipe().unwrap();
        let spec = vec![0; LONGEST + 1];
        let order = Order {
            spec,
            answer: answer.into(),
            disk: None,
        };
        let error = send(ours.as_fd(), &order).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
