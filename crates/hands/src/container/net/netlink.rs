//! Netlink by hand: builds a train of messages in memory, sends it in one
//! call and reads one answer per message.
//!
//! The kernel handles the train before `send` returns, so every answer is
//! already waiting when we look; nothing here can block. This file knows the
//! framing only, not what the messages mean.

#![expect(unsafe_code, reason = "netlink sockets have no safe binding in std")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const HEADER: usize = 16;
const ACKED: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;

/// Messages laid end to end, each numbered from 1.
#[derive(Default)]
pub(super) struct Train {
    bytes: Vec<u8>,
    count: u32,
    awaited: u32,
}

impl Train {
    /// Adds a message the kernel must answer: its fixed part `head`, then the
    /// attributes that `body` writes. `flags` come on top of request and ack.
    pub(super) fn push(&mut self, kind: u16, flags: i32, head: &[u8], body: impl Fn(&mut Attrs)) {
        self.awaited += 1;
        self.raw(kind, ACKED | flags as u16, head, body);
    }

    /// Adds a message that is only a mark (the ends of an nftables batch) and
    /// is answered only when it is refused.
    pub(super) fn mark(&mut self, kind: u16, head: &[u8]) {
        self.raw(kind, libc::NLM_F_REQUEST as u16, head, |_| ());
    }

    fn raw(&mut self, kind: u16, flags: u16, head: &[u8], body: impl Fn(&mut Attrs)) {
        self.count += 1;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(head);
        body(&mut Attrs(&mut self.bytes));
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Sends the train to the kernel and waits for nothing: the first refusal
    /// is the error, and a missing answer is one too.
    pub(super) fn send(&self, protocol: i32) -> io::Result<()> {
        let socket = open(protocol)?;
        // SAFETY: the pointer and the length describe `self.bytes`, alive here.
        let sent = unsafe {
            libc::send(
                socket.as_raw_fd(),
                self.bytes.as_ptr().cast(),
                self.bytes.len(),
                0,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answered = 0;
        while let Some(answer) = receive(&socket)? {
            answered += accepted(&answer)?;
        }
        if answered < self.awaited {
            return Err(io::Error::other("netlink left a message unanswered"));
        }
        Ok(())
    }
}

/// Writes attributes at the end of the message being built.
pub(super) struct Attrs<'a>(&'a mut Vec<u8>);

impl Attrs<'_> {
    /// One attribute: length, kind, payload, padding to four bytes.
    pub(super) fn put(&mut self, kind: u16, payload: &[u8]) {
        self.wrap(kind, |attrs| attrs.0.extend_from_slice(payload));
    }

    /// A number in network order, as netfilter wants its numbers.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A name with its closing zero.
    pub(super) fn name(&mut self, kind: u16, name: &str) {
        self.wrap(kind, |attrs| {
            attrs.0.extend_from_slice(name.as_bytes());
            attrs.0.push(0);
        });
    }

    /// Attributes inside an attribute.
    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Attrs)) {
        self.wrap(kind | libc::NLA_F_NESTED as u16, body);
    }

    fn wrap(&mut self, kind: u16, body: impl FnOnce(&mut Attrs)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        body(&mut Attrs(self.0));
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

fn open(protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a descriptor that is not negative is ours alone.
    unsafe {
        let raw = libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            protocol,
        );
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(raw))
    }
}

/// One datagram of answers, or `None` when no more are waiting.
fn receive(socket: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
    let mut answer = vec![0; 16 * 1024];
    // SAFETY: the pointer and the length describe `answer`, alive here.
    let got = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            answer.as_mut_ptr().cast(),
            answer.len(),
            libc::MSG_DONTWAIT,
        )
    };
    if got < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    }
    answer.truncate(got as usize);
    Ok(Some(answer))
}

/// How many messages this datagram says yes to; the first no is the error.
fn accepted(mut answer: &[u8]) -> io::Result<u32> {
    let mut yes = 0;
    while let Some((length, kind)) = header(answer) {
        if i32::from(kind) == libc::NLMSG_ERROR {
            match word(answer, HEADER).map(|code| code as i32) {
                Some(0) => yes += 1,
                Some(code) => return Err(io::Error::from_raw_os_error(-code)),
                None => return Err(io::Error::other("netlink answer cut short")),
            }
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(yes)
}

fn header(answer: &[u8]) -> Option<(usize, u16)> {
    let length = word(answer, 0)? as usize;
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (HEADER..=answer.len())
        .contains(&length)
        .then_some((length, kind))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(code: i32) -> Vec<u8> {
        let mut bytes = 36u32.to_ne_bytes().to_vec();
        bytes.extend((libc::NLMSG_ERROR as u16).to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(code.to_ne_bytes());
        bytes.resize(36, 0);
        bytes
    }

    #[test]
    fn attributes_are_padded_and_counted_without_the_padding() {
        let mut bytes = Vec::new();
        Attrs(&mut bytes).name(3, "oc");
        assert_eq!(bytes, [7, 0, 3, 0, b'o', b'c', 0, 0]);

        let mut bytes = Vec::new();
        Attrs(&mut bytes).nest(4, |attrs| attrs.number(1, 3));
        assert_eq!(bytes, [12, 0, 4, 0x80, 8, 0, 1, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_message_knows_its_length_and_its_number() {
        let mut train = Train::default();
        train.push(16, 0, &[9; 4], |attrs| attrs.put(1, &[1]));
        train.mark(17, &[]);
        assert_eq!(header(&train.bytes), Some((28, 16)));
        assert_eq!(header(&train.bytes[28..]), Some((16, 17)));
        assert_eq!(word(&train.bytes, 8), Some(1));
        assert_eq!(word(&train.bytes[28..], 8), Some(2));
        assert_eq!(train.awaited, 1);
    }

    #[test]
    fn answers_are_counted_and_the_first_refusal_is_the_error() {
        let table: [(&[i32], Result<u32, i32>); 4] = [
            (&[], Ok(0)),
            (&[0], Ok(1)),
            (&[0, 0], Ok(2)),
            (&[0, -libc::EPERM, -libc::ENOENT], Err(libc::EPERM)),
        ];
        for (codes, expected) in table {
            let bytes: Vec<u8> = codes.iter().flat_map(|code| answer(*code)).collect();
            let got = accepted(&bytes).map_err(|error| error.raw_os_error().unwrap());
            assert_eq!(got, expected, "{codes:?}");
        }
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        for end in 0..36 {
            assert_eq!(accepted(&answer(0)[..end]).unwrap(), 0, "{end}");
        }
    }

    #[test]
    fn the_kernel_refuses_what_it_does_not_know() {
        let mut train = Train::default();
        train.push(libc::RTM_SETLINK, 0, &[0; 16], |_| ());
        let error = train.send(libc::NETLINK_ROUTE).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}
