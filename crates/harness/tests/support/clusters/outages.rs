//! When members were down and when elections were held, and which errors of clients that excuses.

use checker::{History, Member, Time};
use load::Failure;
use std::collections::BTreeMap;
use std::time::Duration;

/// A connection may still be on its way to a member that serves again.
const AFTER_START: Duration = Duration::from_secs(1);

/// An election, with the default timers, and the proposals that wait for it.
const ELECTION: Duration = Duration::from_secs(5);

/// A time in which a member, or the whole cluster, could not serve.
#[derive(Clone, Copy, Debug)]
struct Outage {
    /// All members where there is none.
    member: Option<Member>,
    from: Time,
    until: Time,
}

/// The outages of a run.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    outages: Vec<Outage>,
    /// Elections that nothing was done for, but which the answers tell of.
    pub other_elections: usize,
}

impl Outages {
    /// A member was down from before one moment to after another.
    pub fn down(&mut self, member: Member, from: Time, until: Time) {
        let until = until.after(AFTER_START);
        self.outages.push(Outage { member: Some(member), from, until });
    }

    /// A member that was down from this moment on serves since another one.
    pub fn up(&mut self, member: Member, from: Time, since: Time) {
        self.outages.retain(|outage| outage.member != Some(member) || outage.from != from);
        self.down(member, from, since);
    }

    /// A leader went at this moment: until another is elected, no member serves.
    pub fn election(&mut self, from: Time) {
        self.outages.push(Outage { member: None, from, until: from.after(ELECTION) });
    }

    /// Finds the elections in what was seen: between the last answer of one term and the first of
    /// the next one.
    pub fn learn(&mut self, history: &History) {
        let mut answers: Vec<(Time, u64)> = Vec::new();
        for operation in &history.operations {
            if let Some(header) = operation.header() {
                answers.push((operation.end(), header.raft_term));
            }
        }
        answers.sort_unstable();
        let (mut last, mut newest) = (Time::ZERO, 0);
        for (at, term) in answers {
            if term > newest {
                if newest > 0 {
                    let foreseen = self.is_election(last, at);
                    self.other_elections += usize::from(!foreseen);
                    // Members hear of it one after the other.
                    let until = at.after(ELECTION);
                    self.outages.push(Outage { member: None, from: last, until });
                }
                newest = term;
            }
            if term == newest {
                last = at;
            }
        }
    }

    fn is_election(&self, from: Time, until: Time) -> bool {
        let mut elections = self.outages.iter().filter(|outage| outage.member.is_none());
        elections.any(|outage| from < outage.until && outage.from < until)
    }

    /// Whether a call was under way while its member, or the cluster, could not serve.
    pub fn excuses(&self, failure: &Failure) -> bool {
        self.outages.iter().any(|outage| {
            let concerned = outage.member.is_none_or(|member| member == failure.member);
            concerned && failure.begin < outage.until && outage.from < failure.end
        })
    }

    /// The errors that nothing excuses.
    pub fn unexcused(&self, failures: &[Failure]) -> Vec<Failure> {
        failures.iter().filter(|failure| !self.excuses(failure)).cloned().collect()
    }
}

/// How many failures there are of each kind.
pub fn kinds(failures: &[Failure]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for failure in failures {
        let text: String = failure.message.chars().take(80).collect();
        *kinds.entry(format!("{:?}: {text}", failure.code)).or_default() += 1;
    }
    kinds
}
