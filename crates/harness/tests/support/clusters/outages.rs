//! When members were down and when elections were held, and which errors of clients that excuses.

use checker::{Call, History, Member, Time};
use load::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A connection may still be on its way to a member that serves again.
const AFTER_START: Duration = Duration::from_secs(1);

/// An election that nobody tells of takes at most this long, with the default timers.
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
    /// When leaders were made to go.
    causes: Vec<Time>,
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

    /// A leader was made to go at this moment.
    pub fn election(&mut self, from: Time) {
        self.causes.push(from);
    }

    /// Finds the elections in what was seen. No member serves from the last answer of one term, or
    /// from when its leader was made to go, until the first answer of the next term; and each
    /// member hears of it when it answers in that term itself. What begins after that is not
    /// excused.
    pub fn learn(&mut self, history: &History) {
        let answers = answers(history);
        let members: BTreeSet<Member> = answers.iter().map(|answer| answer.member).collect();
        let (mut last, mut newest) = (Time::ZERO, 0);
        let mut told = BTreeSet::new();
        for (position, answer) in answers.iter().enumerate() {
            if answer.term > newest {
                if newest > 0 {
                    let cause = self.cause(last, answer.at);
                    self.other_elections += usize::from(cause.is_none());
                    told.extend(cause);
                    let from = cause.map_or(last, |cause| cause.min(last));
                    let later = &answers[position..];
                    for member in &members {
                        let until = heard(later, *member, answer.term);
                        let until = until.unwrap_or(answer.at.after(ELECTION));
                        self.outages.push(Outage { member: Some(*member), from, until });
                    }
                }
                newest = answer.term;
            }
            if answer.term == newest {
                last = answer.at;
            }
        }
        // Those of which nothing is seen: the same leader came back, or nobody asked meanwhile.
        let untold = self.causes.iter().filter(|cause| !told.contains(cause));
        self.outages.extend(untold.map(|from| Outage {
            member: None,
            from: *from,
            until: from.after(ELECTION),
        }));
    }

    /// When the leader was made to go whose term ends between two answers.
    fn cause(&self, from: Time, until: Time) -> Option<Time> {
        let near = |cause: &&Time| from < cause.after(ELECTION) && **cause < until;
        self.causes.iter().filter(near).max().copied()
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

/// An answer that took a leader.
struct Answered {
    at: Time,
    term: u64,
    member: Member,
}

fn answers(history: &History) -> Vec<Answered> {
    let took_a_leader = |call: &Call| !matches!(call, Call::Range(range) if range.serializable);
    let operations = history.operations.iter().filter(|operation| took_a_leader(&operation.call));
    let mut answers: Vec<Answered> = operations
        .filter_map(|operation| {
            let term = operation.header()?.raft_term;
            Some(Answered { at: operation.end(), term, member: operation.member })
        })
        .collect();
    answers.sort_by_key(|answer| (answer.at, answer.term));
    answers
}

/// When a member first answered in a term, or a later one.
fn heard(answers: &[Answered], member: Member, term: u64) -> Option<Time> {
    let mut its = answers.iter().filter(|answer| answer.member == member && answer.term >= term);
    its.next().map(|answer| answer.at)
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
