//! The network between the members: messages and snapshots are handed over as values, late, twice, in
//! another order, or never.
//!
//! Knows nothing of what messages mean. Delivering is the simulation's: see `delivery.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use env::{Monotonic, Tasks};
use node::network::{Asking, Database, Identity, Incoming, Network, Peers, Question, Resolving};
use proto::raftpb::{Message, MessageType};
use proto::version::Version;
use tokio::sync::oneshot;
use types::MemberId;

use crate::kernel::{Kernel, Owner};

/// How long the way from one member to another takes at least, and usually at most.
const LATENCY_MIN: Duration = Duration::from_micros(100);
const LATENCY_MAX: Duration = Duration::from_millis(2);
/// How many nanoseconds a byte of a database takes on its way.
const BYTE_NANOS: u64 = 10;

/// How bad the network is; chances in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weather {
    /// A message is lost.
    pub drop: u64,
    /// It comes twice. Never a proposal on its way to the leader: nothing would tell it from two
    /// proposals, and no transport of ours sends a message twice.
    pub duplicate: u64,
    /// It does not wait for those before it.
    pub reorder: u64,
    /// It takes much longer.
    pub delay: u64,
    /// How much at most.
    pub delay_max: Duration,
    /// A snapshot's way ends in the middle.
    pub interrupt: u64,
}

impl Weather {
    /// All is well.
    pub const FAIR: Self = Self {
        drop: 0,
        duplicate: 0,
        reorder: 0,
        delay: 0,
        delay_max: Duration::ZERO,
        interrupt: 0,
    };
}

/// What happened to messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fates {
    /// Sent.
    pub sent: u64,
    /// Lost by bad luck.
    pub dropped: u64,
    /// Sent over a link that is cut.
    pub cut: u64,
    /// Came twice.
    pub duplicated: u64,
    /// Did not wait for those before.
    pub reordered: u64,
    /// Took longer.
    pub delayed: u64,
    /// Snapshots sent.
    pub snapshots: u64,
    /// Snapshots whose way ended in the middle.
    pub interrupted: u64,
}

/// The network.
pub struct Wire {
    pub(crate) kernel: Kernel,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    weather: Weather,
    /// Who cannot send to whom.
    cuts: BTreeSet<(usize, usize)>,
    /// When the last message of each link arrives.
    last: BTreeMap<(usize, usize), Monotonic>,
    up: BTreeSet<usize>,
    /// Where members are, by whom they have sent something: connections tell.
    learned: BTreeMap<(usize, MemberId), usize>,
    fates: Fates,
}

/// The peer URL of a member.
#[must_use]
pub fn url(number: usize) -> String {
    format!("http://10.0.0.{}:2380", number + 1)
}

/// Whose peer URL it is.
pub(crate) fn number_of(url: &str) -> Option<usize> {
    let host = url.strip_prefix("http://10.0.0.")?.split(':').next()?;
    host.parse::<usize>().ok()?.checked_sub(1)
}

impl Wire {
    /// A network on which all is well.
    #[must_use]
    pub fn new(kernel: Kernel) -> Arc<Self> {
        Arc::new(Self { kernel, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.state().fates
    }

    /// Makes it as bad as this.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Cuts the way from one member to another.
    pub fn cut(&self, from: usize, to: usize) {
        self.state().cuts.insert((from, to));
    }

    /// Mends all ways.
    pub fn mend(&self) {
        self.state().cuts.clear();
    }

    /// Opens all connections anew: what is late holds back nothing that is sent from now on.
    pub fn reconnect(&self) {
        self.state().last.clear();
    }

    pub(crate) fn set_up(&self, number: usize, is_up: bool) {
        let mut state = self.state();
        if is_up {
            state.up.insert(number);
        } else {
            state.up.remove(&number);
        }
    }

    /// A member hears from another one.
    pub(crate) fn learn(&self, number: usize, id: MemberId, from: usize) {
        self.state().learned.insert((number, id), from);
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.state().cuts.contains(&(from, to))
    }

    /// A member's end, for one of its processes.
    #[must_use]
    pub fn end(self: &Arc<Self>, owner: Owner, tasks: Arc<dyn Tasks>) -> Arc<dyn Network> {
        Arc::new(End { wire: Arc::clone(self), owner, tasks })
    }

    pub(crate) fn latency(&self) -> Duration {
        let spread = (LATENCY_MAX - LATENCY_MIN).as_nanos() as u64;
        LATENCY_MIN + Duration::from_nanos(self.kernel.below(spread))
    }

    /// When a message arrives, or both of its copies; never, if it is lost.
    fn arrivals(&self, (from, to): (usize, usize), message: &Message) -> Vec<Monotonic> {
        let kernel = &self.kernel;
        let latency = self.latency();
        let mut state = self.state();
        let State { weather, last, fates, .. } = &mut *state;
        fates.sent += 1;
        if kernel.happens(weather.drop) {
            fates.dropped += 1;
            return Vec::new();
        }
        let mut at = kernel.now() + latency;
        if kernel.happens(weather.delay) {
            fates.delayed += 1;
            at = at + kernel.time_up_to(weather.delay_max);
        }
        let link = last.entry((from, to)).or_default();
        if kernel.happens(weather.reorder) {
            fates.reordered += 1;
        } else {
            at = at.max(*link);
            *link = at;
        }
        let mut arrivals = vec![at];
        let is_unique = message.message_type == MessageType::Prop;
        if !is_unique && kernel.happens(weather.duplicate) {
            fates.duplicated += 1;
            arrivals.push(at + kernel.time_up_to(Duration::from_secs(1)));
        }
        arrivals
    }
}

struct End {
    wire: Arc<Wire>,
    owner: Owner,
    tasks: Arc<dyn Tasks>,
}

impl Network for End {
    fn ask(&self, question: Question) -> Asking {
        let unreachable = format!("nobody is at {}", question.url);
        let (Owner::Process(from, _), Some(to)) = (self.owner, number_of(&question.url)) else {
            return Box::pin(async move { Err(unreachable) });
        };
        let (sender, receiver) = oneshot::channel();
        let timeout = question.timeout;
        let latency = self.wire.latency();
        self.wire.kernel.after(latency, move |sim| sim.asked(from, to, question, sender));
        let answer = env::timeout(&*self.tasks, timeout, receiver);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) => Err(unreachable),
                Err(_) => Err("time-out".to_owned()),
            }
        })
    }

    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { Ok(host) })
    }

    fn enter(&self, _: &Identity) -> Arc<dyn Peers> {
        Arc::new(Links { wire: Arc::clone(&self.wire), owner: self.owner, known: Mutex::default() })
    }
}

/// The other members as one of a member's processes reaches them.
struct Links {
    wire: Arc<Wire>,
    owner: Owner,
    /// Where the others are; nowhere for those that were removed.
    known: Mutex<BTreeMap<MemberId, Option<usize>>>,
}

impl Links {
    fn known(&self) -> MutexGuard<'_, BTreeMap<MemberId, Option<usize>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way_to(&self, id: MemberId) -> Option<(usize, usize)> {
        let Owner::Process(from, _) = self.owner else { return None };
        let known = self.known().get(&id).copied();
        let learned = || self.wire.state().learned.get(&(from, id)).copied();
        Some((from, known.unwrap_or_else(learned)?))
    }

    fn know(&self, id: MemberId, urls: &[String]) {
        if let Some(number) = urls.first().and_then(|url| number_of(url)) {
            self.known().insert(id, Some(number));
        }
    }

    fn send_one(&self, message: Message) {
        let id = MemberId(message.to);
        let Some((from, to)) = self.way_to(id) else { return };
        let (kernel, owner) = (&self.wire.kernel, self.owner);
        if self.wire.is_cut(from, to) {
            self.wire.state().fates.cut += 1;
            kernel.after(LATENCY_MAX, move |sim| sim.report(owner, Incoming::Unreachable(id)));
            return;
        }
        for at in self.wire.arrivals((from, to), &message) {
            let copy = message.clone();
            kernel.at(at, move |sim| sim.deliver(owner, to, copy));
        }
    }
}

impl Peers for Links {
    fn send(&self, messages: Vec<Message>) {
        messages.into_iter().for_each(|message| self.send_one(message));
    }

    fn send_snapshot(&self, message: Message, mut database: Database) {
        let (kernel, owner) = (&self.wire.kernel, self.owner);
        let to = MemberId(message.to);
        let way = self.way_to(to).filter(|(from, to)| !self.wire.is_cut(*from, *to));
        let mut content = Vec::new();
        let read = database.content.read_to_end(&mut content);
        let (Some((_, number)), Ok(_)) = (way, read) else {
            let failed = Incoming::SnapshotSent { to, arrived: false };
            kernel.after(LATENCY_MAX, move |sim| sim.report(owner, failed));
            return;
        };
        let interrupt = {
            let mut state = self.wire.state();
            state.fates.snapshots += 1;
            state.weather.interrupt
        };
        let kept = if kernel.happens(interrupt) {
            self.wire.state().fates.interrupted += 1;
            kernel.below(content.len() as u64) as usize
        } else {
            content.len()
        };
        let takes = Duration::from_nanos(BYTE_NANOS * content.len() as u64);
        let wait = self.wire.latency() + takes;
        kernel.after(wait, move |sim| sim.deliver_snapshot(owner, number, message, content, kept));
    }

    fn add_peer(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn update_peer(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn remove_peer(&self, id: MemberId) {
        self.known().insert(id, None);
    }

    fn add_remote(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn active_since(&self, id: MemberId) -> Option<Monotonic> {
        let (from, to) = self.way_to(id)?;
        let state = self.wire.state();
        let is_whole = !state.cuts.contains(&(from, to)) && !state.cuts.contains(&(to, from));
        (is_whole && state.up.contains(&to)).then_some(Monotonic(0))
    }

    fn set_level(&self, _: Version) {}

    fn stop(&self) {}
}
