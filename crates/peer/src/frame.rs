//! Pieces of a stream, put together from chunks as these arrive: numbers, and byte strings of known
//! length.
//!
//! Invariant: memory is taken for what has arrived, at most twice as much, never for what was only
//! announced.

use bytes::{Buf, Bytes};
use proto::DecodeError;

/// Why the bytes of a stream are none of its messages. Nothing that follows can be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A message is larger than any may be.
    #[error("rafthttp: error limit exceeded")]
    TooLarge,
    /// No such kind of message.
    #[error("failed to parse type {0} in msgappv2 stream")]
    UnknownKind(u8),
    /// An entry is not the one that has to come next.
    #[error("entry {index} of term {term} where {expected_index} of term {expected_term} follows")]
    Gap {
        /// Its index.
        index: u64,
        /// Its term.
        term: u64,
        /// The index that follows.
        expected_index: u64,
        /// The term of the stream.
        expected_term: u64,
    },
    /// A message cannot be read.
    #[error("failed to unmarshal a message: {0}")]
    Malformed(#[from] DecodeError),
}

/// A big-endian number that arrives.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Number {
    value: u64,
    taken: u8,
}

impl Number {
    /// Takes what is there; the number once it is whole, and a new one begins.
    pub(crate) fn take(&mut self, input: &mut Bytes) -> Option<u64> {
        while self.taken < 8 {
            if input.is_empty() {
                return None;
            }
            self.value = self.value << 8 | u64::from(input.get_u8());
            self.taken += 1;
        }
        Some(std::mem::take(self).value)
    }
}

/// A byte string that arrives.
#[derive(Debug)]
pub(crate) struct Piece {
    length: usize,
    taken: Vec<u8>,
}

impl Piece {
    /// A string of `length` bytes; the caller has compared that with a limit.
    pub(crate) const fn new(length: usize) -> Self {
        Self { length, taken: Vec::new() }
    }

    /// Takes what is there; the string, in an allocation of its size, once it is whole. The piece is
    /// of no use then.
    pub(crate) fn take(&mut self, input: &mut Bytes) -> Option<Bytes> {
        let missing = self.length - self.taken.len();
        let chunk = input.split_to(missing.min(input.len()));
        if chunk.len() == self.length {
            return Some(Bytes::copy_from_slice(&chunk));
        }
        let needed = self.taken.len() + chunk.len();
        if needed > self.taken.capacity() {
            let capacity = needed.max(2 * self.taken.capacity()).min(self.length);
            self.taken.reserve_exact(capacity - self.taken.len());
        }
        self.taken.extend_from_slice(&chunk);
        (self.taken.len() == self.length).then(|| Bytes::from(std::mem::take(&mut self.taken)))
    }

    /// Memory taken so far.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.taken.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_chunks_of_any_size() {
        let whole: Vec<u8> = (0..=255).collect();
        for size in 1..=whole.len() {
            let mut piece = Piece::new(whole.len());
            let mut result = None;
            for chunk in whole.chunks(size) {
                assert_eq!(result, None);
                result = piece.take(&mut Bytes::copy_from_slice(chunk));
            }
            assert_eq!(result.as_deref(), Some(&whole[..]));
        }
        assert_eq!(Piece::new(0).take(&mut Bytes::new()), Some(Bytes::new()));
    }

    #[test]
    fn memory_is_taken_for_what_arrived_only() {
        let mut piece = Piece::new(512 << 20);
        for _ in 0..100 {
            assert_eq!(piece.take(&mut Bytes::from_static(&[0; 1000])), None);
        }
        assert!(piece.capacity() <= 200_000, "{}", piece.capacity());
    }

    #[test]
    fn numbers_come_in_chunks_of_any_size() {
        let mut number = Number::default();
        let mut rest = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 1, 2, 9]);
        let mut first = rest.split_to(3);
        assert_eq!(number.take(&mut first), None);
        assert_eq!(number.take(&mut rest), Some(258));
        assert_eq!(number.take(&mut rest), None);
    }
}
