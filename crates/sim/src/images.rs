//! Crash images: the life of one member is recorded on its disk, and whatever a power cut could have
//! left at each moment of it is recovered.
//!
//! Invariant: a recovered member has everything that was acknowledged before the moment, and nothing
//! that it was not asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{Caller, Service as _};
use bytes::Bytes;
use env::{Monotonic, SeededRng};
use node::Options;
use proto::etcdserverpb::{CompactionRequest, DefragmentRequest, PutRequest};
use simenv::{Crash, Crashes, SimDisk};

use crate::clients::Writer;
use crate::faults::Faults;
use crate::oracle::Oracles;
use crate::plan::{Flags, Plan};
use crate::record::Record;
use crate::sim::Sim;
use crate::tasks::SimTasks;
use crate::trace::Lines;

/// How long a part of a story may take, and a recovery.
const PATIENCE: Duration = Duration::from_secs(60);

/// What happens in a life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Story {
    /// A member starts for the first time, and a little is written.
    FirstStart,
    /// So much is written that the log goes through several segments, with snapshots.
    Segments,
    /// What was written is compacted, and the file defragmented.
    Defragmentation,
    /// The member is one of three and so far behind that it gets a snapshot.
    Snapshot,
}

impl Story {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FirstStart, Self::Segments, Self::Defragmentation, Self::Snapshot];
}

/// A recorded life.
pub struct Life {
    story: Story,
    disk: SimDisk,
    options: Vec<Options>,
    oracles: Oracles,
}

impl Life {
    /// Records a life.
    ///
    /// # Panics
    /// When something goes wrong in it, which has nothing to do with crashes.
    #[must_use]
    pub fn of(story: Story, seed: u64) -> Self {
        let plan = plan(story, seed);
        let options = plan.options();
        let mut sim = Sim::new(seed, options.clone(), Lines::Last(0));
        sim.is_recording = true;
        let tasks = SimTasks::outside(&sim.kernel);
        let record = Record::new(&sim.kernel, tasks, Arc::clone(&sim.servers));
        let disk = sim.machines[0].disk.clone();
        (0..plan.members).for_each(|number| sim.start(number, 0, 0));
        tell(story, &mut sim, &record);
        assert!(!sim.oracles.has_spoken(), "{:?}", sim.oracles.spoken());
        Self { story, disk, options, oracles: sim.oracles }
    }

    /// A power cut at each moment.
    #[must_use]
    pub fn crashes(&self) -> Crashes {
        self.disk.crashes()
    }

    /// How many moments there are.
    #[must_use]
    pub fn moments(&self) -> usize {
        self.disk.operations() + 1
    }

    /// Starts the member on what was left by a power cut.
    ///
    /// # Errors
    /// When something is lost, or wrong.
    pub fn recover(&self, crash: &Crash, image: SimDisk, seed: u64) -> Result<(), String> {
        let acknowledged = crash.mark().unwrap_or_default() as i64;
        let mut sim = Sim::new(seed, self.options.clone(), Lines::Last(0));
        sim.oracles = self.oracles.as_of(acknowledged);
        sim.machines[0].set_disk(image, Monotonic(0));
        sim.start(0, 0, 0);
        let is_alone = self.options.len() == 1;
        // A member that is not alone has nobody to tell it what is committed.
        let is_there = |sim: &mut Sim| {
            let Some(running) = sim.machines[0].running() else { return false };
            let node = running.node();
            let revision = node.view().read.revision();
            !is_alone || (node.raft().is_leader && revision >= acknowledged)
        };
        let is_there = sim.run_until(Monotonic(0) + PATIENCE, is_there);
        if let Some(wrong) = sim.oracles.spoken().first() {
            return Err(wrong.clone());
        }
        if !is_there {
            let state = sim.machines[0].running().map(|running| {
                let (node, view) = (running.node(), running.node().view());
                format!(
                    "index {}, revision {}, {:?}",
                    view.index,
                    view.read.revision(),
                    node.raft()
                )
            });
            return Err(format!(
                "{:?}: revision {acknowledged} does not come back: {}",
                self.story,
                state.unwrap_or_else(|| "it does not run".to_owned())
            ));
        }
        if is_alone {
            let node = sim.machines[0].running().map(|running| (0, running.node()));
            sim.oracles.at_rest(&node.into_iter().collect::<Vec<_>>());
        }
        sim.oracles.spoken().first().map_or(Ok(()), |wrong| Err(wrong.clone()))
    }
}

fn plan(story: Story, seed: u64) -> Plan {
    let mut plan = Plan::of(seed);
    plan.members = if story == Story::Snapshot { 3 } else { 1 };
    plan.spares = 0;
    plan.faults = Faults::NONE;
    plan.flags = Flags {
        snapshot_count: if story == Story::Snapshot { 10 } else { 40 },
        catchup_entries: 5,
        segment_bytes: 16 << 10,
        batch_interval: Duration::from_millis(20),
        compaction_batch: 10,
        ..plan.flags
    };
    plan.flags.checks = node::Checks::default();
    plan
}

fn tell(story: Story, sim: &mut Sim, record: &Arc<Record>) {
    match story {
        Story::FirstStart => put(sim, record, 5),
        Story::Segments => put(sim, record, 150),
        Story::Defragmentation => {
            put(sim, record, 40);
            let compaction = CompactionRequest { revision: 30, physical: true };
            serve(sim, move |server| async move {
                server.compact(&Caller::default(), compaction).await.is_ok()
            });
            put(sim, record, 10);
            serve(sim, |server| async move {
                server.defragment(&Caller::default(), DefragmentRequest {}).await.is_ok()
            });
            put(sim, record, 10);
        }
        Story::Snapshot => {
            put(sim, record, 5);
            for other in [1, 2] {
                sim.wire.cut(other, 0);
                sim.wire.cut(0, other);
            }
            put(sim, record, 60);
            sim.wire.mend();
            let newest = sim.oracles.ledger.newest();
            wait(sim, "it catches up", move |sim| {
                let running = sim.machines[0].running();
                running.is_some_and(|running| running.node().view().read.revision() >= newest)
            });
            put(sim, record, 5);
        }
    }
    // What is written beside is written too.
    let end = sim.kernel.now() + Duration::from_secs(1);
    sim.run_until(end, |_| false);
}

/// Puts so many values, one after the other.
fn put(sim: &mut Sim, record: &Arc<Record>, count: u64) {
    let mut rng = sim.kernel.rng();
    let puts = (0..count).map(|number| {
        let length = env::Rng::below(&mut rng, 600) as usize;
        let value = format!("{number} {}", "v".repeat(length));
        let key = Bytes::from(format!("k{:02}", number % 25));
        PutRequest { key, value: value.into(), ..PutRequest::default() }
    });
    let (writer, puts) = (Writer::new(record), puts.collect::<Vec<_>>());
    until_done(sim, async move { writer.put_all(puts).await });
}

/// Has the first member do something.
fn serve<F: Future<Output = bool> + Send + 'static>(
    sim: &mut Sim,
    call: impl FnOnce(Arc<api::Server>) -> F,
) {
    let served = sim.servers.get(0).expect("the member runs");
    let done = call(served.server);
    until_done(sim, async move { assert!(done.await, "it is refused") });
}

fn until_done(sim: &mut Sim, task: impl Future<Output = ()> + Send + 'static) {
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    sim.spawn(Box::pin(async move {
        task.await;
        told.store(true, Ordering::Relaxed);
    }));
    wait(sim, "it is done", move |_| done.load(Ordering::Relaxed));
}

fn wait(sim: &mut Sim, what: &str, met: impl FnMut(&mut Sim) -> bool) {
    let end = sim.kernel.now() + PATIENCE;
    assert!(sim.run_until(end, met), "{what}: {:?}", sim.oracles.spoken());
}

/// Images of one moment: nothing, everything, and some by chance.
pub fn images_of(crash: &Crash, by_chance: u64, seed: u64) -> Vec<SimDisk> {
    let mut rng = SeededRng::new(seed);
    let mut images = vec![crash.nothing(), crash.everything()];
    images.extend((0..by_chance).map(|_| crash.sampled(&mut rng)));
    images
}
