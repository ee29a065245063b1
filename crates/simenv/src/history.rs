//! What was done to a disk in its order, and what of it is durable.
//!
//! Invariant: [`Settled::pending`] holds, for each file and directory, its changes since the last
//! that can no longer be lost, in order.

use std::collections::BTreeMap;

use env::Monotonic;

use crate::tree::{Change, Id, Naming, Tree};

/// Something that was done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Change(Id, Change),
    Name(Id, Naming),
    /// A file's, or a directory's names.
    Sync(Id),
    /// A file's, and it gave an error: what was not synced before may be there or not, whatever a
    /// later sync says.
    FailedSync(Id),
    /// What is remembered of a file was dropped, so that it is seen as it is on the disk: of the
    /// changes in doubt those are there.
    Forget(Id, Vec<bool>),
    /// A note of the test's own.
    Mark(u64),
}

/// When, too.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) deed: Deed,
    pub(crate) began: Monotonic,
    pub(crate) ended: Monotonic,
}

/// A change that a power cut may undo, unless it is `durable` and only waits for one before it that
/// is not.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) what: What,
    pub(crate) state: Durability,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Durability {
    /// A sync would make it durable.
    Unsynced,
    /// A sync failed over it: it stays uncertain.
    Doubtful,
    /// Synced.
    Durable,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Change(Change),
    Name(Naming),
}

/// What of the deeds so far a power cut would leave for certain, and what it might.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) durable: Tree,
    pub(crate) pending: BTreeMap<Id, Vec<Pending>>,
    pub(crate) mark: Option<u64>,
}

impl Settled {
    pub(crate) fn new(durable: Tree) -> Self {
        Self { durable, pending: BTreeMap::new(), mark: None }
    }

    /// Takes the next deed.
    pub(crate) fn follow(&mut self, deed: &Deed) {
        match deed {
            Deed::Change(id, change) => self.add(*id, What::Change(change.clone())),
            Deed::Name(dir, naming) => {
                if let Naming::Create(_, id, kind) = naming {
                    self.durable.make(*id, *kind);
                }
                self.add(*dir, What::Name(naming.clone()));
            }
            Deed::Sync(id) => self.sync(*id),
            Deed::FailedSync(id) => {
                for pending in self.pending.entry(*id).or_default() {
                    if pending.state == Durability::Unsynced {
                        pending.state = Durability::Doubtful;
                    }
                }
            }
            Deed::Forget(id, there) => self.decide(*id, there),
            Deed::Mark(mark) => self.mark = Some(*mark),
        }
    }

    /// How many changes of a file are in doubt.
    pub(crate) fn doubts(&self, id: Id) -> usize {
        let pending = self.pending.get(&id).into_iter().flatten();
        pending.filter(|pending| pending.state == Durability::Doubtful).count()
    }

    /// Ends the doubts about a file. The changes in doubt and those made durable since are before
    /// all others.
    fn decide(&mut self, id: Id, there: &[bool]) {
        let pending = self.pending.remove(&id).unwrap_or_default();
        let mut there = there.iter();
        let mut left = Vec::new();
        for pending in pending {
            let is_there = match pending.state {
                Durability::Durable => true,
                Durability::Doubtful => there.next() == Some(&true),
                Durability::Unsynced => {
                    left.push(pending);
                    continue;
                }
            };
            if let (true, What::Change(change)) = (is_there, &pending.what) {
                self.durable.change(id, change);
            }
        }
        if !left.is_empty() {
            self.pending.insert(id, left);
        }
    }

    /// As [`follow`](Self::follow), for a deed that was under way when the power went: a change may
    /// be there, a sync has not promised anything.
    pub(crate) fn follow_unfinished(&mut self, deed: &Deed) {
        if !matches!(deed, Deed::Sync(_) | Deed::FailedSync(_)) {
            self.follow(deed);
        }
    }

    fn add(&mut self, id: Id, what: What) {
        self.pending.entry(id).or_default().push(Pending { what, state: Durability::Unsynced });
    }

    fn sync(&mut self, id: Id) {
        let Some(mut pending) = self.pending.remove(&id) else { return };
        if pending.iter().any(|pending| pending.state == Durability::Doubtful) {
            for pending in &mut pending {
                if pending.state == Durability::Unsynced {
                    pending.state = Durability::Durable;
                }
            }
            self.pending.insert(id, pending);
            return;
        }
        for pending in pending {
            match pending.what {
                What::Change(change) => self.durable.change(id, &change),
                What::Name(naming) => self.durable.name(id, &naming),
            }
        }
    }
}
