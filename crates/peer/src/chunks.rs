//! Bytes on their way to a socket: small ones are gathered, large ones passed on without a copy.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// From this size on, copying costs more than another part of a write.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// Bytes on their way out.
///
/// Invariant: `length` is the sum of what `ready` and `gathered` hold.
#[derive(Default, Debug)]
pub struct Chunks {
    ready: VecDeque<Bytes>,
    gathered: BytesMut,
    length: usize,
}

impl Chunks {
    /// How many bytes are here.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next part of the bytes; `None` when all are taken.
    pub fn pop(&mut self) -> Option<Bytes> {
        let next = match self.ready.pop_front() {
            Some(chunk) => chunk,
            None if self.gathered.is_empty() => return None,
            None => self.gathered.split().freeze(),
        };
        self.length -= next.len();
        Some(next)
    }

    /// Appends what a function writes; it may not take anything away.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let before = self.gathered.len();
        write(&mut self.gathered);
        self.length += self.gathered.len() - before;
    }

    /// Appends a big-endian number.
    pub(crate) fn put_u64(&mut self, number: u64) {
        self.put(|out| out.put_u64(number));
    }

    /// Appends bytes that may be shared.
    pub(crate) fn put_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.put(|out| out.put_slice(bytes));
        }
        if !self.gathered.is_empty() {
            self.ready.push_back(self.gathered.split().freeze());
        }
        self.length += bytes.len();
        self.ready.push_back(bytes.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_kept_and_large_bytes_are_shared() {
        let large = Bytes::from(vec![7; SHARED_BYTES_MIN]);
        let mut chunks = Chunks::default();
        chunks.put_u64(1);
        chunks.put_bytes(&Bytes::from_static(b"ab"));
        chunks.put_bytes(&large);
        chunks.put_bytes(&Bytes::from_static(b"c"));
        assert_eq!(chunks.len(), 8 + 2 + large.len() + 1);
        assert_eq!(chunks.pop().as_deref(), Some(&b"\0\0\0\0\0\0\0\x01ab"[..]));
        assert_eq!(chunks.pop().map(|chunk| chunk.as_ptr()), Some(large.as_ptr()));
        assert_eq!(chunks.pop().as_deref(), Some(&b"c"[..]));
        assert_eq!((chunks.pop(), chunks.is_empty()), (None, true));
    }
}
