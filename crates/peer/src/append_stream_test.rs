//! Appends through the stream: random ones, damaged ones, and what the bytes are.

use env::{Rng, SeededRng};
use proto::raftpb::EntryType;

use super::*;

fn entry(index: u64, term: u64, data: Bytes) -> Entry {
    Entry { entry_type: EntryType::Normal, term, index, data }
}

fn append(term: u64, log_term: u64, index: u64, entries: Vec<Entry>, commit: u64) -> Message {
    let (from, to) = (1, 2);
    let message_type = MessageType::App;
    Message { message_type, to, from, term, log_term, index, entries, commit, ..Message::default() }
}

fn bytes_of(messages: &[Message]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), Chunks::default());
    let mut bytes = Vec::new();
    for message in messages {
        encoder.encode(message, &mut out);
        while let Some(chunk) = out.pop() {
            bytes.extend_from_slice(&chunk);
        }
    }
    bytes
}

/// Decodes bytes that come in chunks of the sizes that a function gives.
fn decode(bytes: &[u8], mut size: impl FnMut() -> usize) -> Result<Vec<Message>, Error> {
    let mut decoder = Decoder::new(MemberId(2), MemberId(1));
    let mut messages = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(size().clamp(1, rest.len()));
        rest = after;
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(message) = decoder.decode(&mut chunk)? {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Appends as a leader sends them: mostly one behind the other, sometimes back, sometimes of a new
/// term, heartbeats of the link between.
fn random_messages(rng: &mut SeededRng) -> Vec<Message> {
    let (mut term, mut index) = (1 + rng.below(3), rng.below(5));
    let mut log_term = rng.below(term + 1);
    let count = 1 + rng.below(20);
    let message = |_| {
        match rng.below(10) {
            0 => return message_stream::link_heartbeat(),
            1 => index = index.saturating_sub(rng.below(10)),
            2 => term += 1,
            _ => {}
        }
        let entries: Vec<Entry> = (0..rng.below(4))
            .map(|next| {
                let size = [0, 1, 100, 127, 128, 20_000][rng.below(6) as usize];
                entry(index + 1 + next, term, Bytes::from(vec![next as u8; size]))
            })
            .collect();
        let message = append(term, log_term, index, entries, rng.below(index + 1));
        index += message.entries.len() as u64;
        if !message.entries.is_empty() {
            log_term = term;
        }
        message
    };
    (0..count).map(message).collect()
}

#[test]
fn what_is_sent_arrives_however_it_is_cut() {
    for seed in 0..300 {
        let mut rng = SeededRng::new(seed);
        let messages = random_messages(&mut rng);
        let bytes = bytes_of(&messages);
        let longest = [1, 7, 1000, 100_000][rng.below(4) as usize];
        let arrived = decode(&bytes, || rng.below(longest) as usize + 1).unwrap();
        assert_eq!(arrived, messages, "seed {seed}");
    }
}

#[test]
fn damaged_streams_never_panic() {
    for seed in 0..2000 {
        let mut rng = SeededRng::new(seed);
        let mut bytes = bytes_of(&random_messages(&mut rng));
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(4) {
                0 => bytes[at] = rng.next_u64() as u8,
                1 => bytes[at] = [0, 1, 2, 0xff][rng.below(4) as usize],
                2 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(3);
            }
        }
        // Whatever comes out of it is an outcome.
        let _ = decode(&bytes, || rng.below(5000) as usize);
    }
}

#[test]
fn the_first_append_is_whole_and_the_next_is_short() {
    let data = Bytes::from_static(b"x");
    let first = append(2, 1, 3, vec![entry(4, 2, Bytes::new())], 3);
    let second = append(2, 2, 4, vec![entry(5, 2, data)], 4);
    let commit = append(2, 2, 5, Vec::new(), 5);
    let bytes = bytes_of(&[first.clone(), second, commit]);
    let mut expected = vec![2, 0, 0, 0, 0, 0, 0, 0, first.encoded_len() as u8];
    first.encode(&mut expected);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    expected.extend([8, 0, 16, 2, 24, 5, 34, 1, b'x', 0, 0, 0, 0, 0, 0, 0, 4]);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(bytes, expected);
}

#[test]
fn an_entry_is_encoded_as_ever_and_its_data_not_copied() {
    for size in [0, 1, 127, 128, 16_383, 16_384, 2_100_000] {
        let data = Bytes::from(vec![9; size]);
        let entry = entry(300, 7, data.clone());
        let mut out = Chunks::default();
        put_entry(&entry, &mut out);
        let parts: Vec<Bytes> = std::iter::from_fn(|| out.pop()).collect();
        let bytes = parts.concat();
        assert_eq!(bytes[..8], (entry.encoded_len() as u64).to_be_bytes());
        assert_eq!(bytes[8..], entry.encode_to_vec());
        let is_shared = parts.iter().any(|part| part.as_ptr() == data.as_ptr());
        assert_eq!(is_shared, size >= 16_384, "{size}");
    }
}

#[test]
fn announced_sizes_take_no_memory_and_too_large_ones_are_refused() {
    let mut decoder = Decoder::new(MemberId(2), MemberId(1));
    let half = (MESSAGE_BYTES_MAX as u64 / 2).to_be_bytes();
    let mut input = Bytes::from([&[MESSAGE][..], &half, &[0; 100]].concat());
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let Stage::Message(piece) = &decoder.stage else { panic!("{:?}", decoder.stage) };
    assert!(piece.capacity() <= 200);

    let too_large = (MESSAGE_BYTES_MAX as u64).to_be_bytes();
    for head in [&[MESSAGE][..], &[ENTRIES, 0, 0, 0, 0, 0, 0, 0, 1]] {
        for length in [too_large, u64::MAX.to_be_bytes()] {
            let mut decoder = Decoder::new(MemberId(2), MemberId(1));
            let mut input = Bytes::from([head, &length].concat());
            assert_eq!(decoder.decode(&mut input), Err(Error::TooLarge));
        }
    }
    // A count is not believed either.
    let mut input = Bytes::from([&[ENTRIES][..], &[0xff; 8]].concat());
    let mut decoder = Decoder::new(MemberId(2), MemberId(1));
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(decoder.entries.capacity(), 0);
}

#[test]
fn what_cannot_follow_is_refused() {
    let first = append(2, 2, 4, vec![entry(5, 2, Bytes::new())], 4);
    let mut bytes = bytes_of(std::slice::from_ref(&first));
    let follows = bytes_of(&[first, append(2, 2, 5, vec![entry(6, 2, Bytes::new())], 5)]);
    let short = &follows[bytes.len()..];
    // The same entry once more.
    bytes.extend_from_slice(short);
    bytes.extend_from_slice(short);
    let gap = Error::Gap { index: 6, term: 2, expected_index: 7, expected_term: 2 };
    assert_eq!(decode(&bytes, || 10), Err(gap));
    assert_eq!(decode(&[3], || 1), Err(Error::UnknownKind(3)));
}

#[test]
fn positions_at_the_end_of_numbers_do_no_harm() {
    let mut bytes = bytes_of(&[append(2, 1, u64::MAX, Vec::new(), 0)]);
    let entry = entry(0, 2, Bytes::new());
    bytes.extend([ENTRIES, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6]);
    bytes.extend(entry.encode_to_vec());
    bytes.extend([0; 8]);
    assert_eq!(decode(&bytes, || 3).unwrap().len(), 2);
}
