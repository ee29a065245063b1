//! The stream for appends, msgappv2 (spec/peer.md 5.5). Numbers are u64, big-endian.
//!
//! ```text
//! 00                                             link heartbeat
//! 01 count, count x (length, Entry), commit      an append that follows the one before
//! 02 length, Message                             any other append
//! ```
//! Both ends keep the term and the last index of what went through, so that an append that follows
//! needs neither.
//!
//! Invariant: after each message both ends have the same term and index.

use bytes::{Buf, BufMut, Bytes};
use proto::raftpb::{Entry, Message, MessageType};
use types::MemberId;

use crate::chunks::Chunks;
use crate::frame::{Error, Number, Piece};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message_stream::{self, is_link_heartbeat};

const LINK_HEARTBEAT: u8 = 0;
const ENTRIES: u8 = 1;
const MESSAGE: u8 = 2;

/// The tag of an entry's data, its last field.
const ENTRY_DATA: u8 = 4 << 3 | 2;

/// What both ends know of the messages so far.
#[derive(Clone, Copy, Default, Debug)]
struct Position {
    term: u64,
    index: u64,
}

impl Position {
    fn follow(&mut self, message: &Message) {
        self.term = message.term;
        self.index = message.entries.last().map_or(message.index, |entry| entry.index);
    }

    /// Goes on by entries that follow. The index may be any number that a peer named.
    fn pass(&mut self, entries: usize) {
        self.index = self.index.wrapping_add(entries as u64);
    }
}

/// Puts a stream together.
#[derive(Default, Debug)]
pub struct Encoder {
    position: Position,
}

impl Encoder {
    /// Appends the bytes of an append or of a link heartbeat.
    pub fn encode(&mut self, message: &Message, out: &mut Chunks) {
        if is_link_heartbeat(message) {
            return out.put(|out| out.put_u8(LINK_HEARTBEAT));
        }
        let Position { term, index } = self.position;
        if index == message.index && term == message.log_term && term == message.term {
            out.put(|out| out.put_u8(ENTRIES));
            out.put_u64(message.entries.len() as u64);
            for entry in &message.entries {
                put_entry(entry, out);
            }
            out.put_u64(message.commit);
            self.position.pass(message.entries.len());
        } else {
            out.put(|out| out.put_u8(MESSAGE));
            message_stream::encode(message, out);
            self.position.follow(message);
        }
    }
}

/// Appends an entry with its length; large data is not copied.
fn put_entry(entry: &Entry, out: &mut Chunks) {
    out.put_u64(entry.encoded_len() as u64);
    let head = Entry { data: Bytes::new(), ..*entry };
    out.put(|out| head.encode(out));
    if entry.data.is_empty() {
        return;
    }
    out.put(|out| {
        out.put_u8(ENTRY_DATA);
        let mut length = entry.data.len();
        while length >= 0x80 {
            out.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        out.put_u8(length as u8);
    });
    out.put_bytes(&entry.data);
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Decoder {
    local: MemberId,
    remote: MemberId,
    position: Position,
    stage: Stage,
    number: Number,
    /// The append that is being put together.
    entries: Vec<Entry>,
    /// Entries that are still to come.
    missing: u64,
    /// What the append has taken of [`MESSAGE_BYTES_MAX`].
    bytes: usize,
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    Kind,
    Count,
    EntryLength,
    Entry(Piece),
    Commit,
    MessageLength,
    Message(Piece),
}

impl Decoder {
    /// A decoder at the begin of a stream from `remote` to `local`.
    #[must_use]
    pub fn new(local: MemberId, remote: MemberId) -> Self {
        Self {
            local,
            remote,
            position: Position::default(),
            stage: Stage::Kind,
            number: Number::default(),
            entries: Vec::new(),
            missing: 0,
            bytes: 0,
        }
    }

    /// Takes bytes until a message is whole; `None` when all are taken before.
    ///
    /// # Errors
    /// If the bytes are no such stream; the decoder is of no use then.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Message>, Error> {
        loop {
            let next = match &mut self.stage {
                Stage::Kind => match input.try_get_u8() {
                    Err(_) => return Ok(None),
                    Ok(LINK_HEARTBEAT) => return Ok(Some(message_stream::link_heartbeat())),
                    Ok(ENTRIES) => Stage::Count,
                    Ok(MESSAGE) => Stage::MessageLength,
                    Ok(kind) => return Err(Error::UnknownKind(kind)),
                },
                Stage::Count => {
                    let Some(count) = self.number.take(input) else { return Ok(None) };
                    self.missing = count;
                    self.bytes = 0;
                    self.next_entry()
                }
                Stage::EntryLength => {
                    let Some(length) = self.number.take(input) else { return Ok(None) };
                    Stage::Entry(Piece::new(self.spend(length)?))
                }
                Stage::Entry(piece) => {
                    let Some(bytes) = piece.take(input) else { return Ok(None) };
                    self.push_entry(bytes)?;
                    self.next_entry()
                }
                Stage::Commit => {
                    let Some(commit) = self.number.take(input) else { return Ok(None) };
                    self.stage = Stage::Kind;
                    return Ok(Some(self.append(commit)));
                }
                Stage::MessageLength => {
                    let Some(length) = self.number.take(input) else { return Ok(None) };
                    self.bytes = 0;
                    Stage::Message(Piece::new(self.spend(length)?))
                }
                Stage::Message(piece) => {
                    let Some(bytes) = piece.take(input) else { return Ok(None) };
                    let message = message_stream::read(bytes)?;
                    self.position.follow(&message);
                    self.stage = Stage::Kind;
                    return Ok(Some(message));
                }
            };
            self.stage = next;
        }
    }

    /// The stage after the count or an entry.
    fn next_entry(&mut self) -> Stage {
        match self.missing.checked_sub(1) {
            Some(missing) => {
                self.missing = missing;
                Stage::EntryLength
            }
            None => Stage::Commit,
        }
    }

    /// Takes what `length` bytes and their length cost off what the message may have.
    fn spend(&mut self, length: u64) -> Result<usize, Error> {
        let left = MESSAGE_BYTES_MAX - self.bytes;
        let length = usize::try_from(length).map_err(|_| Error::TooLarge)?;
        let cost = length.saturating_add(size_of::<u64>());
        if cost > left {
            return Err(Error::TooLarge);
        }
        self.bytes += cost;
        Ok(length)
    }

    fn push_entry(&mut self, bytes: Bytes) -> Result<(), Error> {
        let entry = Entry::decode(bytes)?;
        let passed = self.entries.len() as u64;
        let expected_index = self.position.index.wrapping_add(passed).wrapping_add(1);
        let expected_term = self.position.term;
        if (entry.index, entry.term) != (expected_index, expected_term) {
            let Entry { index, term, .. } = entry;
            return Err(Error::Gap { index, term, expected_index, expected_term });
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The append that its entries make.
    fn append(&mut self, commit: u64) -> Message {
        let Position { term, index } = self.position;
        let entries = std::mem::take(&mut self.entries);
        self.position.pass(entries.len());
        Message {
            message_type: MessageType::App,
            to: self.local.get(),
            from: self.remote.get(),
            term,
            log_term: term,
            index,
            entries,
            commit,
            ..Message::default()
        }
    }
}

#[cfg(test)]
#[path = "append_stream_test.rs"]
mod tests;
