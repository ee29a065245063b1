//! Random, damaged and unusual bytes against the hand-written codec.

use prost::Message as _;

use bytes::Bytes;

use super::*;
use crate::raftpb::{Message, MessageType};
use crate::testing::{Random, for_each_seed, unhex};
use crate::{reference, snappb, walpb};

fn entry(random: &mut Random) -> Entry {
    Entry {
        entry_type: EntryType::from_number(random.below(3)).unwrap(),
        term: random.number(),
        index: random.number(),
        data: random.bytes(),
    }
}

fn conf_state(random: &mut Random) -> ConfState {
    ConfState {
        voters: random.list(Random::number),
        learners: random.list(Random::number),
        voters_outgoing: random.list(Random::number),
        learners_next: random.list(Random::number),
        auto_leave: random.bool(),
    }
}

fn snapshot(random: &mut Random) -> Snapshot {
    let index = random.number().max(1);
    let metadata =
        SnapshotMetadata { conf_state: conf_state(random), index, term: random.number() };
    Snapshot { data: random.bytes(), metadata }
}

fn message(random: &mut Random) -> Message {
    Message {
        message_type: MessageType::from_number(random.below(24)).unwrap(),
        to: random.number(),
        from: random.number(),
        term: random.number(),
        log_term: random.number(),
        index: random.number(),
        entries: random.list(entry),
        commit: random.number(),
        snapshot: random.option(|random| Box::new(snapshot(random))),
        reject: random.bool(),
        reject_hint: random.number(),
        context: random.bytes(),
        vote: random.number(),
        responses: if random.below(6) == 0 { random.list(message) } else { Vec::new() },
    }
}

fn conf_change(random: &mut Random) -> ConfChange {
    ConfChange {
        id: random.number(),
        change_type: ConfChangeType::from_number(random.below(4)).unwrap(),
        node_id: random.number(),
        context: random.bytes(),
    }
}

fn conf_change_v2(random: &mut Random) -> ConfChangeV2 {
    ConfChangeV2 {
        transition: ConfChangeTransition::from_number(random.below(3)).unwrap(),
        changes: random.list(|random| ConfChangeSingle {
            change_type: ConfChangeType::from_number(random.below(4)).unwrap(),
            node_id: random.number(),
        }),
        context: random.bytes(),
    }
}

fn wal_snapshot(random: &mut Random) -> walpb::Snapshot {
    let (index, term) = (random.number(), random.number());
    walpb::Snapshot { index, term, conf_state: random.option(conf_state) }
}

fn record(random: &mut Random) -> walpb::Record {
    let (record_type, crc) = (random.signed(), random.number() as u32);
    walpb::Record { record_type, crc, data: random.option(Random::bytes) }
}

/// Checks that a value is read back, and that the generated codec reads the same from its bytes.
macro_rules! assert_round_trip {
    ($value:expr, $type:ty, $reference:ty) => {{
        let value: $type = $value;
        let bytes = value.encode_to_vec();
        assert_eq!(bytes.len(), value.encoded_len());
        assert_eq!(<$type>::decode(bytes.clone()).unwrap(), value);
        let reference = <$reference>::decode(&bytes[..]).unwrap();
        assert_eq!(<$type>::from(reference), value);
        bytes
    }};
}

/// Checks that damaged bytes are refused, or read as the generated codec reads them. That one also
/// asks whether the ends of unknown groups bear the right numbers, which Go up to 3.6 does not.
macro_rules! assert_mutation {
    ($bytes:expr, $type:ty, $reference:ty, $random:expr) => {{
        let mutated = $random.mutated(&$bytes);
        if let Ok(read) = <$type>::decode(mutated.clone()) {
            match <$reference>::decode(&mutated[..]) {
                Ok(reference) => assert_eq!(<$type>::from(reference), read, "{mutated:02x?}"),
                Err(error) => assert!(error.to_string().contains("end group"), "{error}"),
            }
            assert_eq!(read.encoded_len(), read.encode_to_vec().len());
        }
    }};
}

#[test]
fn random_messages_are_read_back_and_damaged_ones_never_panic() {
    macro_rules! check {
        ($value:expr, $type:ty, $reference:ty, $random:expr) => {{
            let bytes = assert_round_trip!($value, $type, $reference);
            for _ in 0..20 {
                assert_mutation!(bytes, $type, $reference, $random);
            }
        }};
    }
    for_each_seed(300, |random| {
        check!(entry(random), Entry, reference::raftpb::Entry, random);
        check!(message(random), Message, reference::raftpb::Message, random);
        check!(conf_state(random), ConfState, reference::raftpb::ConfState, random);
        check!(snapshot(random), Snapshot, reference::raftpb::Snapshot, random);
        check!(conf_change(random), ConfChange, reference::raftpb::ConfChange, random);
        check!(conf_change_v2(random), ConfChangeV2, reference::raftpb::ConfChangeV2, random);
        check!(wal_snapshot(random), walpb::Snapshot, reference::walpb::Snapshot, random);
        check!(record(random), walpb::Record, reference::walpb::Record, random);
        let hard_state =
            HardState { term: random.number(), vote: random.number(), commit: random.number() };
        check!(hard_state, HardState, reference::raftpb::HardState, random);
        let file = snappb::Snapshot { crc: random.number() as u32, data: random.bytes() };
        check!(file, snappb::Snapshot, reference::snappb::Snapshot, random);
    });
}

#[test]
fn zero_fields_are_written_and_empty_bytes_are_not() {
    assert_eq!(Entry::default().encode_to_vec(), unhex("080010001800"));
    assert_eq!(HardState::default().encode_to_vec(), unhex("080010001800"));
    assert_eq!(ConfState::default().encode_to_vec(), unhex("2800"));
    assert_eq!(Snapshot::default().encode_to_vec(), unhex("12080a02280010001800"));
    assert_eq!(ConfChange::default().encode_to_vec(), unhex("080010001800"));
    assert_eq!(walpb::Record::default().encode_to_vec(), unhex("08001000"));
    let empty = walpb::Record { data: Some(Bytes::new()), ..Default::default() };
    assert_eq!(empty.encode_to_vec(), unhex("080010001a00"));
    // Link heartbeat of the message stream, as 3.5 sends it but for the snapshot.
    let heartbeat = Message { message_type: MessageType::Heartbeat, ..Default::default() };
    assert_eq!(heartbeat.encode_to_vec(), unhex("080810001800200028003000400050005800"));
}

#[test]
fn fields_come_in_any_order_with_strangers_between() {
    // Index, a group 15, a fixed32 16, a fixed64 17, bytes 18, then term twice.
    let bytes = unhex("1803 7b0801 7b7c 7c 850100000000 89010000000000000000 92010161 1001 1002");
    let expected = Entry { index: 3, term: 2, ..Default::default() };
    assert_eq!(Entry::decode(bytes).unwrap(), expected);
}

#[test]
fn packed_numbers_are_read_too() {
    let state = ConfState::decode(unhex("0a03018002 0805 2801")).unwrap();
    let expected = ConfState { voters: vec![1, 256, 5], auto_leave: true, ..Default::default() };
    assert_eq!(state, expected);
}

#[test]
fn a_message_field_that_comes_twice_is_merged() {
    // conf_state with voter 1, index 7; then conf_state with voter 2, term 3.
    let metadata = SnapshotMetadata::decode(unhex("0a020801 1007 0a020802 1803")).unwrap();
    assert_eq!(metadata.conf_state.voters, [1, 2]);
    assert_eq!((metadata.index, metadata.term), (7, 3));
}

#[test]
fn damaged_bytes_are_refused_with_their_place() {
    let cases = [
        ("08", 1, "ends inside"),
        ("0880", 2, "ends inside"),
        ("2203ffff", 2, "ends inside"),
        ("0803", 0, "unknown enum value"),
        ("0a00", 2, "a number is missing"),
        ("2001", 0, "a length-delimited field is missing"),
        ("10ffffffffffffffffff02", 11, "longer than 64 bits"),
        ("10ffffffffffffffffffff01", 11, "longer than 64 bits"),
        ("0001", 1, "not a field number"),
        ("0c", 1, "a group ends that never began"),
        ("7b", 1, "ends inside"),
        ("0f", 1, "unknown wire type"),
    ];
    for (hex, at, what) in cases {
        match Entry::decode(unhex(hex)) {
            Err(DecodeError::Malformed { offset, reason }) => {
                assert!(offset == at && reason.contains(what), "{hex}: {offset} {reason}");
            }
            other => panic!("{hex}: {other:?}"),
        }
    }
}

#[test]
fn responses_within_responses_end_somewhere() {
    let mut bytes = Message::default().encode_to_vec();
    for _ in 0..1000 {
        let mut outer = vec![0x72];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.extend_from_slice(&bytes);
        bytes = outer;
    }
    assert!(matches!(Message::decode(bytes), Err(DecodeError::TooDeep { .. })));
    let deep_groups = vec![0x7b; 1 << 20];
    assert!(matches!(Message::decode(deep_groups), Err(DecodeError::Malformed { .. })));
}

#[test]
fn data_is_shared_and_not_copied() {
    let entry = Entry { data: Bytes::from(vec![7; 100]), ..Default::default() };
    let bytes = Bytes::from(entry.encode_to_vec());
    let read = Entry::decode(bytes.clone()).unwrap();
    let inside = bytes.as_ptr_range();
    assert!(inside.contains(&read.data.as_ptr()));
}

#[test]
fn names_are_those_of_go() {
    let text = include_str!("../../proto/raftpb/raft.proto");
    let mut checked = 0;
    let mut kind = "";
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("enum ") {
            kind = rest.trim_end_matches(" {");
        } else if line == "}" {
            kind = "";
        } else if let (false, Some((name, number))) = (kind.is_empty(), line.split_once(" = ")) {
            let number = number.trim_end_matches(';').parse().unwrap();
            let ours = match kind {
                "EntryType" => EntryType::from_number(number).unwrap().to_string(),
                "MessageType" => MessageType::from_number(number).unwrap().to_string(),
                "ConfChangeType" => ConfChangeType::from_number(number).unwrap().to_string(),
                _ => ConfChangeTransition::from_number(number).unwrap().to_string(),
            };
            assert_eq!(ours, name);
            checked += 1;
        }
    }
    assert_eq!(checked, 3 + 24 + 4 + 3);
}
