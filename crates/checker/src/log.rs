//! What happened at each revision, put together from what watches of everything saw and, where none
//! looked, from acknowledged writes.

use crate::evaluate::evaluate;
use crate::history::{Call, History, Operation, Watch, show};
use crate::report::{Kind, Report};
use crate::store::{Change, Store};
use proto::mvccpb::event::EventType;
use proto::mvccpb::{Event, KeyValue};
use std::collections::BTreeMap;
use types::KeyRange;

/// What one watch saw at a revision.
struct Observed {
    changes: Vec<Change>,
    /// Its place in the history.
    watch: usize,
}

/// Puts the log together.
pub fn build(history: &History, report: &mut Report) -> Store {
    let mut observed: BTreeMap<i64, Observed> = BTreeMap::new();
    for (number, watch) in history.watches.iter().enumerate().filter(|(_, w)| sees_all(w)) {
        for (revision, changes) in commits(watch) {
            let Some(first) = observed.get(&revision) else {
                observed.insert(revision, Observed { changes, watch: number });
                continue;
            };
            if first.changes != changes {
                report.add(Kind::SplitRevision, || {
                    let one = history.watches[first.watch].member;
                    format!(
                        "revision {revision}: {one} sent {}, {} sent {}",
                        describe(&first.changes),
                        watch.member,
                        describe(&changes)
                    )
                });
            }
        }
    }
    let writes = writes_by_revision(history);
    let newest_write = writes.last_key_value().map_or(0, |(revision, _)| *revision);
    let newest_seen = observed.last_key_value().map_or(0, |(revision, _)| *revision);
    let mut store = Store::new(history.base.revision, &history.base.kvs);
    for revision in store.last() + 1..=newest_seen.max(newest_write) {
        let seen = observed.remove(&revision).map(|seen| seen.changes);
        let acknowledged = || {
            let calls = writes.get(&revision).map(Vec::as_slice);
            acknowledged_changes(&store, calls.unwrap_or_default())
        };
        let Some(changes) = seen.or_else(acknowledged) else {
            // An answer that changed nothing carries the revision it found; if no write is there,
            // the revision before it may still be the newest.
            report.add(Kind::UnseenRevision, || format!("revision {revision} is nobody's"));
            break;
        };
        check_changes(&store, revision, &changes, report);
        store.push(changes);
    }
    report.counts.revisions = (store.last() - store.base()) as u64;
    store
}

/// Whether a watch is sent every change.
fn sees_all(watch: &Watch) -> bool {
    let request = &watch.request;
    let range = KeyRange::parse(request.key.clone(), request.range_end.clone());
    range == KeyRange::All && request.filters.is_empty()
}

/// The changes that a watch was sent, by revision. Those that came in fragments may be incomplete
/// and are left out.
fn commits(watch: &Watch) -> Vec<(i64, Vec<Change>)> {
    let mut commits: Vec<(i64, Vec<Change>)> = Vec::new();
    let mut fragment = false;
    for answer in &watch.responses {
        let part_of_more = fragment || answer.fragment;
        fragment = answer.fragment;
        if part_of_more {
            continue;
        }
        for (revision, change) in answer.events.iter().filter_map(change) {
            match commits.last_mut().filter(|(last, _)| *last == revision) {
                // An event that comes twice is the watch's fault, not the log's.
                Some((_, changes)) if changes.contains(&change) => {}
                Some((_, changes)) => changes.push(change),
                None => commits.push((revision, vec![change])),
            }
        }
    }
    commits
}

/// The change that an event tells of, and its revision.
pub fn change(event: &Event) -> Option<(i64, Change)> {
    let kv = event.kv.as_ref()?;
    let now = (event.r#type() == EventType::Put).then(|| kv.clone());
    Some((kv.mod_revision, Change { key: kv.key.clone(), kv: now }))
}

/// The answered calls that may have written, by the revision in their header.
fn writes_by_revision(history: &History) -> BTreeMap<i64, Vec<&Operation>> {
    let mut writes: BTreeMap<i64, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if let (true, Some(header)) = (may_write(&operation.call), operation.header()) {
            writes.entry(header.revision).or_default().push(operation);
        }
    }
    writes
}

/// Whether a call may change keys.
pub fn may_write(call: &Call) -> bool {
    matches!(call, Call::Put(_) | Call::Delete(_) | Call::Txn(_) | Call::Revoke(_))
}

fn acknowledged_changes(store: &Store, calls: &[&Operation]) -> Option<Vec<Change>> {
    let found = calls.iter().filter_map(|operation| evaluate(&operation.call, store, store.last()));
    found.map(|result| result.changes).find(|changes| !changes.is_empty())
}

/// Compares what is derived in an event with the state before it.
fn check_changes(store: &Store, revision: i64, changes: &[Change], report: &mut Report) {
    for change in changes {
        let before = store.get(&change.key, store.last());
        let good = match (&change.kv, before) {
            (None, before) => before.is_some(),
            (Some(kv), None) => kv.version == 1 && kv.create_revision == revision,
            (Some(kv), Some(before)) => {
                kv.version == before.version + 1 && kv.create_revision == before.create_revision
            }
        };
        if !good {
            report.add(Kind::WatchWrongEvent, || {
                let before = before.map_or("nothing".to_owned(), describe_kv);
                format!("revision {revision}: {} after {before}", describe_change(change))
            });
        }
    }
}

/// Changes for reports.
pub fn describe(changes: &[Change]) -> String {
    let all: Vec<String> = changes.iter().map(describe_change).collect();
    format!("[{}]", all.join(", "))
}

pub fn describe_change(change: &Change) -> String {
    match &change.kv {
        Some(kv) => format!("put {}", describe_kv(kv)),
        None => format!("delete {}", show(&change.key)),
    }
}

pub fn describe_kv(kv: &KeyValue) -> String {
    format!(
        "{}={} (created {}, modified {}, version {}, lease {:x})",
        show(&kv.key),
        show(&kv.value),
        kv.create_revision,
        kv.mod_revision,
        kv.version,
        kv.lease
    )
}
