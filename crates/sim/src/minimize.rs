//! Makes a run that goes wrong shorter: fewer faults, fewer clients, less time, as long as the same
//! goes wrong.

use std::time::Duration;

use crate::faults::Strike;
use crate::plan::Plan;
use crate::run::{Outcome, run_with};
use crate::trace::Lines;

/// What is left of a run.
#[derive(Clone, Debug)]
pub struct Minimized {
    /// The plan.
    pub plan: Plan,
    /// What goes wrong, and when.
    pub strikes: Vec<Strike>,
    /// How it ends.
    pub outcome: Outcome,
    /// How many runs it took to find.
    pub runs: u32,
}

/// Looks for the shortest run that goes wrong as this one does, with so many runs at most; `None` when
/// nothing goes wrong.
#[must_use]
pub fn minimize(plan: &Plan, runs_max: u32) -> Option<Minimized> {
    let strikes = plan.strikes();
    let outcome = run_with(plan, &strikes, Lines::Last(0));
    let kind = kind_of(outcome.wrong.first()?);
    let best = Minimized { plan: plan.clone(), strikes, outcome, runs: 1 };
    let mut search = Search { kind, best, runs_max };
    search.less_time();
    while search.fewer_strikes() | search.fewer_clients() | search.less_time() {}
    Some(search.best)
}

/// What goes wrong, without the numbers.
fn kind_of(wrong: &str) -> String {
    wrong
        .chars()
        .take_while(|letter| *letter != '[')
        .filter(|letter| letter.is_alphabetic())
        .collect()
}

struct Search {
    kind: String,
    best: Minimized,
    runs_max: u32,
}

impl Search {
    /// Tries a run; whether it is the best from now on.
    fn attempt(&mut self, plan: Plan, strikes: Vec<Strike>) -> bool {
        if self.best.runs >= self.runs_max {
            return false;
        }
        self.best.runs += 1;
        let outcome = run_with(&plan, &strikes, Lines::Last(0));
        let is_same = outcome.wrong.first().is_some_and(|wrong| kind_of(wrong) == self.kind);
        if is_same {
            self.best = Minimized { plan, strikes, outcome, runs: self.best.runs };
        }
        is_same
    }

    /// Nothing has to go wrong after the end, and clients need not go on for long before it.
    fn less_time(&mut self) -> bool {
        let end = self.best.outcome.time;
        let is_in_time = |strike: &Strike| strike.at < end;
        let strikes = self.best.strikes.iter().copied().filter(is_in_time).collect();
        let last = self.best.strikes.iter().map(|strike| strike.at).max().unwrap_or_default();
        let mut is_shorter = false;
        for time in [end, last + Duration::from_secs(5), last + Duration::from_millis(1)] {
            if time < self.best.plan.time {
                let plan = Plan { time, ..self.best.plan.clone() };
                is_shorter |= self.attempt(plan, Vec::clone(&strikes));
            }
        }
        is_shorter
    }

    /// Leaves out strikes, first many at a time.
    fn fewer_strikes(&mut self) -> bool {
        let mut is_shorter = false;
        let mut count = self.best.strikes.len().div_ceil(2);
        while count > 0 {
            let mut from = 0;
            while from < self.best.strikes.len() {
                let to = (from + count).min(self.best.strikes.len());
                let mut strikes = self.best.strikes.clone();
                strikes.drain(from..to);
                if self.attempt(self.best.plan.clone(), strikes) {
                    is_shorter = true;
                } else {
                    from = to;
                }
            }
            count /= 2;
        }
        is_shorter
    }

    fn fewer_clients(&mut self) -> bool {
        let mut is_shorter = false;
        let fewer: [fn(&mut Plan); 7] = [
            |plan| plan.crowd.writers = plan.crowd.writers.min(1),
            |plan| plan.crowd.writers = 0,
            |plan| plan.crowd.lenders = 0,
            |plan| plan.crowd.kubernetes = 0,
            |plan| plan.crowd.watchers = 0,
            |plan| plan.crowd.administrator = false,
            |plan| plan.spares = 0,
        ];
        for change in fewer {
            let mut plan = self.best.plan.clone();
            change(&mut plan);
            let is_another =
                plan.crowd != self.best.plan.crowd || plan.spares != self.best.plan.spares;
            if is_another && self.attempt(plan, self.best.strikes.clone()) {
                is_shorter = true;
            }
        }
        is_shorter
    }
}
