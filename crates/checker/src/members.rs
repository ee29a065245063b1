//! What each member says by itself: its revision and term never fall while it runs; what members
//! hold at the end, and their hashes.

use crate::history::{History, Member, Time};
use crate::place::{Places, same_state, show};
use crate::report::{Kind, Report};
use crate::store::Store;
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Of a call, by its place in the history.
    Begin(usize),
    End(usize),
    Start,
}

/// What a member has said since its start.
#[derive(Clone, Copy, Default)]
struct Said {
    start: Time,
    revision: i64,
    term: u64,
    call: usize,
}

/// Checks that no member goes back.
pub fn check_headers(history: &History, report: &mut Report) {
    let mut moments: BTreeMap<Member, Vec<(Time, What)>> = BTreeMap::new();
    for (number, operation) in history.operations.iter().enumerate() {
        if operation.header().is_some() {
            let of_member = moments.entry(operation.member).or_default();
            of_member.push((operation.begin, What::Begin(number)));
            of_member.push((operation.end(), What::End(number)));
        }
    }
    for (member, at) in &history.starts {
        moments.entry(*member).or_default().push((*at, What::Start));
    }
    for mut of_member in moments.into_values() {
        of_member.sort_unstable();
        let mut said = Said::default();
        for (at, what) in of_member {
            said = check_moment(history, report, said, at, what);
        }
    }
}

fn check_moment(history: &History, report: &mut Report, said: Said, at: Time, what: What) -> Said {
    let (number, is_end) = match what {
        What::Start => return Said { start: at, ..Said::default() },
        What::Begin(number) => (number, false),
        What::End(number) => (number, true),
    };
    let operation = &history.operations[number];
    let header = operation.header().unwrap_or_default();
    if is_end {
        // An answer to a call from before the start may be the former process's.
        if operation.begin < said.start {
            return said;
        }
        let newer = header.revision > said.revision;
        return Said {
            revision: said.revision.max(header.revision),
            term: said.term.max(header.raft_term),
            call: if newer { number } else { said.call },
            ..said
        };
    }
    if header.revision < said.revision || header.raft_term < said.term {
        report.add(Kind::WentBack, || {
            format!(
                "{} has revision {} and term {}, but {} had {} and {} before",
                show(number, operation),
                header.revision,
                header.raft_term,
                show(said.call, &history.operations[said.call]),
                said.revision,
                said.term
            )
        });
    }
    said
}

/// Checks what members held at the end: every acknowledged write, and what the history says.
pub fn check_finals(history: &History, store: &Store, places: &Places, report: &mut Report) {
    let written = places.calls.iter().flatten().filter(|place| !place.behind);
    let least = written.map(|place| place.revision).max().unwrap_or(store.base());
    for found in &history.finals {
        let (member, revision) = (found.member, found.revision);
        if !(least..=store.last()).contains(&revision) {
            report.add(Kind::FinalDiffers, || {
                format!("{member} ends at revision {revision}, the last write is at {least}")
            });
        } else if !same_state(store, revision, &found.kvs) {
            report.add(Kind::FinalDiffers, || {
                let expected: Vec<_> = store.range(&types::KeyRange::All, revision).collect();
                let odd = found.kvs.iter().zip(&expected).find(|(a, b)| a != *b);
                let count = found.kvs.len();
                format!("{member} holds {count} keys of {}; first other: {odd:?}", expected.len())
            });
        }
    }
}

/// Compares the hashes of members.
pub fn check_hashes(history: &History, report: &mut Report) {
    let mut first: BTreeMap<(i64, i64), (Member, u32)> = BTreeMap::new();
    for hash in &history.hashes {
        report.counts.hashes += 1;
        let key = (hash.revision, hash.compact_revision);
        let (member, expected) = *first.entry(key).or_insert((hash.member, hash.hash));
        if expected != hash.hash {
            report.add(Kind::HashesDiffer, || {
                format!(
                    "revision {} compacted at {}: {member} says {expected:08x}, {} {:08x}",
                    hash.revision, hash.compact_revision, hash.member, hash.hash
                )
            });
        }
    }
}
