//! The byte format: `u32` length, `u8` kind, `u32` stream, payload; little endian.
//!
//! It needs nothing but a reliable byte stream, so it goes over a unix socket
//! today and over a virtual serial line as well. What the payloads of control
//! frames mean is not known here.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a frame before its payload.
const HEADER: usize = 9;
/// Payload bytes of a data frame at most.
pub const MAX_DATA: usize = 16 * 1024;
/// Payload bytes of any other frame at most.
pub const MAX_CONTROL: usize = 64 * 1024;

/// One frame. `stream` is even where the guest opened it, odd where the host did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First frame of either side on a connection.
    Hello(Bytes),
    /// Begins a stream.
    Open(u32, Bytes),
    /// A control message on a stream. Takes one credit.
    Tell(u32, Bytes),
    /// Raw bytes on a stream. Takes one credit.
    Data(u32, Bytes),
    /// The sender will send nothing more on this stream.
    End(u32),
    /// The stream is over, both ways; the text says why.
    Reset(u32, Bytes),
    /// The other side may send so many more frames on this stream.
    Credit(u32, u32),
}

/// Bytes that are no frame. The connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is more than the kind allows, or the kind is none.
    #[error("bad frame: kind {kind}, {len} bytes")]
    Bad {
        /// The kind byte.
        kind: u8,
        /// The claimed payload length.
        len: usize,
    },
    /// The stream ended within a frame.
    #[error("connection ended within a frame")]
    Cut,
    /// The transport failed.
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
}

impl Frame {
    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        let empty = Bytes::new();
        let four;
        let (kind, stream, payload): (u8, u32, &[u8]) = match self {
            Self::Hello(p) => (1, 0, p),
            Self::Open(s, p) => (2, *s, p),
            Self::Tell(s, p) => (3, *s, p),
            Self::Data(s, p) => (4, *s, p),
            Self::End(s) => (5, *s, &empty),
            Self::Reset(s, p) => (6, *s, p),
            Self::Credit(s, n) => {
                four = n.to_le_bytes();
                (7, *s, &four)
            }
        };
        out.reserve(HEADER + payload.len());
        out.put_u32_le(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        out.put_u8(kind);
        out.put_u32_le(stream);
        out.put_slice(payload);
    }

    /// Takes one frame off the front of `buf`; `None` if it is not all there yet.
    ///
    /// # Errors
    /// [`FrameError::Bad`] as soon as the header shows it.
    pub fn decode(buf: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(mut head) = buf.get(..HEADER) else {
            return Ok(None);
        };
        let len = head.get_u32_le() as usize;
        let kind = head.get_u8();
        let stream = head.get_u32_le();
        let fits = match kind {
            1..=3 | 6 => len <= MAX_CONTROL,
            4 => len <= MAX_DATA,
            5 => len == 0,
            7 => len == 4,
            _ => false,
        };
        if !fits {
            return Err(FrameError::Bad { kind, len });
        }
        if buf.len() < HEADER + len {
            buf.reserve(HEADER + len - buf.len());
            return Ok(None);
        }
        buf.advance(HEADER);
        let mut payload = buf.split_to(len).freeze();
        Ok(Some(match kind {
            1 => Self::Hello(payload),
            2 => Self::Open(stream, payload),
            3 => Self::Tell(stream, payload),
            4 => Self::Data(stream, payload),
            5 => Self::End(stream),
            6 => Self::Reset(stream, payload),
            _ => Self::Credit(stream, payload.get_u32_le()),
        }))
    }
}

/// Reads frames from a byte stream.
#[derive(Debug)]
pub struct FrameReader<R> {
    from: R,
    buf: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader at the start of a connection.
    pub fn new(from: R) -> Self {
        Self {
            from,
            buf: BytesMut::with_capacity(4 * MAX_DATA),
        }
    }

    /// The next frame; `None` when the connection ends between two frames.
    ///
    /// # Errors
    /// [`FrameError`]; the reader is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = Frame::decode(&mut self.buf)? {
                return Ok(Some(frame));
            }
            self.buf.reserve(MAX_DATA);
            if self.from.read_buf(&mut self.buf).await? == 0 {
                return if self.buf.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Cut)
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let body = prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        (0u8..7, any::<u32>(), body, any::<u32>()).prop_map(|(kind, s, p, n)| match kind {
            0 => Frame::Hello(p),
            1 => Frame::Open(s, p),
            2 => Frame::Tell(s, p),
            3 => Frame::Data(s, p),
            4 => Frame::End(s),
            5 => Frame::Reset(s, p),
            _ => Frame::Credit(s, n),
        })
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting_of_the_bytes(
            frames in prop::collection::vec(frame(), 0..8),
            cut in 1usize..64,
        ) {
            let mut bytes = BytesMut::new();
            frames.iter().for_each(|f| f.encode(&mut bytes));
            let (mut buf, mut got) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                buf.extend_from_slice(piece);
                while let Some(frame) = Frame::decode(&mut buf).unwrap() {
                    got.push(frame);
                }
            }
            prop_assert_eq!(got, frames);
            prop_assert!(buf.is_empty());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut buf = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frame::decode(&mut buf) {}
        }
    }

    #[test]
    fn a_frame_too_long_for_its_kind_is_refused_from_its_header() {
        for (kind, len) in [
            (0u8, 0usize),
            (1, MAX_CONTROL + 1),
            (4, MAX_DATA + 1),
            (5, 1),
            (7, 3),
            (8, 0),
            (4, u32::MAX as usize),
        ] {
            let mut buf = BytesMut::new();
            buf.put_u32_le(u32::try_from(len).unwrap());
            buf.put_u8(kind);
            buf.put_u32_le(1);
            assert!(
                matches!(Frame::decode(&mut buf), Err(FrameError::Bad { .. })),
                "{kind} {len}"
            );
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_within_a_frame_is_told_from_one_that_ends_between() {
        let mut bytes = BytesMut::new();
        Frame::End(7).encode(&mut bytes);
        let mut whole = FrameReader::new(&bytes[..]);
        assert_eq!(whole.next().await.unwrap(), Some(Frame::End(7)));
        assert_eq!(whole.next().await.unwrap(), None);
        let mut cut = FrameReader::new(&bytes[..5]);
        assert!(matches!(cut.next().await, Err(FrameError::Cut)));
    }
}
