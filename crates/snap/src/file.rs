//! `.snap` files: a raft snapshot with a checksum (spec/snap.md 4.1).
//!
//! ```text
//! 08 varint(crc) 12 varint(len) raftpb.Snapshot
//! ```
//! The CRC is CRC-32C of the snapshot's bytes, chained to nothing.

use std::path::Path;

use bytes::Bytes;
use proto::raftpb::Snapshot;
use proto::snappb;

use crate::error::{Error, Result};

/// The bytes of the file.
pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut data = Vec::with_capacity(snapshot.encoded_len());
    snapshot.encode(&mut data);
    let file = snappb::Snapshot { crc: crc32c::crc32c(&data), data: Bytes::from(data) };
    let mut bytes = Vec::with_capacity(file.encoded_len());
    file.encode(&mut bytes);
    bytes
}

/// Reads the bytes of the file at `path`.
///
/// # Errors
/// [`Error::Corrupted`], also for an empty snapshot: etcd never writes one.
pub(crate) fn decode(path: &Path, bytes: Bytes) -> Result<Snapshot> {
    let file = snappb::Snapshot::decode(bytes)
        .map_err(|error| Error::corrupted(path, "a snapshot file", error.to_string()))?;
    if file.data.is_empty() || file.crc == 0 {
        return Err(Error::corrupted(path, "a snapshot", "an empty one"));
    }
    let crc = crc32c::crc32c(&file.data);
    if crc != file.crc {
        let (expected, found) = (format!("crc {:08x}", file.crc), format!("crc {crc:08x}"));
        return Err(Error::corrupted(path, expected, found));
    }
    Snapshot::decode(file.data)
        .map_err(|error| Error::corrupted(path, "a raft snapshot", error.to_string()))
}

#[cfg(test)]
mod tests {
    use env::{Rng, SeededRng};
    use proto::raftpb::{ConfState, SnapshotMetadata};

    use super::*;

    fn snapshot() -> Snapshot {
        let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
        let metadata = SnapshotMetadata { conf_state, index: 7, term: 2 };
        Snapshot { data: Bytes::from_static(b"{\"Root\":{}}"), metadata }
    }

    #[test]
    fn snapshots_read_back() {
        let read = decode(Path::new("x"), encode(&snapshot()).into()).expect("decode");
        assert_eq!(read, snapshot());
    }

    /// Each changed bit is found or, like one above the 32nd of the CRC, without effect.
    #[test]
    fn a_changed_bit_is_noticed() {
        let whole = encode(&snapshot());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let read = decode(Path::new("x"), bytes.into());
                assert!(read.is_err() || read.is_ok_and(|read| read == snapshot()), "{at}.{bit}");
            }
            assert!(decode(Path::new("x"), whole[..at].to_vec().into()).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn random_bytes_are_refused_in_peace() {
        let mut rng = SeededRng::new(3);
        for _ in 0..2000 {
            let mut bytes = vec![0; rng.below(80) as usize];
            rng.fill(&mut bytes);
            assert!(decode(Path::new("x"), bytes.into()).is_err());
        }
    }
}
