//! A package that comes over the network or from a file, read by a thread that
//! may block: hashed as it is read, to its last byte.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::integrity::{Hash, Hashing};

/// Pieces of a package, in order, as something to read from.
#[derive(Debug)]
pub(super) struct Pieces {
    from: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Pieces {
    pub fn new(from: mpsc::Receiver<Bytes>) -> Self {
        Self {
            from,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let n = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}

/// Hashes what is read through it.
#[derive(Debug)]
pub(super) struct Hashed<R> {
    from: R,
    hashing: Hashing,
}

impl<R: Read> Hashed<R> {
    pub fn new(from: R) -> Self {
        Self {
            from,
            hashing: Hashing::default(),
        }
    }

    /// Reads what is left, and tells whether all of it has that hash; else the
    /// hash it has.
    pub fn check(mut self, want: &Hash) -> io::Result<Result<(), Hash>> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hashing.check(want))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.hashing.update(&into[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_in_order_whatever_their_size() {
        let (to, from) = mpsc::channel(8);
        for piece in ["ab", "", "c", "defgh"] {
            to.try_send(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        drop(to);
        let mut reading = Hashed::new(Pieces::new(from));
        let mut first = [0; 4];
        reading.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"abcd");
        let mut want = Hashing::default();
        want.update(b"abcdefgh");
        let any = Hash::parse(&format!("sha512-{}==", "A".repeat(86))).unwrap();
        let want = want.check(&any).unwrap_err();
        assert_eq!(reading.check(&want).unwrap(), Ok(()), "the rest counts too");
    }
}
