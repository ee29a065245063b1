//! The same seeded sequences of requests against the real etcd and the server under test: equal
//! answers, equal events, and the same HashKV at every revision that is still there at the end.
//!
//! `OXETCD_SEQUENCES` sets how many sequences run (1000 for the full run), `OXETCD_SEED` the first
//! seed. A sequence does not depend on the ones before it: revisions in it count from its beginning.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/sequences/answer.rs"]
mod answer;
#[path = "support/sequences/generator.rs"]
mod generator;
mod support;

use answer::{Answer, send};
use generator::{Generator, Request};
use proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseLeasesRequest, LeaseRevokeRequest, PutRequest,
};
use std::fmt::Write as _;
use support::{Api, Member, count, runtime, server_under_test};

/// Requests of a sequence.
const REQUESTS: usize = 220;

/// Sequences that share two servers.
const SHARE_MAX: u64 = 50;

/// A sequence begins at this revision or later.
const REVISION_MIN: i64 = 10;

/// Differences that are shown before the test gives up.
const SHOWN_MAX: usize = 5;

/// What one sequence compared.
#[derive(Default)]
struct Compared {
    requests: u64,
    refused: u64,
    hashes: u64,
    events: u64,
}

/// How far the compactions ordered so far are known to be.
///
/// A compaction's own hash answers HashKV at its revision if the compaction before it had come to
/// its end; for one that the client did not wait for, that is a matter of luck on either server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compactions {
    Finished,
    Unknown,
}

/// Whether a compaction's hash is there to be asked for.
#[derive(PartialEq, Eq)]
enum Hash {
    Kept,
    Unknown,
}

impl Compactions {
    /// Takes in one more, which was waited for or was not.
    fn next(&mut self, physical: bool) -> Hash {
        let before = *self;
        *self = if physical { Self::Finished } else { Self::Unknown };
        if physical && before == Self::Finished { Hash::Kept } else { Hash::Unknown }
    }
}

struct Pair {
    expected: (Member, Api),
    found: (Member, Api),
    sequences: u64,
}

impl Pair {
    async fn start() -> Self {
        let flags = ["--unsafe-no-fsync", "--log-level=warn"];
        let program = harness::reference().unwrap().program("etcd");
        let expected = Member::started("sequence-expected", program, &flags);
        let found = Member::started("sequence-found", server_under_test(), &flags);
        let apis = (expected.api().await, found.api().await);
        Self { expected: (expected, apis.0), found: (found, apis.1), sequences: 0 }
    }

    async fn run(&mut self, seed: u64) -> Result<Compared, String> {
        self.sequences += 1;
        let (one, two) = (&self.expected.1, &self.found.1);
        let (base, other_base) = tokio::join!(wipe(one), wipe(two));
        if base != other_base {
            return Err(format!("begins at revision {base} and {other_base}"));
        }
        let mut generator = Generator::new(seed, base);
        let mut compared = Compared::default();
        let mut last = Vec::new();
        let mut compactions = Compactions::Finished;
        for number in 0..REQUESTS {
            let request = generator.next();
            let (expected, found) = tokio::join!(send(one, &request), send(two, &request));
            last.push(request.clone());
            if !expected.agrees(&found, &request) {
                return Err(difference(number, &last, &expected, &found));
            }
            compared.requests += 1;
            compared.refused += u64::from(expected.refused());
            generator.observe(&request, &expected);
            if let (Request::Compact(compaction), false) = (&request, expected.refused())
                && compactions.next(compaction.physical) == Hash::Kept
            {
                self.compare_hash(compaction.revision, &mut compared).await?;
            }
        }
        let (mut first, mut last) = generator.available();
        // The first waits for the compactions before it, the second's hash is kept.
        for _ in 0..2 {
            if first == last {
                let put = PutRequest { key: "start".into(), ..PutRequest::default() };
                self.ask_both(Request::Put(put)).await?;
                last += 1;
            }
            first += 1;
            let compaction = CompactionRequest { revision: first, physical: true };
            self.ask_both(Request::Compact(compaction)).await?;
        }
        self.compare_history(first, last, &mut compared).await?;
        Ok(compared)
    }

    /// Sends a request that the generator does not know of.
    async fn ask_both(&self, request: Request) -> Result<(), String> {
        let (one, two) = (&self.expected.1, &self.found.1);
        let (expected, found) = tokio::join!(send(one, &request), send(two, &request));
        if expected == found && !expected.refused() {
            return Ok(());
        }
        Err(difference(REQUESTS, &[request], &expected, &found))
    }

    /// Compares HashKV at a revision; 0 for the newest.
    async fn compare_hash(&self, revision: i64, compared: &mut Compared) -> Result<(), String> {
        let (one, two) = (&self.expected.1, &self.found.1);
        let (expected, found) = tokio::join!(one.hash_kv(revision), two.hash_kv(revision));
        let plain = |hash: Result<proto::etcdserverpb::HashKvResponse, tonic::Status>| {
            let hash = hash.map_err(|status| (status.code(), status.message().to_owned()))?;
            let revision = hash.header.map(|header| header.revision);
            Ok::<_, (tonic::Code, String)>((hash.hash, hash.compact_revision, revision))
        };
        let (expected, found) = (plain(expected), plain(found));
        if expected != found || expected.is_err() {
            return Err(format!("HashKV at {revision}: expected {expected:?}, found {found:?}"));
        }
        compared.hashes += 1;
        Ok(())
    }

    async fn compare_history(
        &self,
        first: i64,
        last: i64,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let (one, two) = (&self.expected.1, &self.found.1);
        for revision in (first..=last).chain([0]) {
            let compared = self.compare_hash(revision, compared).await;
            compared.map_err(|difference| format!("of {first}..={last}, {difference}"))?;
        }
        // The compacted revision itself can still be read, but not watched from.
        let (expected, found) =
            tokio::join!(one.events(first + 1, last), two.events(first + 1, last));
        if let Some(at) =
            (0..expected.len().max(found.len())).find(|&i| expected.get(i) != found.get(i))
        {
            let (expected, found) = (expected.get(at), found.get(at));
            return Err(format!("event {at}: expected {expected:?}, found {found:?}"));
        }
        compared.events += expected.len() as u64;
        Ok(())
    }
}

/// Leaves one key, no lease and no history; the revision then.
async fn wipe(api: &Api) -> i64 {
    let all = vec![0_u8];
    let delete = DeleteRangeRequest {
        key: all.clone().into(),
        range_end: all.into(),
        ..DeleteRangeRequest::default()
    };
    api.kv.clone().delete_range(delete).await.unwrap();
    let leases = api.lease.clone().lease_leases(LeaseLeasesRequest {}).await.unwrap().into_inner();
    for lease in leases.leases {
        api.lease.clone().lease_revoke(LeaseRevokeRequest { id: lease.id }).await.unwrap();
    }
    let mut revision = 0;
    // Revisions before the beginning are positive numbers on a new server too.
    while revision < REVISION_MIN {
        revision = api.put(b"start", b"").await.unwrap().header.unwrap().revision;
    }
    let compaction = CompactionRequest { revision, physical: true };
    api.kv.clone().compact(compaction).await.unwrap();
    revision
}

fn difference(number: usize, last: &[Request], expected: &Answer, found: &Answer) -> String {
    let mut text = format!("request {number}\n");
    for request in &last[last.len().saturating_sub(3)..] {
        let _ = writeln!(text, "  {request:?}");
    }
    let _ = write!(text, "expected {expected:?}\nfound    {found:?}");
    text
}

#[test]
fn sequences_give_equal_answers() {
    let sequences = count("OXETCD_SEQUENCES", 40);
    let seed = count("OXETCD_SEED", 1);
    let (mut total, mut differences) = (Compared::default(), Vec::new());
    // Alive at the panic, so that their folders stay to be looked at.
    let mut kept = Vec::new();
    runtime().block_on(async {
        let mut pair = Pair::start().await;
        for seed in seed..seed + sequences {
            if pair.sequences == SHARE_MAX {
                pair = Pair::start().await;
            }
            match pair.run(seed).await {
                Ok(one) => {
                    total.requests += one.requests;
                    total.refused += one.refused;
                    total.hashes += one.hashes;
                    total.events += one.events;
                }
                Err(difference) => {
                    println!("seed {seed}: {difference}\n");
                    differences.push(seed);
                    if differences.len() == SHOWN_MAX {
                        break;
                    }
                    kept.push(std::mem::replace(&mut pair, Pair::start().await));
                }
            }
        }
    });
    let Compared { requests, refused, hashes, events } = total;
    println!(
        "{sequences} sequences of {REQUESTS} requests asked for: {requests} answers equal \
         ({refused} of them refusals), {hashes} hashes, {events} events; different seeds: \
         {differences:?}"
    );
    assert!(differences.is_empty());
    assert!(refused > 0 && refused * 3 < requests, "a sound part of the requests is refused");
}
