//! Rounds of SIGKILL under write, lease, compaction and defragmentation load: no acknowledged write
//! is lost, none is there in part or twice, the revision is never lower, HashKV is that of a replay
//! of the history, and the server starts again without help. At the end the real etcd opens what is
//! left and agrees.
//!
//! `OXETCD_KILL_ROUNDS` sets how many (200 for the full run), `OXETCD_SEED` where they differ.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/kill/mod.rs"]
mod kill;
mod support;

use env::{Rng as _, SeededRng};
use kill::ledger::{Ledger, Progress};
use kill::load;
use kill::model::Model;
use kill::verify::{Verified, verify};
use std::sync::Arc;
use std::time::Duration;
use support::{Member, count, reference_is_under_test, runtime, server_under_test};
use tokio::time::timeout;

/// Often enough that snapshots of the log take part.
const FLAGS: [&str; 2] = ["--snapshot-count=300", "--log-level=warn"];

/// Within this time a round gets as far as it should.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// A start that is killed has had less time than this.
const START_MAX_MS: u64 = 60;

/// What is under way when the server is killed, besides writes.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Moment {
    Any,
    Compaction,
    Defragmentation,
    /// The start that follows on a kill at any moment.
    Start,
}

const MOMENTS: [Moment; 4] =
    [Moment::Any, Moment::Compaction, Moment::Defragmentation, Moment::Start];

/// Waits until enough is acknowledged and the moment has come, and then for `more` writes, so that
/// the moment is met in different places.
async fn until(ledger: &Ledger, writes: u64, moment: Moment, more: u64) {
    let mut progress = ledger.progress.subscribe();
    let reached = timeout(ROUND_MAX, progress.wait_for(|now| now.writes >= writes));
    let reached = *reached.await.expect("the writes go on").unwrap();
    let begun = |now: &Progress| match moment {
        Moment::Any | Moment::Start => true,
        Moment::Compaction => now.compactions_sent > reached.compactions_sent,
        Moment::Defragmentation => now.defragmentations_sent > reached.defragmentations_sent,
    };
    let begun = timeout(ROUND_MAX, progress.wait_for(begun));
    let begun = *begun.await.expect("compactions and defragmentations go on").unwrap();
    let met = timeout(ROUND_MAX, progress.wait_for(|now| now.writes >= begun.writes + more));
    met.await.expect("the writes go on").unwrap();
}

/// All rounds together.
#[derive(Default, Debug)]
struct Total {
    writes: u64,
    grants: u64,
    revokes: u64,
    keepalives: u64,
    compactions: u64,
    defragmentations: u64,
}

impl Total {
    fn add(&mut self, round: Progress) {
        self.writes += round.writes;
        self.grants += round.grants;
        self.revokes += round.revokes;
        self.keepalives += round.keepalives;
        self.compactions += round.compactions;
        self.defragmentations += round.defragmentations;
    }
}

struct Rounds {
    member: Member,
    ledger: Arc<Ledger>,
    model: Model,
    rng: SeededRng,
    total: Total,
    verified: Verified,
}

impl Rounds {
    /// Load, a kill, a start, a look at what is there.
    fn round(&mut self, number: u64) {
        let moment = MOMENTS[(number % 4) as usize];
        let (writes, more) = (50 + self.rng.below(600), self.rng.below(12));
        self.ledger.progress.send_replace(Progress::default());
        let runtime = runtime();
        let mut tasks = runtime.block_on(async {
            let tasks = load::start(&self.member.api().await, &self.ledger, number);
            until(&self.ledger, writes, moment, more).await;
            tasks
        });
        self.member.kill();
        self.ledger.progress.send_modify(|progress| progress.killed = true);
        runtime.block_on(async {
            while let Some(ended) = timeout(ROUND_MAX, tasks.join_next()).await.unwrap() {
                // Before the kill there is no reason for any of them to end.
                let status = ended.unwrap();
                let broken = std::error::Error::source(&status).is_some();
                assert!(broken || status.code() == tonic::Code::Unavailable, "{status:?}");
            }
        });
        self.total.add(*self.ledger.progress.borrow());
        if moment == Moment::Start {
            let after = Duration::from_micros(self.rng.below(START_MAX_MS * 1000));
            self.member.start_and_kill(after);
        }
        self.member.start();
        let verified = runtime.block_on(async {
            let api = self.member.api().await;
            verify(&api, &self.ledger, &mut self.model).await
        });
        println!("round {number}: {moment:?} after {writes} writes; {verified:?}");
        self.verified += verified;
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let number = count("OXETCD_KILL_ROUNDS", 8);
    let seed = count("OXETCD_SEED", 1);
    println!("seed {seed}");
    let mut member = Member::new("killed", server_under_test(), &FLAGS);
    if !reference_is_under_test() {
        // So that the reference can open the directory at the end.
        member.options.arguments.push("--max-cluster-version=3.5".to_owned());
    }
    member.start();
    let mut rounds = Rounds {
        member,
        ledger: Arc::new(Ledger::new()),
        model: Model::default(),
        rng: SeededRng::new(seed),
        total: Total::default(),
        verified: Verified::default(),
    };
    (0..number).for_each(|round| rounds.round(round));
    let Rounds { mut member, ledger, mut model, total, verified, .. } = rounds;
    println!("{number} rounds; acknowledged: {total:?}");
    println!("after the restarts: {verified:?}");
    assert_eq!(verified.writes, total.writes, "every acknowledged write was looked for");
    for done in [total.revokes, total.compactions, total.defragmentations, verified.hashes] {
        assert!(done >= number, "too little was done to show anything");
    }
    member.kill();
    member.options.arguments.retain(|flag| !flag.starts_with("--max-cluster-version"));
    member.options.program = harness::reference().unwrap().program("etcd");
    member.start();
    runtime().block_on(async { verify(&member.api().await, &ledger, &mut model).await });
}
