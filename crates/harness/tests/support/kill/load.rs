//! The load of a round: writers, leases, compactions, defragmentations, and a watch of everything.
//! Each task ends with its first error, which is the server's end.

use super::ledger::{Changes, Lease, Ledger, Progress};
use crate::support::Api;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, DeleteRangeRequest, LeaseGrantRequest,
    LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest, RequestOp, ResponseHeader, TxnRequest,
    WatchCreateRequest, WatchRequest, request_op,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tonic::{Request, Status};

/// Writers at once.
const WRITERS: u64 = 4;

/// Keys of each writer.
const KEYS: u64 = 23;

/// History that stays.
const KEPT_REVISIONS: i64 = 60;

/// Every so many values is long, so that the log's segments and the file's pages fill.
const LONG_VALUE_EVERY: u64 = 29;
const LONG_VALUE_BYTES: usize = 150_000;

/// Leases that live at once.
const KEPT_LEASES: usize = 20;

/// In seconds: none ends by itself.
pub const TTL: i64 = 100_000;

/// Starts all tasks.
pub fn start(api: &Api, ledger: &Arc<Ledger>, seed: u64) -> JoinSet<Status> {
    let mut tasks = JoinSet::new();
    let mut spawn = |task: fn(Api, Arc<Ledger>, u64) -> Task, argument| {
        let running = task(api.clone(), Arc::clone(ledger), argument);
        tasks.spawn(async move {
            let Err(status) = running.await;
            status
        });
    };
    for number in 0..WRITERS {
        spawn(|api, ledger, turn| Box::pin(write(api, ledger, turn)), seed * WRITERS + number);
    }
    spawn(|api, ledger, _| Box::pin(leases(api, ledger)), 0);
    spawn(|api, ledger, _| Box::pin(compact(api, ledger)), 0);
    spawn(|api, ledger, _| Box::pin(defragment(api, ledger)), 0);
    spawn(|api, ledger, _| Box::pin(observe(api, ledger)), 0);
    tasks
}

type Endless = Result<std::convert::Infallible, Status>;
type Task = std::pin::Pin<Box<dyn Future<Output = Endless> + Send>>;

fn put(key: &[u8], value: &[u8], lease: i64) -> PutRequest {
    PutRequest {
        key: key.to_vec().into(),
        value: value.to_vec().into(),
        lease,
        ..PutRequest::default()
    }
}

fn revision(header: Option<ResponseHeader>) -> i64 {
    header.unwrap_or_default().revision
}

/// A value that was never written before.
fn value(ledger: &Ledger) -> Vec<u8> {
    let number = ledger.number();
    let mut value = format!("value {number}").into_bytes();
    if number.is_multiple_of(LONG_VALUE_EVERY) {
        value.resize(LONG_VALUE_BYTES, b'.');
    }
    value
}

/// Single puts, transactions of three puts, and deletions, on keys of the writer's own.
async fn write(api: Api, ledger: Arc<Ledger>, seed: u64) -> Endless {
    let mut kv = api.kv.clone();
    let mut turn = seed;
    loop {
        turn += 1;
        let key = |offset| format!("w{}/{}", seed % WRITERS, (turn + offset) % KEYS).into_bytes();
        if turn.is_multiple_of(11) {
            let sent = ledger.sends(Changes::from([(key(0), None)]));
            let delete = DeleteRangeRequest { key: key(0).into(), ..DeleteRangeRequest::default() };
            let answer = kv.delete_range(delete).await?.into_inner();
            if answer.deleted == 0 {
                ledger.changed_nothing(sent);
            } else {
                ledger.acknowledged(sent, revision(answer.header));
            }
            continue;
        }
        let keys = if turn.is_multiple_of(5) { 3 } else { 1 };
        let puts: BTreeMap<_, _> = (0..keys).map(|at| (key(at), value(&ledger))).collect();
        let sent = ledger
            .sends(puts.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect());
        let mut puts: Vec<_> = puts.iter().map(|(key, value)| put(key, value, 0)).collect();
        let header = if puts.len() == 1 {
            kv.put(puts.remove(0)).await?.into_inner().header
        } else {
            let op = |put| RequestOp { request: Some(request_op::Request::RequestPut(put)) };
            let success = puts.into_iter().map(op).collect();
            kv.txn(TxnRequest { success, ..TxnRequest::default() }).await?.into_inner().header
        };
        ledger.acknowledged(sent, revision(header));
    }
}

/// Grants, attaches two keys, renews, and revokes the oldest when there are enough.
async fn leases(api: Api, ledger: Arc<Ledger>) -> Endless {
    let (mut kv, mut lease) = (api.kv.clone(), api.lease.clone());
    let mut alive = std::mem::take(&mut ledger.state().alive);
    loop {
        let id = i64::try_from(ledger.number()).expect("a small number");
        ledger.lease(id, Lease::Unknown);
        lease.lease_grant(LeaseGrantRequest { ttl: TTL, id }).await?;
        ledger.lease(id, Lease::Granted);
        let keys = ["a", "b"].map(|name| format!("leased/{id}/{name}").into_bytes());
        for key in &keys {
            let value = value(&ledger);
            let sent = ledger.sends(Changes::from([(key.clone(), Some(value.clone()))]));
            let answer = kv.put(put(key, &value, id)).await?.into_inner();
            ledger.acknowledged(sent, revision(answer.header));
        }
        renew(&api, &ledger, id).await?;
        alive.push_back((id, keys.to_vec()));
        while alive.len() > KEPT_LEASES
            && let Some((id, keys)) = alive.pop_front()
        {
            ledger.lease(id, Lease::Ending);
            let has_keys = !keys.is_empty();
            let sent = ledger.sends(keys.into_iter().map(|key| (key, None)).collect());
            let answer = lease.lease_revoke(LeaseRevokeRequest { id }).await?.into_inner();
            ledger.lease(id, Lease::Revoked);
            if has_keys {
                ledger.acknowledged(sent, revision(answer.header));
            } else {
                ledger.changed_nothing(sent);
            }
        }
    }
}

async fn renew(api: &Api, ledger: &Ledger, id: i64) -> Result<(), Status> {
    let request = tokio_stream::iter([LeaseKeepAliveRequest { id }]);
    let mut answers = api.lease.clone().lease_keep_alive(request).await?.into_inner();
    let answer = answers.message().await?;
    let answer = answer.ok_or_else(|| Status::unavailable("no answer to a renewal"))?;
    if answer.ttl != TTL {
        return Err(Status::internal(format!("lease {id} was renewed for {} s", answer.ttl)));
    }
    ledger.progress.send_modify(|progress| progress.keepalives += 1);
    Ok(())
}

fn dead() -> Status {
    Status::unavailable("the server is dead")
}

/// Compacts what the watch has seen, so that no history is lost before it was looked at.
async fn compact(api: Api, ledger: Arc<Ledger>) -> Endless {
    let mut progress = ledger.progress.subscribe();
    let mut kv = api.kv.clone();
    let mut physical = false;
    loop {
        let revision = ledger.seen_revision() - KEPT_REVISIONS;
        if revision <= ledger.state().compacted {
            // Another write may help.
            if progress.changed().await.is_err() || progress.borrow().killed {
                return Err(dead());
            }
            continue;
        }
        physical = !physical;
        ledger.progress.send_modify(|progress| progress.compactions_sent += 1);
        kv.compact(CompactionRequest { revision, physical }).await?;
        ledger.state().compacted = revision;
        ledger.progress.send_modify(|progress| progress.compactions += 1);
    }
}

async fn defragment(api: Api, ledger: Arc<Ledger>) -> Endless {
    let mut progress = ledger.progress.subscribe();
    let mut maintenance = api.maintenance.clone();
    loop {
        // Between two of them some writes come through.
        let before = ledger.progress.borrow().writes;
        let enough = |progress: &Progress| progress.killed || progress.writes > before + 25;
        if progress.wait_for(enough).await.is_ok_and(|progress| progress.killed) {
            return Err(dead());
        }
        ledger.progress.send_modify(|progress| progress.defragmentations_sent += 1);
        maintenance.defragment(DefragmentRequest {}).await?;
        ledger.progress.send_modify(|progress| progress.defragmentations += 1);
    }
}

async fn observe(api: Api, ledger: Arc<Ledger>) -> Endless {
    let create = WatchCreateRequest {
        key: vec![0].into(),
        range_end: vec![0].into(),
        start_revision: ledger.seen_revision() + 1,
        ..WatchCreateRequest::default()
    };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    requests.send(create).await.map_err(|_| Status::internal("the channel is new"))?;
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut responses = api.watch.clone().watch(Request::new(receiver)).await?.into_inner();
    loop {
        let Some(response) = responses.message().await? else {
            return Err(Status::unavailable("the watch ended"));
        };
        if response.canceled {
            return Err(Status::internal(format!("the watch was canceled: {response:?}")));
        }
        ledger.saw(response.events);
    }
}
