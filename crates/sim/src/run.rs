//! A whole run of a seed: things go wrong for a while, then all is healed, and everything has to
//! come to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use checker::{Base, Counts as Checked, Final, History, Member, Time, Watch};
use env::Monotonic;
use node::Node;
use proto::etcdserverpb::RangeRequest;
use proto::mvccpb::Event;

use crate::clients::{self, Writer};
use crate::faults::{Strike, Struck};
use crate::machine::Machine;
use crate::members::Standing;
use crate::network::Fates;
use crate::oracle::Compared;
use crate::plan::{ELECTION, Plan};
use crate::record::Record;
use crate::sim::{Ends, Sim};
use crate::strike;
use crate::tasks::SimTasks;
use crate::trace::Lines;

/// How long members may take to open their files, once all is healed.
const START_MAX: Duration = Duration::from_secs(90);
/// How long disks may take for what was asked of them before, and how busy they are as they should
/// be.
const DISKS_MAX: Duration = Duration::from_secs(600);
const DISK_BUSY_MAX: Duration = Duration::from_secs(1);
/// Within so many election timeouts something new is committed, once all members run.
const COMMIT_MAX: Duration = ELECTION.saturating_mul(10);
/// How long clients may take to end, members to agree, and watches to come to their end.
const REST_MAX: Duration = Duration::from_secs(40);
/// Once all streams are closed members have no watches soon: how often it is looked, and how long is
/// waited before.
const LEFT_LOOKS: u32 = 20;
const LEFT_PAUSE: Duration = Duration::from_millis(100);
/// How many watches a member has.
const WATCHES: &str = "etcd_debugging_mvcc_watcher_total";
/// A lease that nobody keeps alive may outlive its time by so much, while nobody leads; and by so much
/// with each leader: they begin with the whole time of each lease, and more.
const LEASE_GRACE: Duration = Duration::from_secs(120);
const LEASE_GRACE_OF_LEADER: Duration = Duration::from_secs(12);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The hash over the trace.
    pub hash: u64,
    /// What was not as it has to be.
    pub wrong: Vec<String>,
    /// The last lines of the trace.
    pub lines: Vec<String>,
    /// How long it was, in virtual time.
    pub time: Duration,
    /// What was counted.
    pub counts: Counts,
}

/// What is counted of runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each is told where it is counted")]
pub struct Counts {
    pub steps: u64,
    pub ends: Ends,
    pub struck: Struck,
    pub fates: Fates,
    pub compared: Compared,
    pub checked: Checked,
    pub answered: u64,
    pub lost_answers: u64,
    pub logins: u64,
    pub auth_changes: u64,
}

/// Runs a seed.
#[must_use]
pub fn run(plan: &Plan, lines: Lines) -> Outcome {
    run_with(plan, &plan.strikes(), lines)
}

/// Runs a seed with another schedule than its own.
#[must_use]
pub fn run_with(plan: &Plan, strikes: &[Strike], lines: Lines) -> Outcome {
    let mut sim = Sim::new(plan.seed, plan.options(), lines);
    let tasks = SimTasks::outside(&sim.kernel);
    let record = Record::new(&sim.kernel, tasks, Arc::clone(&sim.servers));
    let mut checked = Checked::default();
    let ran = catch_unwind(AssertUnwindSafe(|| live(&mut sim, &record, plan, strikes)));
    match ran {
        Ok(Some(history)) => checked = sim.oracles.history(&history).counts,
        Ok(None) => {}
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            sim.oracles.speak(format!("panic: {}", text.unwrap_or("of an unknown kind")));
        }
    }
    let seen = record.seen();
    Outcome {
        seed: plan.seed,
        hash: sim.kernel.hash(),
        wrong: sim.oracles.spoken().to_vec(),
        lines: sim.kernel.last_lines(),
        time: sim.kernel.now().since(Monotonic(0)),
        counts: Counts {
            steps: sim.steps,
            ends: sim.ends,
            struck: sim.struck,
            fates: sim.wire.fates(),
            compared: sim.oracles.compared,
            checked,
            answered: seen.answered,
            lost_answers: seen.lost,
            logins: seen.logins,
            auth_changes: seen.auth_changes,
        },
    }
}

/// The run itself; what clients saw, unless something was found before its end.
fn live(sim: &mut Sim, record: &Arc<Record>, plan: &Plan, strikes: &[Strike]) -> Option<History> {
    let mut rng = sim.kernel.rng();
    for machine in &mut sim.machines[plan.members..] {
        machine.standing = Standing::Spare;
    }
    for number in 0..plan.members {
        strike::start(sim, number, plan.faults, &mut rng);
    }
    clients::begin(sim, record, plan.crowd);
    record.loss.store(plan.faults.loss, Ordering::Relaxed);
    strike::begin(sim, plan.faults, strikes);
    sim.run_until(Monotonic(0) + plan.time, |_| false);
    strike::heal(sim);
    record.loss.store(0, Ordering::Relaxed);
    let all_run = |sim: &mut Sim| {
        sim.follow_members();
        members(sim).all(|machine| machine.running().is_some())
    };
    within(sim, START_MAX, "all members run", all_run)?;
    // A sync that was to take a minute takes it still.
    let most_are_done = |sim: &mut Sim| 2 * busy_disks(sim) < members(sim).count();
    within(sim, DISKS_MAX, "most disks are done", most_are_done)?;
    commit_soon(sim, record)?;
    within(sim, DISKS_MAX, "all disks are done", |sim| busy_disks(sim) == 0)?;
    record.end();
    let idle = Arc::clone(record);
    within(sim, REST_MAX, "all clients end", move |_| idle.writing.load(Ordering::Relaxed) == 0)?;
    let (finals, agreed_at) = (agree(sim)?, record.now());
    let settled = finals.iter().map(|found| found.revision).max().unwrap_or_default();
    watches_end(sim, record, settled)?;
    if sim.oracles.has_spoken() {
        return None;
    }
    let mut history = history(sim, record, finals, settled);
    history.watches.iter_mut().for_each(|watch| end_at(watch, agreed_at, settled));
    Some(history)
}

/// Waits until all members hold the same.
fn agree(sim: &mut Sim) -> Option<Vec<Final>> {
    let mut finals = Vec::new();
    within(sim, REST_MAX, "all members agree", |sim| {
        agreed(sim).is_some_and(|found| {
            finals = found;
            true
        })
    })?;
    Some(finals)
}

/// Waits until all watches have what all members hold.
fn watches_end(sim: &mut Sim, record: &Arc<Record>, newest: i64) -> Option<()> {
    record.target.store(newest, Ordering::Relaxed);
    let idle = Arc::clone(record);
    let all_ended = move |_: &mut Sim| idle.watching.load(Ordering::Relaxed) == 0;
    within(sim, REST_MAX, "all watches have everything", all_ended)?;
    // It is looked at seldom enough: all metrics are written out for it.
    for _ in 0..LEFT_LOOKS {
        let end = sim.kernel.now() + LEFT_PAUSE;
        sim.run_until(end, |_| false);
        if members(sim).all(|machine| machine.metric(WATCHES) == Some(0.0)) {
            return Some(());
        }
    }
    let left: Vec<_> = members(sim).map(|machine| machine.metric(WATCHES)).collect();
    sim.oracles.speak(format!("members have watches that nobody has: {left:?}"));
    None
}

/// Leaves out what came about when it had been looked at what members hold: the end of a lease, or
/// what a client had no answer to.
fn end_at(watch: &mut Watch, agreed_at: Time, settled: i64) {
    let is_early = |event: &Event| event.kv.as_ref().is_none_or(|kv| kv.mod_revision <= settled);
    watch.responses.retain_mut(|response| {
        if response.at <= agreed_at || response.events.is_empty() {
            return true;
        }
        response.events.retain(is_early);
        !response.events.is_empty()
    });
}

fn members(sim: &Sim) -> impl Iterator<Item = &Machine> {
    sim.machines.iter().filter(|machine| machine.standing == Standing::Member)
}

/// How many members have a disk that is far from done with what was asked of it.
fn busy_disks(sim: &Sim) -> usize {
    let usually = sim.kernel.now() + DISK_BUSY_MAX;
    members(sim).filter(|machine| machine.busy_until > usually).count()
}

/// Waits for something that has to come true.
fn within(
    sim: &mut Sim,
    time: Duration,
    what: &str,
    met: impl FnMut(&mut Sim) -> bool,
) -> Option<()> {
    let end = sim.kernel.now() + time;
    if sim.run_until(end, met) {
        sim.kernel.note("all", format_args!("{what}"));
        return Some(());
    }
    if !sim.oracles.has_spoken() {
        let states = sim.machines.iter().map(|machine| {
            let Some(running) = machine.running() else { return "not running".to_owned() };
            let (view, raft) = (running.node().view(), running.node().raft());
            format!("index {}, revision {}, {raft:?}", view.index, view.read.revision())
        });
        let states: Vec<String> = states.collect();
        sim.oracles.speak(format!("not within {time:?}: {what}; {states:#?}"));
    }
    None
}

/// A write goes through soon, now that all members run.
fn commit_soon(sim: &mut Sim, record: &Arc<Record>) -> Option<()> {
    let done = Arc::new(AtomicBool::new(false));
    let (told, probe) = (Arc::clone(&done), Writer::new(record));
    sim.spawn(Box::pin(async move {
        probe.put_once().await;
        told.store(true, Ordering::Relaxed);
    }));
    within(sim, COMMIT_MAX, "a write is acknowledged", |_| done.load(Ordering::Relaxed))
}

/// What all members hold, once they are at one revision.
fn agreed(sim: &mut Sim) -> Option<Vec<Final>> {
    let running = |machine: &Machine| Some((machine.number, machine.running()?.node()));
    let nodes: Option<Vec<(usize, Node)>> = members(sim).map(running).collect();
    let nodes = nodes?;
    let revision = nodes[0].1.view().read.revision();
    let are_equal = nodes.iter().all(|(_, node)| node.view().read.revision() == revision);
    if !are_equal || revision < sim.oracles.ledger.newest() {
        return None;
    }
    sim.oracles.at_rest(&nodes);
    let finals = nodes.iter().map(|(number, node)| content(*number, node));
    match finals.collect() {
        Ok(finals) => Some(finals),
        Err(error) => {
            sim.oracles.speak(error);
            None
        }
    }
}

fn content(number: usize, node: &Node) -> Result<Final, String> {
    let view = node.view();
    let all = Bytes::from_static(b"\0");
    let range = RangeRequest { key: all.clone(), range_end: all, ..RangeRequest::default() };
    let found = view.read.range(&range);
    let found = found.map_err(|error| format!("m{} cannot read: {error}", number + 1))?;
    let kvs = found.kvs.into_iter().map(proto::decode).collect::<Result<_, _>>();
    let kvs = kvs.map_err(|error| format!("m{} has no record: {error}", number + 1))?;
    Ok(Final { member: Member(number as u32), revision: view.read.revision(), kvs })
}

fn history(sim: &Sim, record: &Record, finals: Vec<Final>, settled: i64) -> History {
    let mut seen = record.seen();
    let leaders = u32::try_from(sim.oracles.compared.terms).unwrap_or(u32::MAX);
    let lease_grace = LEASE_GRACE + LEASE_GRACE_OF_LEADER.saturating_mul(leaders);
    let started =
        |(number, at): &(usize, Monotonic)| (Member(*number as u32), Time(at.since(Monotonic(0))));
    History {
        base: Base::default(),
        operations: std::mem::take(&mut seen.operations),
        watches: std::mem::take(&mut seen.watches),
        starts: sim.starts.iter().map(started).collect(),
        hashes: Vec::new(),
        finals,
        end: record.now(),
        settled: Some(settled),
        lease_grace: Some(lease_grace),
    }
}
