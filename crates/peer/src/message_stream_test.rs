//! Messages through the stream: cut anywhere, too large, damaged.

use bytes::BufMut;
use env::{Rng, SeededRng};
use proto::raftpb::Entry;

use super::*;

fn bytes_of(message: &Message) -> Vec<u8> {
    let mut out = Chunks::default();
    encode(message, &mut out);
    std::iter::from_fn(|| out.pop()).collect::<Vec<Bytes>>().concat()
}

fn proposal(size: usize) -> Message {
    let entries = vec![Entry { data: Bytes::from(vec![5; size]), ..Entry::default() }];
    Message { message_type: MessageType::Prop, to: 1, from: 2, entries, ..Message::default() }
}

#[test]
fn messages_arrive_however_they_are_cut() {
    let messages = [link_heartbeat(), proposal(0), proposal(3000), link_heartbeat()];
    let bytes = messages.iter().flat_map(bytes_of).collect::<Vec<u8>>();
    for size in [1, 2, 7, 8, 9, 1000, bytes.len()] {
        let mut decoder = Decoder::new();
        let mut arrived = Vec::new();
        for chunk in bytes.chunks(size) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(message) = decoder.decode(&mut chunk).unwrap() {
                arrived.push(message);
            }
        }
        assert_eq!(arrived, messages);
    }
}

/// The link heartbeats of 3.5, 3.6 and 3.7 (spec/peer.md 5.4).
#[test]
fn link_heartbeats_of_every_version_are_known() {
    let of_3_5 = b"\x08\x08\x10\x00\x18\x00\x20\x00\x28\x00\x30\x00\x40\x00\x4a\x0a\x12\x08\
        \x0a\x02\x28\x00\x10\x00\x18\x00\x50\x00\x58\x00";
    let of_3_6 = b"\x08\x08\x10\x00\x18\x00\x20\x00\x28\x00\x30\x00\x40\x00\x50\x00\x58\x00\
        \x68\x00";
    for heartbeat in [&of_3_5[..], of_3_6, b"\x08\x08"] {
        let mut bytes = Vec::new();
        bytes.put_u64(heartbeat.len() as u64);
        bytes.extend_from_slice(heartbeat);
        let message = Decoder::new().decode(&mut Bytes::from(bytes)).unwrap().unwrap();
        assert!(is_link_heartbeat(&message));
    }
    assert!(!is_link_heartbeat(&Message { from: 1, ..link_heartbeat() }));
    assert!(!is_link_heartbeat(&Message::default()));
}

#[test]
fn a_message_beyond_the_limit_is_refused_before_it_comes() {
    let message = proposal(1000);
    let bytes = Bytes::from(bytes_of(&message));
    let limit = message.encoded_len();
    let decode = |limit| Decoder::with_limit(limit).decode(&mut bytes.clone());
    assert_eq!(decode(limit), Ok(Some(message)));
    assert_eq!(decode(limit - 1), Err(Error::TooLarge));
    assert_eq!(Decoder::new().decode(&mut Bytes::from_static(&[0xff; 8])), Err(Error::TooLarge));
}

#[test]
fn damaged_streams_never_panic() {
    let bytes = [bytes_of(&proposal(40)), bytes_of(&link_heartbeat())].concat();
    for seed in 0..5000 {
        let mut rng = SeededRng::new(seed);
        let mut bytes = bytes.clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
        }
        let (mut decoder, mut input) = (Decoder::new(), Bytes::from(bytes));
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
    }
}

#[test]
fn entries_of_one_message_do_not_hold_each_other() {
    let mut message = proposal(50);
    message.entries.push(Entry { data: Bytes::from(vec![6; 50]), ..Entry::default() });
    let bytes = Bytes::from(message.encode_to_vec());
    let whole = bytes.as_ptr_range();
    let read = read(bytes.clone()).unwrap();
    assert_eq!(read, message);
    assert!(read.entries.iter().all(|entry| !whole.contains(&entry.data.as_ptr())));
}
