//! Carries out what goes wrong, and heals it.
//!
//! Invariant: nothing that was synced is taken away, but for all of one member's, so that after healing
//! every other member goes on from what it has.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::Service as _;
use env::{Clock as _, Monotonic, Rng as _, SeededRng, WallTime};
use node::by_hand::Part;
use proto::etcdserverpb::{DefragmentRequest, MoveLeaderRequest};
use simenv::{Fault, Operation};

use crate::clients::login::{ROOT, log_in};
use crate::faults::{Faults, Kind, Strike};
use crate::machine::Machine;
use crate::members::{self, Standing};
use crate::network::Weather;
use crate::sim::{End, Sim};

/// How often it is looked who is to be started, once all is healed.
const TEND_INTERVAL: Duration = Duration::from_millis(500);

const HOUR_NANOS: u64 = 3_600_000_000_000;

/// Lets things go wrong from now on, until [`heal`].
pub fn begin(sim: &Sim, faults: Faults, strikes: &[Strike]) {
    sim.wire.set_weather(faults.fair_weather());
    for strike in strikes.iter().copied() {
        sim.kernel.at(Monotonic(0) + strike.at, move |sim| carry_out(sim, faults, strike));
    }
}

fn carry_out(sim: &mut Sim, faults: Faults, strike: Strike) {
    if sim.is_healed {
        return;
    }
    let mut rng = SeededRng::new(strike.seed);
    sim.follow_members();
    for number in 0..sim.machines.len() {
        if sim.machines[number].is_down() && strike.starts >> number & 1 == 1 {
            start(sim, number, faults, &mut rng);
        }
    }
    if let Some(kind) = strike.kind {
        // A schedule may be run with fewer machines than it was made for.
        make(sim, kind, strike.number % sim.machines.len(), faults, &mut rng);
    }
}

/// Starts a member with clocks as they may be.
pub fn start(sim: &mut Sim, number: usize, faults: Faults, rng: &mut SeededRng) {
    let drift = if faults.drift { rng.below(200_001) as i64 - 100_000 } else { 0 };
    let hour = HOUR_NANOS;
    let wall = if faults.wall { rng.below(2 * hour) as i64 - hour as i64 } else { 0 };
    sim.start(number, drift, wall);
}

fn make(sim: &mut Sim, kind: Kind, number: usize, faults: Faults, rng: &mut SeededRng) {
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
            let time = Duration::from_millis(1 + rng.below(scale));
            let leader = sim.servers.all().into_iter().find(|one| one.node.raft().is_leader);
            match (rng.below(3), leader) {
                (0, _) => sim.pause(number, time),
                (1, Some(leader)) => sim.pause_part(leader.number, Part::Raft, time),
                _ => sim.pause_part(number, Part::ALL[rng.below(5) as usize], time),
            }
        }
        Kind::Cut => cut(sim, number, rng),
        Kind::Weather => {
            sim.struck.weathers += 1;
            let weather = weather(rng);
            sim.kernel.note("network", format_args!("{weather:?}"));
            sim.wire.set_weather(weather);
            sim.kernel.after(Duration::from_millis(rng.below(15_000)), move |sim| {
                if !sim.is_healed {
                    sim.wire.set_weather(faults.fair_weather());
                }
            });
        }
        Kind::Slow => slow(sim, number, rng),
        Kind::Error if rng.below(4) == 0 => unreadable(sim, number, rng),
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
        Kind::Stop => sim.stop(number),
        Kind::Jump => jump(sim, number, rng),
        Kind::Wipe if faults.members == 0 => wipe(sim, number),
        Kind::Wipe => {}
    }
}

/// Takes away all that a member has. The others are a majority without it, and sure of themselves.
fn wipe(sim: &mut Sim, number: usize) {
    let is_sure = |machine: &Machine| {
        machine.has_run && machine.disk.content(&machine.options.paths.probation()).is_none()
    };
    let mut others = sim.machines.iter().filter(|machine| machine.number != number);
    let can_be = sim.machines.len() >= 3 && sim.machines[number].has_run && sim.wiped.is_none();
    if can_be && others.all(is_sure) {
        sim.struck.wipes += 1;
        sim.wiped = Some(number);
        sim.kernel.note(&sim.machines[number].name(), format_args!("loses its data"));
        sim.empty(number);
        sim.machines[number].closed = None;
    }
}

/// Lets a wall clock jump by up to an hour.
fn jump(sim: &mut Sim, number: usize, rng: &mut SeededRng) {
    let machine = &sim.machines[number];
    if machine.running().is_none() {
        return;
    }
    sim.struck.jumps += 1;
    let off = rng.below(2 * HOUR_NANOS) as i64 - HOUR_NANOS as i64;
    sim.kernel.note(&machine.name(), format_args!("has a wall clock that jumps by {off} ns"));
    let wall = WallTime(machine.clock.wall().0.saturating_add_signed(off));
    machine.clock.set_wall(wall);
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

/// Reads fail for a while, some of them: the member's own, not those of who looks at it.
fn unreadable(sim: &mut Sim, number: usize, rng: &mut SeededRng) {
    sim.struck.read_errors += 1;
    let name = sim.machines[number].name();
    sim.kernel.note(&name, format_args!("has a disk that cannot be read well"));
    let mut own = SeededRng::new(rng.next_u64());
    let disk = sim.machines[number].disk.clone();
    let spared = sim.oracles.is_reading();
    disk.set_fault(move |operation, _| {
        let fails =
            operation == Operation::Read && !spared.load(Ordering::Relaxed) && own.below(20) == 0;
        fails.then_some(Fault::Error(ErrorKind::Other))
    });
    sim.kernel.after(Duration::from_millis(rng.below(3000)), move |_| disk.clear_fault());
}

fn defragment(sim: &mut Sim, number: usize) {
    let Some(served) = sim.servers.get(number) else { return };
    sim.struck.defragmentations += 1;
    let kernel = sim.kernel.clone();
    sim.spawn(Box::pin(async move {
        let caller = log_in(&served.server, ROOT).await;
        let done = served.server.defragment(&caller, DefragmentRequest {}).await;
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
        let caller = log_in(&leader.server, ROOT).await;
        let _ = leader.server.move_leader(&caller, request).await;
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
    match rng.below(5) {
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
        kind => {
            let side = rng.next_u64();
            // One may be left that reaches both sides.
            let bridge = (kind == 3).then_some(number);
            let what = format_args!("is in two, {:b}, bridge {bridge:?}", side % (1 << members));
            sim.kernel.note("network", what);
            let is_left = |number: usize| side >> number & 1 == 0;
            for one in (0..members).filter(|one| Some(*one) != bridge) {
                let others = (0..members).filter(|other| Some(*other) != bridge);
                for other in others.filter(|other| is_left(one) != is_left(*other)) {
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

/// Mends everything and starts whoever is down, but for who lost its data: nobody can give it back.
pub fn heal(sim: &mut Sim) {
    sim.kernel.note("all", format_args!("is healed"));
    sim.is_healed = true;
    sim.wire.mend();
    sim.wire.reconnect();
    sim.wire.set_weather(Weather::default());
    if let Some(number) = sim.wiped {
        sim.end(number, End::Killed);
        sim.machines[number].standing = Standing::Removed;
    }
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
