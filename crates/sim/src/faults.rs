//! What goes wrong, and when.
//!
//! Invariant: nothing that was synced is taken away, so that after healing every member goes on from
//! what it has.

use std::io::ErrorKind;
use std::time::Duration;

use api::{Caller, Service as _};
use env::{Rng as _, SeededRng};
use proto::etcdserverpb::{DefragmentRequest, MoveLeaderRequest};
use simenv::{Fault, Operation};

use crate::members;
use crate::network::Weather;
use crate::sim::{End, Sim};

/// How often it is looked who is to be started, once all is healed.
const TEND_INTERVAL: Duration = Duration::from_millis(500);

/// Kinds of faults, each with its weight; 0 for never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// Between two of them, at most.
    pub pause: Duration,
    /// A process is killed.
    pub kill: u64,
    /// A machine loses power.
    pub power: u64,
    /// All machines lose power.
    pub power_all: u64,
    /// A process is killed while it opens its files.
    pub kill_in_start: u64,
    /// A process does not get to run.
    pub stall: u64,
    /// Members don't reach each other.
    pub cut: u64,
    /// The network is bad for a while.
    pub weather: u64,
    /// A disk takes its time.
    pub slow: u64,
    /// A disk fails.
    pub error: u64,
    /// A member defragments its file, or leadership moves.
    pub upkeep: u64,
    /// The members change.
    pub members: u64,
    /// Clocks run at other speeds.
    pub drift: bool,
    /// The wall clock jumps at starts.
    pub wall: bool,
    /// Answers to clients are lost, in millionths.
    pub loss: u64,
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Struck {
    /// Times at which all machines lost power.
    pub power_all: u64,
    /// Pauses of processes.
    pub stalls: u64,
    /// Cuts of links, one-way ones and whole partitions each as one.
    pub cuts: u64,
    /// Spells of bad weather.
    pub weathers: u64,
    /// Disks that were made slow for a while.
    pub slow_disks: u64,
    /// Disks that were made to fail.
    pub disk_errors: u64,
    /// Defragmentations asked for.
    pub defragmentations: u64,
    /// Moves of leadership asked for.
    pub moves: u64,
    /// Changes of members asked for.
    pub changes: u64,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        pause: Duration::from_secs(3600),
        kill: 0,
        power: 0,
        power_all: 0,
        kill_in_start: 0,
        stall: 0,
        cut: 0,
        weather: 0,
        slow: 0,
        error: 0,
        upkeep: 0,
        members: 0,
        drift: false,
        wall: false,
        loss: 0,
    };

    /// What goes wrong by a seed: any kinds, and the rest not at all.
    #[must_use]
    pub fn of(rng: &mut SeededRng) -> Self {
        let mut weight = |most: u64| if rng.below(3) == 0 { 0 } else { rng.below(most) };
        Self {
            kill: weight(10),
            power: weight(10),
            power_all: weight(5),
            kill_in_start: weight(10),
            stall: weight(6),
            cut: weight(10),
            weather: weight(10),
            slow: weight(4),
            error: weight(4),
            upkeep: weight(8),
            members: weight(8),
            loss: weight(20_000),
            drift: weight(2) == 1,
            wall: weight(2) == 1,
            pause: Duration::from_millis(500 + weight(8_000)),
        }
    }

    /// Chooses one by weight.
    fn choose(&self, rng: &mut SeededRng) -> Option<Kind> {
        let all = [
            (self.kill, Kind::Kill),
            (self.power, Kind::Power),
            (self.power_all, Kind::PowerAll),
            (self.kill_in_start, Kind::KillInStart),
            (self.stall, Kind::Stall),
            (self.cut, Kind::Cut),
            (self.weather, Kind::Weather),
            (self.slow, Kind::Slow),
            (self.error, Kind::Error),
            (self.upkeep, Kind::Upkeep),
            (self.members, Kind::Members),
        ];
        let mut left = rng.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, kind) in all {
            if left < weight {
                return Some(kind);
            }
            left -= weight;
        }
        None
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Kill,
    Power,
    PowerAll,
    KillInStart,
    Stall,
    Cut,
    Weather,
    Slow,
    Error,
    Upkeep,
    Members,
}

/// Lets things go wrong from now on, until [`heal`].
pub fn begin(sim: &Sim, faults: Faults) {
    let rng = sim.kernel.rng();
    sim.kernel.after(faults.pause, move |sim| strike(sim, faults, rng));
}

fn strike(sim: &mut Sim, faults: Faults, mut rng: SeededRng) {
    if sim.is_healed {
        return;
    }
    sim.follow_members();
    for number in 0..sim.machines.len() {
        if sim.machines[number].is_down() && rng.below(2) == 0 {
            start(sim, number, faults, &mut rng);
        }
    }
    if let Some(kind) = faults.choose(&mut rng) {
        let number = rng.below(sim.machines.len() as u64) as usize;
        carry_out(sim, kind, number, faults, &mut rng);
    }
    let most = u64::try_from(faults.pause.as_millis()).unwrap_or(u64::MAX);
    let wait = Duration::from_millis(rng.below(most) + 1);
    sim.kernel.after(wait, move |sim| strike(sim, faults, rng));
}

/// Starts a member with clocks as they may be.
pub fn start(sim: &mut Sim, number: usize, faults: Faults, rng: &mut SeededRng) {
    let drift = if faults.drift { rng.below(200_001) as i64 - 100_000 } else { 0 };
    let hour = 3_600_000_000_000;
    let wall = if faults.wall { rng.below(2 * hour) as i64 - hour as i64 } else { 0 };
    sim.start(number, drift, wall);
}

fn carry_out(sim: &mut Sim, kind: Kind, number: usize, faults: Faults, rng: &mut SeededRng) {
    let name = sim.machines[number].name();
    match kind {
        Kind::Kill => sim.end(number, End::Killed),
        Kind::Power => sim.end(number, End::PowerCut),
        Kind::PowerAll => {
            sim.struck.power_all += 1;
            (0..sim.machines.len()).for_each(|number| sim.end(number, End::PowerCut));
        }
        Kind::KillInStart => {
            sim.end(number, End::Killed);
            start(sim, number, faults, rng);
            let how = if rng.below(2) == 0 { End::Killed } else { End::PowerCut };
            let wait = Duration::from_micros(rng.below(30_000));
            sim.kernel.after(wait, move |sim| {
                if !sim.is_healed {
                    sim.end(number, how);
                }
            });
        }
        Kind::Stall => {
            sim.struck.stalls += 1;
            let scale = [10, 1000, 15_000][rng.below(3) as usize];
            sim.pause(number, Duration::from_millis(1 + rng.below(scale)));
        }
        Kind::Cut => cut(sim, number, rng),
        Kind::Weather => {
            sim.struck.weathers += 1;
            let weather = weather(rng);
            sim.kernel.note("network", format_args!("{weather:?}"));
            sim.wire.set_weather(weather);
            sim.kernel.after(Duration::from_millis(rng.below(15_000)), |sim| {
                sim.wire.set_weather(Weather::default());
            });
        }
        Kind::Slow => slow(sim, number, rng),
        Kind::Error => {
            sim.struck.disk_errors += 1;
            let changes = rng.below(40);
            sim.kernel.note(&name, format_args!("has a disk that fails after {changes} changes"));
            let kind = if rng.below(2) == 0 { ErrorKind::Other } else { ErrorKind::StorageFull };
            sim.machines[number].disk.fail_after(changes, kind);
        }
        Kind::Upkeep if rng.below(2) == 0 => defragment(sim, number),
        Kind::Upkeep => move_leader(sim, number),
        Kind::Members => members::change(sim, rng),
    }
}

fn slow(sim: &mut Sim, number: usize, rng: &mut SeededRng) {
    sim.struck.slow_disks += 1;
    let longest = [20, 500, 5000, 60_000][rng.below(4) as usize];
    let name = sim.machines[number].name();
    sim.kernel.note(&name, format_args!("has a disk whose syncs take up to {longest} ms"));
    let mut own = SeededRng::new(rng.next_u64());
    let disk = sim.machines[number].disk.clone();
    disk.set_fault(move |operation, _| {
        let is_slow = operation == Operation::Sync && own.below(4) == 0;
        is_slow.then(|| Fault::Slow(Duration::from_millis(own.below(longest))))
    });
    sim.kernel.after(Duration::from_millis(rng.below(10_000)), move |_| disk.clear_fault());
}

fn defragment(sim: &mut Sim, number: usize) {
    let Some(served) = sim.servers.get(number) else { return };
    sim.struck.defragmentations += 1;
    let kernel = sim.kernel.clone();
    sim.spawn(Box::pin(async move {
        let done = served.server.defragment(&Caller::default(), DefragmentRequest {}).await;
        let came = if done.is_ok() { "is defragmented" } else { "is not defragmented" };
        kernel.note(&format!("m{}", served.number + 1), format_args!("{came}"));
    }));
}

/// Moves leadership to a member.
fn move_leader(sim: &mut Sim, number: usize) {
    let all = sim.servers.all();
    let leader = all.iter().find(|served| served.node.raft().is_leader);
    let target = all.iter().find(|served| served.number == number);
    let (Some(leader), Some(target)) = (leader.cloned(), target) else { return };
    sim.struck.moves += 1;
    let request = MoveLeaderRequest { target_id: target.node.ids().1.get() };
    sim.kernel.note(&format!("m{}", number + 1), format_args!("is to lead"));
    sim.spawn(Box::pin(async move {
        // Whether it goes well is chance.
        let _ = leader.server.move_leader(&Caller::default(), request).await;
    }));
}

fn weather(rng: &mut SeededRng) -> Weather {
    let mut chance = |most: u64| if rng.below(2) == 0 { 0 } else { rng.below(most) };
    Weather {
        drop: chance(300_000),
        duplicate: chance(200_000),
        reorder: chance(300_000),
        delay: chance(200_000),
        delay_max: Duration::from_millis(1 + chance(30_000)),
        interrupt: chance(700_000),
    }
}

fn cut(sim: &mut Sim, number: usize, rng: &mut SeededRng) {
    let members = sim.machines.len();
    sim.struck.cuts += 1;
    let other = rng.below(members as u64) as usize;
    let wire = &sim.wire;
    match rng.below(4) {
        0 => {
            sim.kernel.note("network", format_args!("m{} > m{} is cut", number + 1, other + 1));
            wire.cut(number, other);
        }
        1 => {
            sim.kernel.note("network", format_args!("m{} hears nobody", number + 1));
            (0..members).for_each(|other| wire.cut(other, number));
        }
        2 => {
            sim.kernel.note("network", format_args!("m{} is alone", number + 1));
            for other in 0..members {
                wire.cut(other, number);
                wire.cut(number, other);
            }
        }
        _ => {
            let side = rng.next_u64();
            sim.kernel.note("network", format_args!("is in two, {:b}", side % (1 << members)));
            let is_left = |number: usize| side >> number & 1 == 0;
            for one in 0..members {
                for other in (0..members).filter(|other| is_left(one) != is_left(*other)) {
                    wire.cut(one, other);
                }
            }
        }
    }
    sim.kernel.after(Duration::from_millis(rng.below(20_000)), |sim| {
        sim.kernel.note("network", format_args!("is whole"));
        sim.wire.mend();
    });
}

/// Mends everything and starts whoever is down.
pub fn heal(sim: &mut Sim) {
    sim.kernel.note("all", format_args!("is healed"));
    sim.is_healed = true;
    sim.wire.mend();
    sim.wire.set_weather(Weather::default());
    for number in 0..sim.machines.len() {
        sim.machines[number].disk.clear_fault();
        sim.machines[number].resume();
    }
    tend(sim);
}

/// Starts whoever is a member and down, again and again.
fn tend(sim: &mut Sim) {
    sim.follow_members();
    (0..sim.machines.len()).for_each(|number| sim.start(number, 0, 0));
    sim.kernel.after(TEND_INTERVAL, tend);
}
