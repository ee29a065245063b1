//! What peers send over streams, in pieces of any size.

use bytes::Bytes;
use peer::{Chunks, append_stream, message_stream};
use proto::raftpb::{Entry, Message, MessageType};
use types::MemberId;

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[
    Target::new("message-stream", message_bytes, message_seeds, 2000),
    Target::new("append-stream", append_bytes, append_seeds, 2000),
    Target::new("append-stream-order", append_order, choices, 1000),
];

fn all(mut chunks: Chunks) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.pop() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

/// A message with everything in it.
pub(crate) fn raft_message() -> Message {
    let entry = |index| Entry { term: 2, index, data: "data".into(), ..Entry::default() };
    Message {
        message_type: MessageType::App,
        to: 1,
        from: 2,
        term: 2,
        log_term: 2,
        index: 6,
        commit: 5,
        entries: vec![entry(7), entry(8)],
        context: "c".into(),
        ..Message::default()
    }
}

/// Takes bytes in pieces of a size; all that came out.
fn decoded<E: std::fmt::Display>(
    bytes: &[u8],
    piece: usize,
    mut decode: impl FnMut(&mut Bytes) -> Result<Option<Message>, E>,
    features: &mut Features,
) -> Vec<Message> {
    let mut messages = Vec::new();
    for chunk in bytes.chunks(piece.max(1)) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match decode(&mut chunk) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    features.text(&error.to_string());
                    return messages;
                }
            }
        }
        assert!(chunk.is_empty(), "all bytes are taken");
    }
    messages
}

/// The first byte says in which pieces the rest arrives; the pieces change nothing.
fn message_bytes(input: &[u8]) -> u64 {
    let Some((piece, bytes)) = input.split_first() else { return 0 };
    let mut features = Features::default();
    let mut decoder = message_stream::Decoder::with_limit(1 << 20);
    let whole = decoded(bytes, bytes.len(), |input| decoder.decode(input), &mut features);
    let mut decoder = message_stream::Decoder::with_limit(1 << 20);
    let pieces = decoded(bytes, usize::from(*piece), |input| decoder.decode(input), &mut features);
    assert_eq!(whole, pieces);
    let mut chunks = Chunks::default();
    whole.iter().for_each(|message| message_stream::encode(message, &mut chunks));
    let mut decoder = message_stream::Decoder::new();
    let written = all(chunks);
    let again = decoded(&written, 64, |input| decoder.decode(input), &mut features);
    assert_eq!(again, whole);
    features.size(whole.len());
    features.number()
}

fn message_seeds() -> Vec<Vec<u8>> {
    let mut chunks = Chunks::default();
    message_stream::encode(&message_stream::link_heartbeat(), &mut chunks);
    message_stream::encode(&raft_message(), &mut chunks);
    vec![[vec![3], all(chunks)].concat()]
}

fn append_bytes(input: &[u8]) -> u64 {
    let Some((piece, bytes)) = input.split_first() else { return 0 };
    let mut features = Features::default();
    let mut decoder = append_stream::Decoder::new(MemberId(1), MemberId(2));
    let whole = decoded(bytes, bytes.len(), |input| decoder.decode(input), &mut features);
    let mut decoder = append_stream::Decoder::new(MemberId(1), MemberId(2));
    let pieces = decoded(bytes, usize::from(*piece), |input| decoder.decode(input), &mut features);
    assert_eq!(whole, pieces);
    features.size(whole.len());
    features.size(whole.iter().map(|message| message.entries.len()).sum());
    features.number()
}

fn append_seeds() -> Vec<Vec<u8>> {
    let mut encoder = append_stream::Encoder::default();
    let mut chunks = Chunks::default();
    let mut message = raft_message();
    encoder.encode(&message, &mut chunks);
    for _ in 0..3 {
        message.index += message.entries.len() as u64;
        for entry in &mut message.entries {
            entry.index += 2;
        }
        encoder.encode(&message, &mut chunks);
        encoder.encode(&message_stream::link_heartbeat(), &mut chunks);
    }
    vec![[vec![5], all(chunks)].concat()]
}

/// Appends that follow each other or not: what is sent comes out.
fn append_order(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let (mut term, mut index) = (1, 0);
    let mut encoder = append_stream::Encoder::default();
    let (mut chunks, mut sent) = (Chunks::default(), Vec::new());
    let mut short = 0;
    while !input.is_empty() && sent.len() < 40 {
        if input.one_in(6) {
            index = input.number() >> 1;
        }
        if input.one_in(6) {
            term = 1 + input.number() % 1000;
        }
        if input.one_in(8) {
            encoder.encode(&message_stream::link_heartbeat(), &mut chunks);
            sent.push(message_stream::link_heartbeat());
            continue;
        }
        let entries: Vec<Entry> = (1..=input.below(4) as u64)
            .map(|next| Entry {
                term,
                index: index + next,
                data: input.shared(),
                ..Entry::default()
            })
            .collect();
        let message = Message {
            message_type: MessageType::App,
            to: 1,
            from: 2,
            term,
            log_term: if input.one_in(5) { term - 1 } else { term },
            index,
            commit: input.number(),
            entries,
            ..Message::default()
        };
        index += message.entries.len() as u64;
        let before = chunks.len();
        encoder.encode(&message, &mut chunks);
        short += usize::from(chunks.len() - before < message.encoded_len());
        sent.push(message);
    }
    let mut features = Features::default();
    let mut decoder = append_stream::Decoder::new(MemberId(1), MemberId(2));
    let bytes = all(chunks);
    let got = decoded(&bytes, 100, |input| decoder.decode(input), &mut features);
    assert_eq!(got, sent);
    features.size(sent.len());
    features.size(short);
    features.number()
}
