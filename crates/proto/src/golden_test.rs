//! The bytes of the real etcd (`testdata/golden.tsv`, taken from the archives in
//! `testdata/golden/`): read, compared with an independent reader, and written again.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::{Message as _, Name};

use crate::testing::unhex;
use crate::{
    authpb, decode, etcdserverpb, leasepb, mvccpb, raftpb, reference, snappb, twin, walpb,
};

/// Field 9 of every message of 3.5's that has no snapshot: an empty one.
const EMPTY_SNAPSHOT: &[u8] = &[0x4a, 0x0a, 0x12, 0x08, 0x0a, 0x02, 0x28, 0, 0x10, 0, 0x18, 0];

fn rows(version: &str) -> impl Iterator<Item = (&'static str, Bytes)> {
    include_str!("../testdata/golden.tsv").lines().skip(1).filter_map(move |line| {
        let mut columns = line.split('\t');
        let (of, kind, hex) = (columns.next()?, columns.next()?, columns.next()?);
        (of == version).then(|| (kind, Bytes::from(unhex(hex))))
    })
}

/// Reads and writes again.
fn rewritten<M: prost::Message + Name + Default>(bytes: &Bytes) -> Vec<u8> {
    decode::<M>(bytes.clone()).unwrap().encode_to_vec()
}

/// Reads and writes again a message of one of the kinds that are stored or proposed.
fn rewritten_generated(kind: &str, bytes: &Bytes) -> Option<Vec<u8>> {
    Some(match kind {
        "KeyValue" => rewritten::<mvccpb::KeyValue>(bytes),
        "Lease" => rewritten::<leasepb::Lease>(bytes),
        "User" => rewritten::<authpb::User>(bytes),
        "Role" => rewritten::<authpb::Role>(bytes),
        "AlarmMember" => rewritten::<etcdserverpb::AlarmMember>(bytes),
        "Metadata" => rewritten::<etcdserverpb::Metadata>(bytes),
        "Request" => rewritten::<etcdserverpb::Request>(bytes),
        "InternalRaftRequest" => rewritten::<etcdserverpb::InternalRaftRequest>(bytes),
        _ => return None,
    })
}

fn rewritten_by_hand(kind: &str, bytes: Bytes) -> Vec<u8> {
    match kind {
        "Record" => walpb::Record::decode(bytes).unwrap().encode_to_vec(),
        "walSnapshot" => walpb::Snapshot::decode(bytes).unwrap().encode_to_vec(),
        "snapshot" => snappb::Snapshot::decode(bytes).unwrap().encode_to_vec(),
        "Entry" => raftpb::Entry::decode(bytes).unwrap().encode_to_vec(),
        "HardState" => raftpb::HardState::decode(bytes).unwrap().encode_to_vec(),
        "ConfChange" => raftpb::ConfChange::decode(bytes).unwrap().encode_to_vec(),
        "Message" => raftpb::Message::decode(bytes).unwrap().encode_to_vec(),
        _ => panic!("no check for {kind}"),
    }
}

fn without_empty_snapshot(message: &[u8]) -> Vec<u8> {
    let at = message.windows(EMPTY_SNAPSHOT.len()).rposition(|window| window == EMPTY_SNAPSHOT);
    match at {
        Some(at) => [&message[..at], &message[at + EMPTY_SNAPSHOT.len()..]].concat(),
        None => message.to_vec(),
    }
}

fn counted<'a>(kinds: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind).or_default() += 1);
    counts
}

#[test]
fn bytes_of_3_5_are_written_again_to_the_letter() {
    for (kind, bytes) in rows("3.5.1") {
        let expected = match kind {
            "Message" => without_empty_snapshot(&bytes),
            _ => bytes.to_vec(),
        };
        let again = rewritten_generated(kind, &bytes)
            .unwrap_or_else(|| rewritten_by_hand(kind, bytes.clone()));
        assert_eq!(again, expected, "{kind} {bytes:02x?}");
    }
    let counts = counted(rows("3.5.1").map(|(kind, _)| kind));
    assert_eq!(counts.len(), 15, "{counts:?}");
    assert!(counts["InternalRaftRequest"] > 40 && counts["Message"] > 30, "{counts:?}");
}

#[test]
fn what_3_7_stores_and_proposes_is_written_again_to_the_letter() {
    let mut checked = 0;
    for (kind, bytes) in rows("3.7.1") {
        if let Some(again) = rewritten_generated(kind, &bytes) {
            assert_eq!(again, bytes, "{kind} {bytes:02x?}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

/// 3.7 leaves out zero fields of raft's messages, so that its bytes differ from ours.
#[test]
fn raft_messages_of_3_7_are_read_as_the_reference_reads_them() {
    let mut checked = 0;
    for (kind, bytes) in rows("3.7.1") {
        match kind {
            "Message" => {
                let read = raftpb::Message::decode(bytes.clone()).unwrap();
                assert_eq!(read, reference::raftpb::Message::decode(bytes).unwrap().into());
            }
            "Entry" => {
                let read = raftpb::Entry::decode(bytes.clone()).unwrap();
                assert_eq!(read, reference::raftpb::Entry::decode(bytes).unwrap().into());
            }
            "ConfChange" => {
                let read = raftpb::ConfChange::decode(bytes.clone()).unwrap();
                assert_eq!(read, reference::raftpb::ConfChange::decode(bytes).unwrap().into());
            }
            "Record" => {
                let read = walpb::Record::decode(bytes.clone()).unwrap();
                assert_eq!(read, reference::walpb::Record::decode(bytes).unwrap().into());
            }
            "HardState" => {
                let read = raftpb::HardState::decode(bytes.clone()).unwrap();
                assert_eq!(read, reference::raftpb::HardState::decode(bytes).unwrap().into());
            }
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn stored_records_are_elements_of_answers() {
    let kvs = || rows("3.5.1").filter(|(kind, _)| *kind == "KeyValue").map(|(_, bytes)| bytes);
    let twin = twin::RangeResponse { kvs: kvs().collect(), ..Default::default() };
    let real = etcdserverpb::RangeResponse::decode(&twin.encode_to_vec()[..]).unwrap();
    let read: Vec<_> = kvs().map(|bytes| decode::<mvccpb::KeyValue>(bytes).unwrap()).collect();
    assert_eq!(real.kvs, read);
    assert_eq!(real.encode_to_vec(), twin.encode_to_vec());
}

#[test]
fn an_empty_snapshot_is_none() {
    let message = raftpb::Message::decode(Bytes::from_static(EMPTY_SNAPSHOT)).unwrap();
    assert_eq!(message, raftpb::Message::default());
}

#[test]
fn stored_messages_leave_out_what_is_empty() {
    let tombstone = mvccpb::KeyValue { key: "a".into(), ..Default::default() };
    assert_eq!(tombstone.encode_to_vec(), unhex("0a0161"));
    let kv = mvccpb::KeyValue {
        key: "a".into(),
        create_revision: 2,
        mod_revision: 300,
        version: 1,
        value: Bytes::new(),
        lease: -1,
    };
    assert_eq!(kv.encode_to_vec(), unhex("0a0161100218ac02200130ffffffffffffffffff01"));
    let options = Some(authpb::UserAddOptions::default());
    let user = authpb::User { name: "u".into(), options, ..Default::default() };
    assert_eq!(user.encode_to_vec(), unhex("0a01752200"));
    let root = authpb::Role { name: "root".into(), ..Default::default() };
    assert_eq!(root.encode_to_vec(), unhex("0a04726f6f74"));
}

/// The hex strings of the section of `golden/vectors.txt` that begins so.
fn vectors(section: &str) -> Vec<&'static str> {
    let text = include_str!("../../../testdata/golden/vectors.txt");
    let (_, rest) = text.split_once(section).expect("the section is there");
    let is_hex = |word: &&str| word.len() > 20 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let body = rest.lines().skip(1);
    let until_next = body.take_while(|line| line.starts_with(' ') || !line.ends_with(':'));
    until_next.filter_map(|line| line.split(' ').next_back().filter(is_hex)).collect()
}

#[test]
fn one_message_of_each_type() {
    let vectors = vectors("message stream frames");
    for hex in &vectors {
        let bytes = Bytes::from(unhex(hex));
        let message = raftpb::Message::decode(bytes.clone()).unwrap();
        assert_eq!(message.snapshot, None);
        assert_eq!(message.encode_to_vec(), without_empty_snapshot(&bytes));
        assert_eq!(message.encoded_len(), bytes.len() - EMPTY_SNAPSHOT.len());
    }
    assert_eq!(vectors.len(), 13);
}

/// A length as the log frames it: how many bytes of record and of padding follow.
fn frame_lengths(field: [u8; 8]) -> (usize, usize) {
    let field = u64::from_le_bytes(field);
    let padding = if field >> 63 == 1 { field >> 56 & 7 } else { 0 };
    ((field & 0x00ff_ffff_ffff_ffff) as usize, padding as usize)
}

#[test]
fn the_head_of_a_log() {
    let mut head = Bytes::from(unhex(vectors("WAL head")[0]));
    let mut types = Vec::new();
    while head.len() >= 8 {
        let field = head.split_to(8);
        let (length, padding) = frame_lengths(field[..].try_into().unwrap());
        if length > head.len() {
            break;
        }
        let bytes = head.split_to(length);
        let record = walpb::Record::decode(bytes.clone()).unwrap();
        assert_eq!(record.encode_to_vec(), bytes);
        let data = record.data.clone();
        let crc = record.crc;
        let borrowed =
            walpb::BorrowedRecord { record_type: record.record_type, crc, data: data.as_deref() };
        let mut again = Vec::new();
        borrowed.encode(&mut again);
        assert_eq!((again.len(), &again[..]), (borrowed.encoded_len(), &bytes[..]));
        types.push(record.record_type);
        drop(head.split_to(padding.min(head.len())));
    }
    assert_eq!(types, [4, 1, 5, 2, 3, 2]);
}
