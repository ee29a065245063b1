//! Every acknowledged write is there for ever: with whoever has got to its revision.

use std::collections::BTreeMap;

use bytes::Bytes;
use mvcc::ReadView;
use proto::mvccpb::KeyValue;

use crate::oracle::Compared;

/// The acknowledged puts, by revision.
#[derive(Clone, Default)]
pub struct Ledger {
    puts: BTreeMap<i64, (Bytes, Bytes)>,
    newest: i64,
}

impl Ledger {
    /// A write was acknowledged at a revision.
    pub fn acknowledged(&mut self, revision: i64) {
        self.newest = self.newest.max(revision);
    }

    /// A put was.
    pub fn put(&mut self, revision: i64, key: Bytes, value: Bytes) {
        self.acknowledged(revision);
        self.puts.insert(revision, (key, value));
    }

    /// The ledger when this was the newest revision in it; what was written later is known, and not
    /// promised.
    #[must_use]
    pub fn as_of(&self, revision: i64) -> Self {
        Self { puts: self.puts.clone(), newest: revision }
    }

    /// The newest revision that was acknowledged.
    #[must_use]
    pub const fn newest(&self) -> i64 {
        self.newest
    }

    pub(crate) fn check(
        &self,
        number: usize,
        read: &ReadView,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let range = read.compact_revision() + 1..read.revision() + 1;
        if range.is_empty() {
            return Ok(());
        }
        let mut found = BTreeMap::new();
        for event in read.all_events(range.start, read.revision()) {
            let event = event.map_err(|error| format!("m{} cannot read: {error}", number + 1))?;
            found.entry(event.revision.main).or_insert(event.kv);
        }
        for (revision, (key, value)) in self.puts.range(range) {
            compared.writes += 1;
            let kv = found.get(revision).and_then(|kv| proto::decode::<KeyValue>(kv.clone()).ok());
            if kv.is_none_or(|kv| kv.key != *key || kv.value != *value) {
                let key = key.escape_ascii();
                return Err(format!(
                    "m{} has lost the put of {key} at revision {revision}, which was acknowledged",
                    number + 1
                ));
            }
        }
        Ok(())
    }
}
