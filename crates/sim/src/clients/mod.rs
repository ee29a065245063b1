//! Clients: what they ask for follows from the seed.

mod administrator;
mod compactor;
mod kubernetes;
mod lender;
pub(crate) mod login;
mod send;
mod session;
mod watcher;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use checker::Calls;
use env::{Rng as _, SeededRng};

use crate::clients::session::Session;
use crate::record::Record;
use crate::sim::Sim;

pub use watcher::Place;
pub use writer::Writer;

/// Keys that clients share.
const KEYS: u64 = 20;
/// The longest value.
const VALUE_BYTES_MAX: u64 = 300;

/// How many clients there are of each kind, and how busy they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowd {
    /// Those that read and write keys.
    pub writers: u32,
    /// Those that live with leases.
    pub lenders: u32,
    /// Those that do what an API server of Kubernetes does.
    pub kubernetes: u32,
    /// Those that watch, beside the one that sees all.
    pub watchers: u32,
    /// Whether there is one that changes users and roles, and turns authentication on and off.
    pub administrator: bool,
    /// The pause of a writer between two calls, at most.
    pub pause: Duration,
    /// Between two compactions.
    pub compaction: Duration,
}

/// Lets all clients begin.
pub fn begin(sim: &mut Sim, record: &Arc<Record>, crowd: Crowd) {
    let mut rng = sim.kernel.rng();
    let mut number = 0;
    let mut session = |rng: &mut SeededRng| {
        number += 1;
        let own = SeededRng::new(rng.next_u64());
        Session::new(Arc::clone(record), number, own)
    };
    for _ in 0..crowd.writers {
        let session = session(&mut rng);
        run(sim, record, write(session, crowd.pause));
    }
    for _ in 0..crowd.lenders {
        let session = session(&mut rng);
        run(sim, record, lender::run(session));
    }
    for _ in 0..crowd.kubernetes {
        let session = session(&mut rng);
        run(sim, record, kubernetes::run(session));
    }
    if crowd.administrator {
        let session = session(&mut rng);
        run(sim, record, administrator::run(session));
    }
    let compactor = session(&mut rng).for_user(login::ROOT);
    run(sim, record, compactor::run(compactor, crowd.compaction));
    let members = sim.machines.len() as u64;
    sim.spawn(Box::pin(watcher::run(session(&mut rng), Place::Any, watcher::everything())));
    for _ in 0..crowd.watchers {
        let place = match rng.below(3) {
            0 => Place::Any,
            _ => Place::Member(rng.below(members) as usize),
        };
        let request = watcher::something(&mut rng);
        sim.spawn(Box::pin(watcher::run(session(&mut rng), place, request)));
    }
}

/// Runs a client, and counts it for as long as it runs.
fn run(sim: &mut Sim, record: &Arc<Record>, client: impl Future<Output = ()> + Send + 'static) {
    record.writing.fetch_add(1, Ordering::Relaxed);
    let record = Arc::clone(record);
    sim.spawn(Box::pin(async move {
        client.await;
        record.writing.fetch_sub(1, Ordering::Relaxed);
    }));
}

async fn write(mut session: Session, pause: Duration) {
    let mut calls = Calls::new(session.client, KEYS, VALUE_BYTES_MAX).reading_past_in_txns();
    while !session.record.has_ended() {
        let call = calls.next(&mut session.rng);
        let Some(outcome) = session.call(call).await else { return };
        calls.observe(&outcome);
        session.pause(pause).await;
        if session.rng.below(50) == 0 {
            session.wander();
        }
    }
}
