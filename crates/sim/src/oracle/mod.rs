//! What has to be so, whatever happens. Each oracle looks on and speaks when something is not.

mod ledger;
mod raft;
mod states;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use checker::{History, Report};
use node::Node;
use types::Index;

use crate::kernel::Kernel;

pub use ledger::Ledger;

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// States of two members at one applied index.
    pub states: u64,
    /// Changes of two members at one revision.
    pub revisions: u64,
    /// Whole key spaces.
    pub hashes: u64,
    /// Acknowledged writes looked up in what a member has.
    pub writes: u64,
    /// Terms with a leader.
    pub terms: u64,
}

/// All oracles.
#[derive(Default)]
pub struct Oracles {
    spoken: Vec<String>,
    raft: raft::Raft,
    states: states::States,
    /// The acknowledged writes.
    pub ledger: Ledger,
    /// What was compared so far.
    pub compared: Compared,
    is_reading: Arc<AtomicBool>,
}

impl Oracles {
    /// Whether it is an oracle that reads what members have, and not the member: to be asked by what
    /// makes disks fail.
    #[must_use]
    pub fn is_reading(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_reading)
    }

    /// Whether something is not as it has to be.
    #[must_use]
    pub fn has_spoken(&self) -> bool {
        !self.spoken.is_empty()
    }

    /// What is not.
    #[must_use]
    pub fn spoken(&self) -> &[String] {
        &self.spoken
    }

    /// Says that something is not.
    pub fn speak(&mut self, what: String) {
        self.spoken.push(what);
    }

    /// Oracles for another life from where this one was when a revision was the newest that was
    /// acknowledged.
    #[must_use]
    pub fn as_of(&self, revision: i64) -> Self {
        Self { states: self.states.known(), ledger: self.ledger.as_of(revision), ..Self::default() }
    }

    fn hear(&mut self, said: Result<(), String>) {
        if let Err(what) = said {
            self.speak(what);
        }
    }

    /// Raft took a turn.
    pub(crate) fn raft(&mut self, kernel: &Kernel, number: usize, node: &Node) {
        let said = self.raft.look(kernel, number, node.raft());
        self.compared.terms = self.raft.terms();
        self.hear(said);
    }

    /// Something may have been applied.
    pub(crate) fn applied(&mut self, kernel: &Kernel, number: usize, node: &Node) {
        self.is_reading.store(true, Ordering::Relaxed);
        let said = self.states.look(kernel, number, &node.view(), &mut self.compared);
        self.is_reading.store(false, Ordering::Relaxed);
        self.hear(said);
    }

    /// A member has loaded its state; it was stopped when this was applied, if it was stopped.
    pub(crate) fn started(
        &mut self,
        kernel: &Kernel,
        number: usize,
        node: &Node,
        stopped_at: Option<Index>,
    ) {
        let view = node.view();
        if let Some(at) = stopped_at.filter(|at| view.index < *at) {
            let index = view.index;
            self.speak(format!("m{} stopped at index {at} and starts at {index}", number + 1));
        }
        self.is_reading.store(true, Ordering::Relaxed);
        let said = self.ledger.check(number, &view.read, &mut self.compared);
        self.is_reading.store(false, Ordering::Relaxed);
        self.hear(said);
        self.applied(kernel, number, node);
    }

    /// A process has ended.
    pub(crate) fn ended(&mut self, _: &Kernel, number: usize) {
        self.raft.forget(number);
        self.states.leave(number);
    }

    /// All members are at rest: what they hold is compared as a whole.
    pub fn at_rest(&mut self, nodes: &[(usize, Node)]) {
        for (number, node) in nodes {
            let view = node.view();
            let said = self.ledger.check(*number, &view.read, &mut self.compared);
            self.hear(said);
            if view.read.revision() < self.ledger.newest() {
                self.speak(format!(
                    "m{} is at rest at revision {}, and {} was acknowledged",
                    number + 1,
                    view.read.revision(),
                    self.ledger.newest()
                ));
            }
            let said = self.states.compare_whole(*number, &view, &mut self.compared);
            self.hear(said);
        }
    }

    /// What clients saw.
    pub fn history(&mut self, history: &History) -> Report {
        let report = checker::check(history);
        for violation in &report.violations {
            self.speak(format!("{violation:?}"));
        }
        report
    }
}
