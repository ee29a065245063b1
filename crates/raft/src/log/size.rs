//! How large entries are.

use proto::raftpb::{Entry, EntryType};

/// The size by which entries are counted against limits: that of their encoding by etcd 3.7, which
/// leaves out what is zero or empty.
#[must_use]
pub fn entry_size(entry: &Entry) -> u64 {
    let number = |value: u64| if value == 0 { 0 } else { 1 + varint_len(value) };
    let data = entry.data.len() as u64;
    let kind = if entry.entry_type == EntryType::Normal { 0 } else { 2 };
    let content = if data == 0 { 0 } else { 1 + varint_len(data) + data };
    kind + number(entry.term) + number(entry.index) + content
}

/// The sum over entries.
#[must_use]
pub fn entries_size(entries: &[Entry]) -> u64 {
    entries.iter().map(entry_size).sum()
}

/// The bytes of the contents alone; entries without content count nothing, so that a leader's
/// first entry and the one that leaves a joint configuration always find room.
pub(crate) fn payload_size(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.data.len() as u64).sum()
}

/// The longest beginning that has at most `size_max` bytes, but never nothing of something.
#[must_use]
pub fn limit_size<'a>(entries: impl Iterator<Item = &'a Entry>, size_max: u64) -> Vec<Entry> {
    let mut size = 0_u64;
    let mut kept = Vec::new();
    for entry in entries {
        size = size.saturating_add(entry_size(entry));
        if size > size_max && !kept.is_empty() {
            break;
        }
        kept.push(entry.clone());
    }
    kept
}

fn varint_len(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_what_its_shortest_encoding_takes() {
        let entry = |term, index, data: &'static [u8]| Entry {
            term,
            index,
            data: bytes::Bytes::from_static(data),
            ..Entry::default()
        };
        assert_eq!(entry_size(&Entry::default()), 0);
        assert_eq!(entry_size(&entry(1, 127, b"")), 4);
        assert_eq!(entry_size(&entry(1, 128, b"abc")), 10);
        assert_eq!(entry_size(&entry(u64::MAX, 1, b"")), 13);
        let change = Entry { entry_type: EntryType::ConfChange, ..entry(1, 1, b"") };
        assert_eq!(entry_size(&change), 6);
    }
}
