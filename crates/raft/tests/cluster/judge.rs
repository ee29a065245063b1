//! What raft promises, checked against everything that was seen.
//!
//! - Election safety: a term has at most one leader.
//! - Log matching: an entry is the same wherever its index and term are, and so is what is before.
//! - Leader completeness: a leader's log has everything committed in earlier terms.
//! - State machine safety: everybody applies the same entries, in the same order.
//! - Commit and term never fall while a member runs.
//! - A leader proposes a configuration change only when all before it are applied.
//! - A read's index is at least what was committed when it was asked for.
//! - What a member says about its log and its vote is stored.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::raftpb::{ConfState, EntryType, Message, MessageType};
use raft::{Ready, Role, StorageError};
use types::{Index, Term};

use super::Counts;
use super::app::{App, digest_of};
use super::member::Member;

/// An entry as it was first seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    previous_term: u64,
    digest: u64,
    changes_conf: bool,
}

/// A committed entry.
#[derive(Clone, Copy)]
struct Committed {
    term: u64,
    /// The leader's term when it was.
    during: u64,
}

#[derive(Default)]
pub struct Judge {
    pub counts: Counts,
    leaders: BTreeMap<u64, u64>,
    entries: BTreeMap<(u64, u64), Seen>,
    committed: BTreeMap<u64, Committed>,
    committed_last: u64,
    states: BTreeMap<u64, App>,
    /// What the index of a read has to reach, by its context.
    reads: BTreeMap<Bytes, u64>,
    /// Each running member's term, commit index, role and last index, as seen last.
    seen: BTreeMap<u64, (u64, u64, Role, u64)>,
    conf_kinds: BTreeSet<&'static str>,
}

impl Judge {
    pub fn new(start: &App) -> Self {
        let states = BTreeMap::from([(start.index, start.clone())]);
        Self { states, committed_last: start.index, ..Self::default() }
    }

    pub fn committed_last(&self) -> u64 {
        self.committed_last
    }

    pub fn stopped(&mut self, id: u64) {
        self.seen.remove(&id);
    }

    /// Looks at a member after it did something.
    pub fn observe(&mut self, member: &mut Member) {
        let (id, appends) = (member.id, member.appends.len());
        let Some(raw) = &member.raw else {
            return;
        };
        raw.check_invariants();
        let (state, role, last) = (raw.hard_state(), raw.soft_state().role, raw.last_index().0);
        let now = (state.term, state.commit, role, last);
        let before = self.seen.insert(id, now).unwrap_or((0, 0, Role::Follower, 0));
        if before == now {
            // Its log may change behind its back, when what is stored comes to light.
            if appends > 0 {
                self.check_log(member);
            }
            return;
        }
        assert!(before.0 <= state.term, "member {id}: the term fell");
        assert!(before.1 <= state.commit, "member {id}: the commit index fell");
        if before.0 != 0 && before.0 < state.term && appends > 0 {
            self.counts.one("term changed with appends under way");
        }
        self.check_commit(member, before.1);
        self.check_log(member);
        if role == Role::Leader {
            self.check_leader(member, before.2 != Role::Leader || before.0 != state.term);
        }
    }

    fn check_commit(&mut self, member: &Member, before: u64) {
        let raw = member.raw.as_ref().expect("observed members run");
        let state = raw.hard_state();
        for index in before.max(1) + 1..=state.commit {
            let term = match raw.log_term(Index(index)) {
                Ok(term) => term.0,
                Err(StorageError::Compacted) => continue,
                Err(error) => panic!("member {}: committed entry {index}: {error}", member.id),
            };
            if index > self.committed_last {
                self.committed.insert(index, Committed { term, during: state.term });
                self.committed_last = index;
                self.counts.one("committed");
            } else if let Some(known) = self.committed.get(&index) {
                assert_eq!(
                    known.term, term,
                    "member {}: another entry {index} committed",
                    member.id
                );
            }
        }
    }

    /// Whether what is not committed fits together, as the member sees it: stored or not.
    fn check_log(&self, member: &Member) {
        let Some(raw) = &member.raw else {
            return;
        };
        let mut previous = raw.log_term(Index(raw.hard_state().commit)).unwrap_or_default();
        for index in raw.hard_state().commit + 1..=raw.last_index().0 {
            let term = raw.log_term(Index(index)).expect("uncommitted entries are there");
            if let Some(seen) = self.entries.get(&(index, term.0)) {
                let id = member.id;
                assert_eq!(seen.previous_term, previous.0, "member {id}: before {term}/{index}");
            }
            previous = term;
        }
    }

    fn check_leader(&mut self, member: &Member, elected: bool) {
        let raw = member.raw.as_ref().expect("observed members run");
        let term = raw.term().0;
        let leader = *self.leaders.entry(term).or_insert(member.id);
        assert_eq!(leader, member.id, "two leaders in term {term}");
        if elected {
            self.counts.one("elections");
            let earlier = self.committed.iter().filter(|(_, known)| known.during < term);
            for (index, known) in earlier {
                match raw.log_term(Index(*index)) {
                    Ok(found) => {
                        assert_eq!(found, Term(known.term), "leader of {term} lacks {index}")
                    }
                    Err(error) => {
                        assert_eq!(
                            error,
                            StorageError::Compacted,
                            "leader of {term} lacks {index}"
                        );
                    }
                }
            }
        }
        let status = raw.status();
        let unapplied: Vec<_> = (status.applied.0 + 1..=raw.last_index().0)
            .filter_map(|index| Some((raw.log_term(Index(index)).ok()?.0, index)))
            .filter(|(term, index)| {
                self.entries.get(&(*index, *term)).is_some_and(|e| e.changes_conf)
            })
            .collect();
        let own = unapplied.iter().position(|(of, _)| *of == term);
        assert!(
            own.is_none_or(|place| place == 0 && unapplied.len() == 1),
            "changes {unapplied:?}"
        );
    }

    /// Looks at what a member wants done, before it is.
    pub fn ready(&mut self, member: &mut Member, ready: &Ready) {
        let jobs = ready.append.as_ref();
        let entries = jobs.map_or(&ready.entries, |job| &job.entries);
        let raw = member.raw.as_ref().expect("the member runs");
        let before = entries.first().map(|e| raw.log_term(Index(e.index - 1)).unwrap_or_default());
        let mut previous_term = before.unwrap_or_default().0;
        for entry in entries {
            let changes_conf = entry.entry_type != EntryType::Normal;
            let seen = Seen { previous_term, digest: digest_of(entry), changes_conf };
            let known = *self.entries.entry((entry.index, entry.term)).or_insert(seen);
            assert_eq!(known, seen, "two entries {}/{}", entry.term, entry.index);
            previous_term = entry.term;
        }
        if let Some(job) = &ready.apply {
            for entry in &job.entries {
                let stored = member.disk.holds(entry.index, Some(entry.term));
                assert!(stored, "member {}: {} is applied before stored", member.id, entry.index);
            }
        }
        for read in &ready.read_states {
            let needed = self.reads.get(&read.context).copied().expect("somebody asked");
            assert!(read.index.0 >= needed, "a stale read: {} of {needed}", read.index);
            self.counts.one("reads answered");
        }
    }

    /// Looks at messages that rest on what is stored.
    pub fn messages_leave(&mut self, member: &Member, messages: &[Message]) {
        let disk = &member.disk;
        for m in messages.iter().filter(|m| !m.reject) {
            match m.message_type {
                // What was said in an earlier term may have been cut since; nobody counts it then.
                MessageType::AppResp if m.index > 0 && m.term == disk.hard_state.term => {
                    assert!(disk.holds(m.index, None), "member {}: {m:?} is not stored", member.id);
                }
                MessageType::VoteResp => {
                    let stored = disk.hard_state;
                    let held = stored.term > m.term || (stored.term, stored.vote) == (m.term, m.to);
                    assert!(held, "member {}: {m:?} of {stored:?}", member.id);
                }
                _ => {}
            }
        }
    }

    pub fn applied(&mut self, app: &App) {
        let known = self.states.entry(app.index).or_insert_with(|| app.clone());
        assert_eq!(known, app, "states differ after {}", app.index);
        assert!(app.index <= self.committed_last, "{} is applied but not committed", app.index);
    }

    pub fn installed(&mut self, app: &App) {
        self.applied(app);
        self.counts.one("snapshots installed");
    }

    pub fn conf_changed(&mut self, member: &Member, index: Index, state: &ConfState) {
        let raw = member.raw.as_ref().expect("the member runs");
        // A snapshot that is being installed is ahead of what is applied.
        if raw.status().config.conf_state() == member.app.conf_state {
            assert_eq!(*state, member.app.conf_state, "configuration after {index}");
        } else {
            assert!(raw.log_term(index).is_err(), "configuration after {index}");
        }
        self.counts.one("conf changes");
        if !state.voters_outgoing.is_empty() && self.conf_kinds.insert("joint") {
            self.counts.one("joint");
        }
        if !state.learners.is_empty() && self.conf_kinds.insert("learners") {
            self.counts.one("learners");
        }
    }

    /// A read begins; asked again with the same context it is still the same read.
    pub fn read_begins(&mut self, context: Bytes) {
        self.reads.entry(context).or_insert(self.committed_last);
    }
}
