//! How long a name is asked for, and that it is asked for only where it matters.

use std::sync::{Arc, Mutex};

use env::{Clock, RealRng, Rng, Task, Tasks, Work};
use membership::InitialCluster;
use simenv::{SimClock, SimDisk};

use super::*;
use crate::network::{Asking, Identity, Network, Peers, Question, Resolving};

/// A pause is over at once, and moves the clock.
struct Skipping(SimClock);

impl Tasks for Skipping {
    fn spawn(&self, _task: Task) {
        unreachable!("nothing goes on beside");
    }

    fn spawn_blocking(&self, _work: Work) {
        unreachable!("nothing blocks");
    }

    fn sleep(&self, duration: Duration) -> Task {
        let clock = self.0.clone();
        Box::pin(async move { clock.advance(duration) })
    }
}

/// A resolver that knows `one` from a second on, and remembers what it was asked for.
struct Names {
    clock: SimClock,
    from: u64,
    asked: Mutex<Vec<String>>,
}

impl Network for Names {
    fn ask(&self, _question: Question) -> Asking {
        unreachable!("nobody is asked");
    }

    fn resolve(&self, host: &str) -> Resolving {
        self.asked.lock().unwrap().push(host.to_owned());
        let known = host != "one:1" || self.clock.now() >= Monotonic(self.from * 1_000_000_000);
        let answer = known.then(|| host.replace("one", "10.0.0.1")).ok_or("no such host");
        Box::pin(std::future::ready(answer.map_err(str::to_owned)))
    }

    fn enter(&self, _identity: &Identity) -> Arc<dyn Peers> {
        unreachable!("nobody enters");
    }
}

/// What becomes of a founder that is listed so and advertises so, with a resolver that knows `one`
/// from a second on; also which names were asked for, and at which second it was settled.
async fn found(from: u64, listed: &str, advertised: &str) -> (Result<(), String>, usize, u64) {
    let clock = SimClock::new();
    let asked = Mutex::default();
    let network = Arc::new(Names { clock: clock.clone(), from, asked });
    let world = World {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(clock.clone()),
        tasks: Arc::new(Skipping(clock.clone())),
        network: network.clone(),
        randomness: Arc::new(|| Box::new(RealRng) as Box<dyn Rng>),
    };
    let initial: InitialCluster = listed.parse().unwrap();
    let advertised = Url::parse_list(advertised).unwrap();
    let verify = |resolve: Resolve<'_>| initial.verify_founding("a", &advertised, resolve);
    let found = with_names(&world, verify).await.map_err(|error| error.to_string());
    let asked = network.asked.lock().unwrap().iter().filter(|name| *name == "one:1").count();
    (found, asked, clock.now().0 / 1_000_000_000)
}

#[tokio::test]
async fn a_name_that_is_not_known_yet_is_tried_again() {
    let late = found(12, "a=http://one:1", "http://10.0.0.1:1").await;
    assert_eq!(late, (Ok(()), 13, 12));
}

#[tokio::test]
async fn a_name_that_stays_unknown_ends_the_start_after_thirty_seconds() {
    let (found, asked, at) = found(31, "a=http://10.0.0.1:1", "http://one:1").await;
    assert_eq!(
        found.unwrap_err(),
        "--initial-cluster has a=http://10.0.0.1:1 but missing from \
         --initial-advertise-peer-urls=http://one:1 (failed to resolve \"http://one:1\" (no such host))"
    );
    assert_eq!((asked, at), (30, 30));
}

#[tokio::test]
async fn texts_that_are_equal_are_not_resolved() {
    let equal =
        found(u64::MAX / 1_000_000_000, "a=http://one:1,b=http://two:1", "http://one:1").await;
    assert_eq!(equal, (Ok(()), 0, 0));
}
