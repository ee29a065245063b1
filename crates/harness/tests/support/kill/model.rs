//! A replay of a history of events: the keys, and the hash that a server must have at a revision.
//!
//! Knows nothing of servers. The hash follows etcd's `HashKV`: CRC-32C over the bucket's name and
//! the rows that are left after a compaction, in order.
//!
//! Invariants: revisions never fall; a put's version and creation follow from the events before it.

use prost::Message as _;
use proto::mvccpb::{Event, KeyValue, event::EventType};
use std::collections::{BTreeMap, BTreeSet};

/// One row of the server's bucket `key`.
struct Row {
    key: Vec<u8>,
    /// `None` for a deletion.
    kv: Option<KeyValue>,
}

/// All that happened, without what a compaction has taken away.
#[derive(Default)]
pub struct Model {
    rows: BTreeMap<(i64, i64), Row>,
    live: BTreeMap<Vec<u8>, KeyValue>,
    last: (i64, i64),
}

impl Model {
    /// The newest revision with an event.
    pub const fn revision(&self) -> i64 {
        self.last.0
    }

    /// The keys that are there.
    pub const fn live(&self) -> &BTreeMap<Vec<u8>, KeyValue> {
        &self.live
    }

    /// Adds the next event.
    pub fn add(&mut self, event: &Event) -> Result<(), String> {
        let kv = event.kv.as_ref().ok_or("an event without a key")?;
        let (main, key) = (kv.mod_revision, kv.key.to_vec());
        if main < self.last.0 {
            return Err(format!("an event of revision {main} after {}", self.last.0));
        }
        let sub = if main == self.last.0 { self.last.1 + 1 } else { 0 };
        self.last = (main, sub);
        let before = self.live.get(&key);
        if event.r#type == EventType::Delete as i32 {
            if before.is_none() {
                return Err(format!("a deletion of a key that is not there: {event:?}"));
            }
            self.live.remove(&key);
            self.rows.insert((main, sub), Row { key, kv: None });
            return Ok(());
        }
        let version = before.map_or(1, |before| before.version + 1);
        let created = before.map_or(main, |before| before.create_revision);
        if (kv.version, kv.create_revision) != (version, created) {
            return Err(format!("version {version} created at {created} expected: {event:?}"));
        }
        self.live.insert(key.clone(), kv.clone());
        self.rows.insert((main, sub), Row { key, kv: Some(kv.clone()) });
        Ok(())
    }

    /// Forgets what a compaction at this revision takes away.
    pub fn compact(&mut self, at: i64) {
        let kept = self.newest(at);
        self.rows.retain(|place, _| place.0 > at || kept.contains(place));
    }

    /// For each key its newest row up to a revision, unless that is a deletion.
    fn newest(&self, at: i64) -> BTreeSet<(i64, i64)> {
        let mut newest = BTreeMap::new();
        for (place, row) in self.rows.range(..=(at, i64::MAX)) {
            newest.insert(&row.key, (*place, row.kv.is_some()));
        }
        newest.into_values().filter_map(|(place, put)| put.then_some(place)).collect()
    }

    /// HashKV at a revision, where `compacted` is the server's compacted revision.
    pub fn hash_kv(&self, at: i64, compacted: i64) -> u32 {
        let kept = self.newest(at);
        let mut hash = crc32c::crc32c(b"key");
        for (place, row) in self.rows.range(..=(at, i64::MAX)) {
            let deleted_then = place.0 == compacted && row.kv.is_none();
            let taken = place.0 <= compacted && !kept.is_empty() && !kept.contains(place);
            if taken || deleted_then {
                continue;
            }
            let mut bytes = [&place.0.to_be_bytes()[..], b"_", &place.1.to_be_bytes()].concat();
            if row.kv.is_none() {
                bytes.push(b't');
            }
            hash = crc32c::crc32c_append(hash, &bytes);
            let value = row
                .kv
                .clone()
                .unwrap_or_else(|| KeyValue { key: row.key.clone().into(), ..KeyValue::default() });
            hash = crc32c::crc32c_append(hash, &value.encode_to_vec());
        }
        hash
    }
}
