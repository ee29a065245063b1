//! The end of a load: everything that was written arrives everywhere.

use crate::api::Api;
use crate::load::{Load, Recording};
use crate::send::send;
use crate::shared::{Record, Shared};
use anyhow::{Context, Result, bail, ensure};
use checker::{Base, Call, Final, Hash, History, Member, Operation, Outcome};
use proto::etcdserverpb::PutRequest;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long members may take to agree.
const AGREE_MAX: Duration = Duration::from_secs(60);

const DIAL_MAX: Duration = Duration::from_secs(2);

/// A lease that nobody keeps alive may outlive its time by so much: elections extend leases.
const LEASE_GRACE: Duration = Duration::from_secs(60);

/// See [`Load::finish`].
pub async fn finish(mut load: Load) -> Result<Recording> {
    load.shared.end();
    while let Some(ended) = load.clients.join_next().await {
        ended.context("a client of the load broke")?;
    }
    let shared = load.shared;
    let last = last_write(&shared, load.plan.seed).await?;
    // Leases may end meanwhile: what members hold is asked for until they agree.
    let finals = agree(&shared, last).await?;
    let newest = finals.iter().map(|found| found.revision).max().unwrap_or(last);
    shared.target.store(newest, Ordering::Release);
    while let Some(ended) = load.watchers.join_next().await {
        ended.context("a watch of the load broke")?;
    }
    let hashes = final_hashes(&shared, newest).await?;
    let end = shared.now();
    let record = shared.record(|record| {
        record.hashes.extend(hashes);
        std::mem::take(record)
    });
    ensure!(record.broken.is_empty(), "not recorded: {:?}", record.broken);
    let history = History {
        base: Base::default(),
        operations: record.operations,
        watches: record.watches,
        starts: record.starts,
        hashes: record.hashes,
        finals,
        end,
        settled: Some(newest),
        lease_grace: Some(LEASE_GRACE),
    };
    let Record { failures, compared, kept_lost, .. } = record;
    Ok(Recording { history, failures, compared, kept_lost })
}

/// A write behind all others; its revision.
async fn last_write(shared: &Shared, seed: u64) -> Result<i64> {
    let start = Instant::now();
    for number in 0_u32.. {
        for (member, endpoint) in shared.members() {
            let Ok(api) = Api::connect(&endpoint, DIAL_MAX).await else { continue };
            let value = format!("end of {seed}, {number}");
            let put =
                PutRequest { key: "end".into(), value: value.into(), ..PutRequest::default() };
            let (begin, call) = (shared.now(), Call::Put(put));
            let sent = tokio::time::timeout(AGREE_MAX, send(&api, &call)).await;
            let end = shared.now();
            let outcome = match sent {
                Ok(Ok((header, reply))) => Outcome::Done { end, header, reply },
                Ok(Err(_)) | Err(_) => Outcome::Unknown,
            };
            let revision = match &outcome {
                Outcome::Done { header, .. } => Some(header.revision),
                _ => None,
            };
            let operation = Operation { client: 0, member, begin, call, outcome };
            shared.record(|record| record.operations.push(operation));
            if let Some(revision) = revision {
                return Ok(revision);
            }
        }
        ensure!(start.elapsed() < AGREE_MAX, "no member takes a write at the end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no member takes a write at the end")
}

/// What each member holds, once all are at one revision.
async fn agree(shared: &Shared, at_least: i64) -> Result<Vec<Final>> {
    let start = Instant::now();
    loop {
        let mut finals = Vec::new();
        let mut silent = None;
        for (member, endpoint) in shared.members() {
            match state(member, &endpoint).await {
                Ok(found) => finals.push(found),
                Err(error) => silent = Some(error.context(format!("{member} at {endpoint}"))),
            }
        }
        let revisions: Vec<i64> = finals.iter().map(|found| found.revision).collect();
        let equal = revisions.iter().all(|&at| at >= at_least && at == revisions[0]);
        if equal && silent.is_none() {
            return Ok(finals);
        }
        if start.elapsed() > AGREE_MAX {
            bail!("members don't agree: wanted {at_least}, found {revisions:?}; {silent:?}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn state(member: Member, endpoint: &str) -> Result<Final> {
    let api = Api::connect(endpoint, DIAL_MAX).await?;
    let range = tokio::time::timeout(DIAL_MAX, api.all()).await.context("it does not answer")??;
    let revision = range.header.context("an answer without a header")?.revision;
    Ok(Final { member, revision, kvs: range.kvs })
}

async fn final_hashes(shared: &Shared, revision: i64) -> Result<Vec<Hash>> {
    let mut hashes = Vec::new();
    for (member, endpoint) in shared.members() {
        let hash = crate::compactor::hash(member, &endpoint, revision, 0).await;
        hashes.push(hash.with_context(|| format!("{member} gives no hash at {revision}"))?);
    }
    Ok(hashes)
}
