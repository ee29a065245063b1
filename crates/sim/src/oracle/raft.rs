//! One leader in a term; terms and commit indexes that only rise while a process runs.

use std::collections::BTreeMap;

use node::consensus::Status;
use types::Term;

use crate::kernel::Kernel;

#[derive(Default)]
pub(crate) struct Raft {
    leaders: BTreeMap<Term, usize>,
    last: BTreeMap<usize, Status>,
}

impl Raft {
    pub(crate) fn look(
        &mut self,
        kernel: &Kernel,
        number: usize,
        now: Status,
    ) -> Result<(), String> {
        let before = self.last.insert(number, now).unwrap_or_default();
        if before == now {
            return Ok(());
        }
        kernel.count([20 + number as u64, now.term.get(), now.committed.get()]);
        let name = format!("m{}", number + 1);
        if now.term < before.term || now.committed < before.committed {
            return Err(format!("{name} goes back from {before:?} to {now:?}"));
        }
        if (now.leader, now.is_leader, now.term) != (before.leader, before.is_leader, before.term) {
            let role = if now.is_leader { "leads" } else { "follows" };
            let (leader, term) = (now.leader, now.term);
            kernel.note(&name, format_args!("{role} in term {term}, leader {leader}"));
        }
        if now.is_leader {
            let leader = *self.leaders.entry(now.term).or_insert(number);
            if leader != number {
                return Err(format!("m{} and {name} lead in term {}", leader + 1, now.term));
            }
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self, number: usize) {
        self.last.remove(&number);
    }

    pub(crate) fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }
}
