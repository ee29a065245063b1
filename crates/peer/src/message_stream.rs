//! The stream for all kinds of messages (spec/peer.md 5.4).
//!
//! ```text
//! u64 length, Message          numbers are big-endian
//! ```
//! A heartbeat from nobody to nobody keeps the link alive; raft does not see it. The head of a
//! snapshot's body has the same form.

use bytes::Bytes;
use proto::raftpb::{Message, MessageType};

use crate::chunks::Chunks;
use crate::frame::{Error, Number, Piece};
use crate::limits;

/// Whether a message only keeps its link alive.
#[must_use]
pub fn is_link_heartbeat(message: &Message) -> bool {
    message.message_type == MessageType::Heartbeat && message.from == 0 && message.to == 0
}

/// The message that keeps a link alive.
#[must_use]
pub fn link_heartbeat() -> Message {
    Message { message_type: MessageType::Heartbeat, ..Message::default() }
}

/// Appends a message's bytes.
pub fn encode(message: &Message, out: &mut Chunks) {
    out.put_u64(message.encoded_len() as u64);
    out.put(|out| message.encode(out));
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    length: Number,
    message: Option<Piece>,
}

impl Decoder {
    /// A decoder at the begin of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(limits::MESSAGE_BYTES_MAX)
    }

    /// A decoder that takes no message of more than `bytes_max` bytes.
    #[must_use]
    pub fn with_limit(bytes_max: usize) -> Self {
        Self { bytes_max, length: Number::default(), message: None }
    }

    /// Takes bytes until a message is whole; `None` when all are taken before.
    ///
    /// # Errors
    /// If the bytes are no such stream; the decoder is of no use then.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Message>, Error> {
        if self.message.is_none() {
            let Some(length) = self.length.take(input) else { return Ok(None) };
            let length = usize::try_from(length).ok().filter(|length| *length <= self.bytes_max);
            self.message = Some(Piece::new(length.ok_or(Error::TooLarge)?));
        }
        let whole = self.message.as_mut().and_then(|message| message.take(input));
        let Some(bytes) = whole else { return Ok(None) };
        self.message = None;
        Ok(Some(read(bytes)?))
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a message. Its entries, which outlive it and each other, get allocations of their own.
pub(crate) fn read(bytes: Bytes) -> Result<Message, Error> {
    let mut message = Message::decode(bytes)?;
    if message.entries.len() > 1 {
        for entry in &mut message.entries {
            entry.data = Bytes::copy_from_slice(&entry.data);
        }
    }
    Ok(message)
}

#[cfg(test)]
#[path = "message_stream_test.rs"]
mod tests;
