//! The simulation: members, the network, and what happens next.
//!
//! Invariants: one thing happens at a time, and which one of all that could is chance by the seed;
//! time goes on only when nothing is left to be done.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::{Monotonic, Work};
use node::by_hand::{ByHand, Part, Written};
use node::{ClusterState, Options};
use types::MemberId;

use crate::executor::{Executor, TaskId};
use crate::faults::Struck;
use crate::kernel::{Kernel, Owner};
use crate::machine::{Machine, Stage};
use crate::members::Standing;
use crate::network::Wire;
use crate::oracle::Oracles;
use crate::servers::Servers;
use crate::trace::Lines;

/// How soon a member that is to stop is looked at.
const STOP_PAUSE: Duration = Duration::from_millis(2);

/// A run that has done so much and is not over never will be.
const STEPS_MAX: u64 = 5_000_000;

/// How often disks forget what is over.
const FORGET_INTERVAL: Duration = Duration::from_millis(500);

/// Something that could happen now.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Task(TaskId),
    Work(usize),
    Turn(usize, Part),
    Opened(usize),
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, the machine living on.
    Killed,
    /// With its machine.
    PowerCut,
}

/// What happened to processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends {
    /// Killed while they ran.
    pub kills: u64,
    /// Ended by a power cut while they ran.
    pub power_cuts: u64,
    /// Ended, either way, while they opened their files.
    pub in_start: u64,
    /// Ended by themselves, since their disk failed.
    pub failures: u64,
    /// Ended by themselves, since they were told to.
    pub stops: u64,
}

/// See the module.
pub struct Sim {
    /// Time, chance and the trace.
    pub kernel: Kernel,
    /// The network.
    pub wire: Arc<Wire>,
    /// The members.
    pub machines: Vec<Machine>,
    /// What clients reach of them.
    pub servers: Arc<Servers>,
    /// What has to be so.
    pub oracles: Oracles,
    /// What happened to processes.
    pub ends: Ends,
    /// What the simulation has done.
    pub steps: u64,
    /// When members were started.
    pub starts: Vec<(usize, Monotonic)>,
    /// What went wrong.
    pub struck: Struck,
    /// The disks keep all of their history, with notes of what was acknowledged.
    pub is_recording: bool,
    /// Nothing is broken any more.
    pub is_healed: bool,
    /// Whose data was lost.
    pub wiped: Option<usize>,
    /// Who was asked to become a voter.
    pub(crate) promoting: BTreeSet<MemberId>,
    executor: Executor,
    work: Vec<(Owner, Work)>,
    choices: Vec<Choice>,
}

impl Sim {
    /// Machines that run nothing yet.
    #[must_use]
    pub fn new(seed: u64, options: Vec<Options>, lines: Lines) -> Self {
        let kernel = Kernel::new(seed, lines);
        let numbered = options.into_iter().enumerate();
        let machines = numbered.map(|(number, options)| Machine::new(number, options)).collect();
        let sim = Self {
            wire: Wire::new(kernel.clone()),
            machines,
            servers: Arc::default(),
            oracles: Oracles::default(),
            ends: Ends::default(),
            steps: 0,
            starts: Vec::new(),
            struck: Struck::default(),
            is_recording: false,
            is_healed: false,
            wiped: None,
            promoting: BTreeSet::new(),
            executor: Executor::new(kernel.woken.clone()),
            work: Vec::new(),
            choices: Vec::new(),
            kernel,
        };
        sim.kernel.after(FORGET_INTERVAL, Self::forget);
        sim
    }

    /// Runs until a condition is met, or a time has come; whether it was met. Ends early when
    /// something is not as it has to be.
    pub fn run_until(&mut self, end: Monotonic, mut met: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            if met(self) {
                return true;
            }
            if self.kernel.now() >= end || self.oracles.has_spoken() {
                return false;
            }
            while self.step() {
                if self.oracles.has_spoken() {
                    return false;
                }
            }
            let next = self.next().map_or(end, |next| next.min(end));
            self.kernel.set_now(next);
            for machine in &self.machines {
                machine.clocks.set(&machine.clock, next);
            }
        }
    }

    /// Does one of the things that could be done now; `false` when there is none.
    fn step(&mut self) -> bool {
        if let Some(deed) = self.kernel.due() {
            deed(self);
            return true;
        }
        for (owner, task) in self.kernel.take_begun() {
            if self.is_alive(owner) {
                self.executor.begin(owner, task);
            }
        }
        self.work.append(&mut self.kernel.take_work());
        self.find_choices();
        if self.choices.is_empty() {
            return false;
        }
        let chosen = self.kernel.below(self.choices.len() as u64) as usize;
        self.steps += 1;
        if self.steps == STEPS_MAX {
            self.oracles.speak(format!("no end after {STEPS_MAX} steps"));
        }
        match self.choices[chosen] {
            Choice::Task(id) => self.poll(id),
            Choice::Work(index) => self.do_work(index),
            Choice::Turn(number, part) => self.turn(number, part),
            Choice::Opened(number) => self.opened(number),
        }
        true
    }

    fn find_choices(&mut self) {
        let now = self.kernel.now();
        let Self { choices, executor, machines, work, .. } = self;
        choices.clear();
        let lets_run = |owner, task| match owner {
            Owner::Outside => true,
            Owner::Process(number, _) => machines[number].lets_run(now, task),
        };
        for (id, owner) in executor.ready() {
            if lets_run(owner, Some(id)) {
                choices.push(Choice::Task(id));
            }
        }
        for (index, (owner, _)) in work.iter().enumerate() {
            if lets_run(*owner, None) {
                choices.push(Choice::Work(index));
            }
        }
        for machine in machines.iter() {
            match &machine.stage {
                Stage::Up(_) => {
                    let due = |part: &&Part| machine.due(**part).is_some_and(|due| due <= now);
                    let parts = Part::ALL.iter().filter(due);
                    choices.extend(parts.map(|part| Choice::Turn(machine.number, *part)));
                }
                Stage::Opened(_) if machine.disk_until.max(machine.paused_until) <= now => {
                    choices.push(Choice::Opened(machine.number));
                }
                _ => {}
            }
        }
    }

    /// When something can be done next.
    fn next(&self) -> Option<Monotonic> {
        let now = self.kernel.now();
        let of_machine = |machine: &Machine| match &machine.stage {
            Stage::Up(_) => {
                let due = Part::ALL.iter().filter_map(|part| machine.due(*part)).min();
                let resumed = Some(machine.paused_until).filter(|until| *until > now);
                due.into_iter().chain(resumed).min()
            }
            Stage::Starting(..) | Stage::Opened(_) => {
                Some(machine.disk_until.max(machine.paused_until)).filter(|until| *until > now)
            }
            Stage::Down => None,
        };
        self.machines.iter().filter_map(of_machine).chain(self.kernel.next()).min()
    }

    fn is_alive(&self, owner: Owner) -> bool {
        match owner {
            Owner::Outside => true,
            Owner::Process(number, process) => {
                self.machines[number].process == process && !self.machines[number].is_down()
            }
        }
    }

    fn poll(&mut self, id: TaskId) {
        let now = self.kernel.now();
        self.kernel.count([1, id, now.0]);
        let owner = self.executor.ready().find(|(ready, _)| *ready == id).map(|(_, owner)| owner);
        if let Some(Owner::Process(number, _)) = owner {
            self.machines[number].disk.begin_at(now);
        }
        let is_over = self.executor.poll(id);
        let Some(Owner::Process(number, _)) = owner else { return };
        let machine = &mut self.machines[number];
        let Stage::Starting(starting, outcome) = &machine.stage else {
            self.look_after(number);
            return;
        };
        if *starting != id {
            return;
        }
        machine.disk_until = machine.disk.time().max(now);
        machine.busy_until = machine.busy_until.max(machine.disk_until);
        if is_over {
            let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            match outcome.expect("a start that is over has an outcome") {
                Ok(by_hand) => machine.stage = Stage::Opened(Box::new(by_hand)),
                Err(error) => self.failed(number, &format!("does not start: {error}")),
            }
        }
    }

    fn do_work(&mut self, index: usize) {
        let (owner, work) = self.work.swap_remove(index);
        let now = self.kernel.now();
        self.kernel.count([2, index as u64, now.0]);
        let Owner::Process(number, _) = owner else {
            work()();
            return;
        };
        let disk = self.machines[number].disk.clone();
        disk.begin_at(now);
        let finish = work();
        let done = disk.time().max(now);
        let machine = &mut self.machines[number];
        machine.busy_until = machine.busy_until.max(done);
        self.kernel.at(done, move |sim| sim.finish(owner, finish));
    }

    fn finish(&mut self, owner: Owner, finish: Box<dyn FnOnce() + Send>) {
        let Owner::Process(number, _) = owner else { return };
        if !self.is_alive(owner) {
            return;
        }
        let paused = self.machines[number].paused_until;
        if paused > self.kernel.now() {
            self.kernel.at(paused, move |sim| sim.finish(owner, finish));
            return;
        }
        finish();
        self.look_after(number);
    }

    fn turn(&mut self, number: usize, part: Part) {
        let now = self.kernel.now();
        self.kernel.count([3 + part as u64, number as u64, now.0]);
        let machine = &mut self.machines[number];
        let owner = machine.owner();
        let Stage::Up(by_hand) = &mut machine.stage else { return };
        machine.disk.begin_at(now);
        let written = by_hand.turn(part);
        machine.free_at[part as usize] = now + Machine::turn_takes(&self.kernel);
        if let Some(written) = written {
            let done = machine.disk.time().max(machine.free_at[part as usize]);
            machine.busy_until = machine.busy_until.max(done);
            self.kernel.at(done, move |sim| sim.tell(owner, written));
        }
        let node = by_hand.node();
        match part {
            Part::Raft => self.oracles.raft(&self.kernel, number, &node),
            Part::Apply => self.oracles.applied(&self.kernel, number, &node),
            Part::Log | Part::Commit | Part::Watch => {}
        }
        self.look_after(number);
    }

    fn tell(&mut self, owner: Owner, written: Written) {
        let Owner::Process(number, _) = owner else { return };
        if !self.is_alive(owner) {
            return;
        }
        let paused = self.machines[number].paused_until;
        if paused > self.kernel.now() {
            self.kernel.at(paused, move |sim| sim.tell(owner, written));
            return;
        }
        if let Stage::Up(by_hand) = &mut self.machines[number].stage {
            by_hand.tell(written);
        }
        self.look_after(number);
    }

    fn opened(&mut self, number: usize) {
        let machine = &mut self.machines[number];
        let Stage::Opened(by_hand) = std::mem::replace(&mut machine.stage, Stage::Down) else {
            return;
        };
        let node = by_hand.node();
        (machine.id, machine.has_run) = (Some(node.ids().1), true);
        self.kernel.note(
            &machine.name(),
            format_args!(
                "runs, applied {} at revision {}",
                node.view().index,
                node.view().read.revision()
            ),
        );
        let closed = machine.closed.take().map(|(_, applied)| applied);
        self.oracles.started(&self.kernel, number, &node, closed);
        self.servers.enter(number, machine.process, &node, &machine.options);
        machine.stage = Stage::Up(by_hand);
        self.wire.set_up(number, true);
    }

    /// Sees whether a process has ended itself.
    fn look_after(&mut self, number: usize) {
        let Stage::Up(by_hand) = &self.machines[number].stage else { return };
        if let Some(reason) = by_hand.node().failure() {
            self.failed(number, &format!("ends: {reason}"));
        }
    }

    /// A process has ended itself, which it may only when its disk has failed or its data is lost.
    fn failed(&mut self, number: usize, reason: &str) {
        let name = self.machines[number].name();
        self.kernel.note(&name, format_args!("{reason}"));
        let machine = &self.machines[number];
        // The members that it was told of may be others by now.
        let joins = machine.options.cluster_state == ClusterState::Existing && !machine.has_run;
        let is_removed = machine.standing == Standing::Removed;
        let is_wiped = self.wiped == Some(number);
        if !machine.has_failed_disk() && !joins && !is_removed && !is_wiped {
            self.oracles.speak(format!("{name} {reason}"));
        }
        self.ends.failures += 1;
        self.drop_process(number);
        let disk = self.machines[number].disk.killed_at(self.kernel.now());
        let now = self.kernel.now();
        self.machines[number].set_disk(disk, now);
    }
}

/// What is done to members.
impl Sim {
    /// Starts a member that is down; its clocks go faster by some millionths, and its wall clock is
    /// so many nanoseconds off.
    pub fn start(&mut self, number: usize, drift: i64, wall_off: i64) {
        let machine = &mut self.machines[number];
        let is_closing = machine.closed.is_some_and(|(done, _)| done > self.kernel.now());
        if !machine.is_down() || is_closing || machine.standing != Standing::Member {
            return;
        }
        self.kernel.note(&machine.name(), format_args!("starts"));
        self.starts.push((number, self.kernel.now()));
        let (task, outcome) = machine.begin(&self.kernel, &self.wire, (drift, wall_off));
        let id = self.executor.begin(machine.owner(), task);
        machine.stage = Stage::Starting(id, outcome);
    }

    /// Ends a member's process, if there is one.
    pub fn end(&mut self, number: usize, how: End) {
        let now = self.kernel.now();
        let machine = &self.machines[number];
        let (is_up, is_down) = (machine.running().is_some(), machine.is_down());
        if is_down && how == End::Killed {
            return;
        }
        self.kernel.note(&machine.name(), format_args!("{how:?}"));
        // A power cut may come before the files are closed.
        if machine.closed.is_some_and(|(done, _)| done > now) {
            self.machines[number].closed = None;
        }
        match how {
            _ if is_down => {}
            _ if !is_up => self.ends.in_start += 1,
            End::Killed => self.ends.kills += 1,
            End::PowerCut => self.ends.power_cuts += 1,
        }
        self.drop_process(number);
        let mut rng = self.kernel.rng();
        let disk = &self.machines[number].disk;
        let disk = match how {
            End::Killed => disk.killed_at(now),
            End::PowerCut => disk.crash_at(now).sampled(&mut rng),
        };
        self.machines[number].set_disk(disk, now);
    }

    /// Tells a member's process to stop, which it does as soon as nothing is being written.
    pub(crate) fn stop(&mut self, number: usize) {
        let owner = self.machines[number].owner();
        let Some(node) = self.node(number) else { return };
        self.kernel.note(&self.machines[number].name(), format_args!("is to stop"));
        node.begin_stop();
        self.kernel.after(STOP_PAUSE, move |sim| sim.stop_now(owner));
    }

    fn stop_now(&mut self, owner: Owner) {
        let Owner::Process(number, _) = owner else { return };
        let now = self.kernel.now();
        let machine = &mut self.machines[number];
        if machine.owner() != owner || machine.running().is_none() {
            return;
        }
        let can_stop = machine.running().is_some_and(ByHand::can_stop);
        if !can_stop || machine.paused_until > now {
            self.kernel.after(STOP_PAUSE, move |sim| sim.stop_now(owner));
            return;
        }
        machine.disk.begin_at(now);
        let Stage::Up(by_hand) = std::mem::replace(&mut machine.stage, Stage::Down) else { return };
        let applied = by_hand.node().view().index;
        let stopped = by_hand.stop();
        let done = machine.disk.time().max(now);
        let disk = machine.disk.killed_at(done);
        machine.closed = stopped.is_ok().then_some((done, applied));
        if let Err(reason) = stopped {
            self.failed(number, &format!("does not stop: {reason}"));
            return;
        }
        self.ends.stops += 1;
        let name = self.machines[number].name();
        self.kernel.note(&name, format_args!("stops, applied {applied}"));
        self.drop_process(number);
        self.machines[number].set_disk(disk, now);
    }

    /// Ends a member's process and forgets all that is on its disk.
    pub(crate) fn empty(&mut self, number: usize) {
        self.end(number, End::Killed);
        let disk = Machine::empty_disk(&self.machines[number].options);
        self.machines[number].set_disk(disk, self.kernel.now());
    }

    fn drop_process(&mut self, number: usize) {
        let owner = self.machines[number].owner();
        self.wire.set_up(number, false);
        self.servers.leave(number);
        self.oracles.ended(&self.kernel, number);
        self.machines[number].stop();
        self.executor.end(owner);
        self.work.retain(|(of, _)| *of != owner);
    }

    /// Keeps a member's process from running for a while.
    pub fn pause(&mut self, number: usize, time: Duration) {
        let machine = &mut self.machines[number];
        if machine.running().is_some() {
            self.kernel.note(&machine.name(), format_args!("is paused for {time:?}"));
            machine.paused_until = self.kernel.now() + time;
        }
    }

    /// Keeps one part of a member's process from running for a while.
    pub(crate) fn pause_part(&mut self, number: usize, part: Part, time: Duration) {
        let machine = &mut self.machines[number];
        if machine.running().is_some() {
            let what = format_args!("does not get to {part:?} for {time:?}");
            self.kernel.note(&machine.name(), what);
            let free_at = &mut machine.free_at[part as usize];
            *free_at = (self.kernel.now() + time).max(*free_at);
        }
    }

    /// Lets something go on beside all members.
    pub fn spawn(&mut self, task: env::Task) {
        self.kernel.begin(Owner::Outside, task);
    }

    fn forget(sim: &mut Self) {
        let now = sim.kernel.now();
        if !sim.is_recording {
            sim.machines.iter().for_each(|machine| machine.disk.forget_before(now));
        }
        sim.kernel.after(FORGET_INTERVAL, Self::forget);
    }

    /// A put was acknowledged: it is promised from now on.
    pub(crate) fn acknowledged(&mut self, revision: i64, key: Bytes, value: Bytes) {
        self.oracles.ledger.put(revision, key, value);
        if self.is_recording {
            let newest = self.oracles.ledger.newest();
            self.machines.iter().for_each(|machine| machine.disk.mark(newest as u64));
        }
    }
}
