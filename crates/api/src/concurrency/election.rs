//! `v3electionpb.Election`: whoever's key below the name was created first is the leader.

use bytes::Bytes;
use proto::error::Error as Known;
use proto::etcdserverpb::{RequestOp, ResponseHeader, TxnRequest, request_op::Request};
use proto::mvccpb::{KeyValue, event::EventType};
use proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use tokio::sync::mpsc;

use super::queue::{self, Watch};
use super::{prefix, session, session_key};
use crate::{Caller, Error, Replies, Service};

/// Waits until the caller leads.
///
/// # Errors
/// As the requests it is made of.
pub async fn campaign<S: Service + Clone>(
    service: &S,
    caller: &Caller,
    request: CampaignRequest,
) -> Result<CampaignResponse, Error> {
    let lease = session(service, caller, request.lease).await?;
    let prefix = prefix(&request.name);
    let key = Bytes::from(session_key(&prefix, lease));
    let txn = TxnRequest {
        compare: vec![queue::created_at(&key, 0)],
        success: vec![queue::put_op(&key, request.value.clone(), lease)],
        failure: vec![queue::range_op(queue::get(&key))],
    };
    let answer = service.txn(caller, txn).await.map_err(Error::into_unknown)?;
    let mut leader =
        LeaderKey { name: request.name, key, rev: queue::revision(answer.header.as_ref()), lease };
    if let Some(before) = queue::first_of_op(&answer, 0).filter(|_| !answer.succeeded) {
        leader.rev = before.create_revision;
        if before.value != request.value {
            announce(service, caller, &leader, request.value).await?;
        }
    }
    let candidacy = Candidacy {
        service: service.clone(),
        caller: caller.clone(),
        leader: Some(leader.clone()),
    };
    let waited = queue::wait_for_deletes(service, caller, &prefix, leader.rev - 1).await;
    candidacy.keep();
    waited.map_err(Error::into_unknown)?;
    Ok(CampaignResponse { header: answer.header, leader: Some(leader) })
}

/// Changes the leader's value.
///
/// # Errors
/// `election: not leader`, `"leader" field must be provided`, or as a transaction.
pub async fn proclaim<S: Service>(
    service: &S,
    caller: &Caller,
    request: ProclaimRequest,
) -> Result<ProclaimResponse, Error> {
    let mut leader = request.leader.ok_or(Known::ElectionMissingLeaderKey)?;
    leader.lease = session(service, caller, leader.lease).await?;
    Ok(ProclaimResponse { header: announce(service, caller, &leader, request.value).await? })
}

/// Steps down; not to lead is no error.
///
/// # Errors
/// `"leader" field must be provided`, or as a transaction.
pub async fn resign<S: Service>(
    service: &S,
    caller: &Caller,
    request: ResignRequest,
) -> Result<ResignResponse, Error> {
    let leader = request.leader.ok_or(Known::ElectionMissingLeaderKey)?;
    session(service, caller, leader.lease).await?;
    let answer = service.txn(caller, resignation(&leader)).await.map_err(Error::into_unknown)?;
    Ok(ResignResponse { header: answer.header })
}

/// Who leads.
///
/// # Errors
/// `election: no leader`, or as a range.
pub async fn leader<S: Service>(
    service: &S,
    caller: &Caller,
    request: LeaderRequest,
) -> Result<LeaderResponse, Error> {
    let range = queue::first_created(&prefix(&request.name));
    let answer = service.range(caller, range).await.map_err(Error::into_unknown)?;
    let kv = queue::first_of(&answer).ok_or(Known::ElectionNoLeader)?;
    Ok(LeaderResponse { header: answer.header, kv: Some(kv) })
}

/// Who leads, and everyone who does later. Ends without an error when it cannot go on, as in Go.
///
/// # Errors
/// None at the start.
pub async fn observe<S: Service + Clone>(
    service: &S,
    caller: &Caller,
    request: LeaderRequest,
) -> Result<Replies<LeaderResponse>, Error> {
    let (sender, replies) = crate::replies();
    let (service, caller) = (service.clone(), caller.clone());
    tokio::spawn(async move {
        let prefix = prefix(&request.name);
        let observed = observe_all(&service, &caller, &prefix, &sender);
        tokio::select! {
            _ = observed => {}
            () = sender.closed() => {}
        }
    });
    Ok(replies)
}

type Observers = mpsc::Sender<Result<LeaderResponse, Error>>;

async fn observe_all<S: Service>(
    service: &S,
    caller: &Caller,
    prefix: &[u8],
    observers: &Observers,
) -> Result<(), Error> {
    loop {
        let answer = service.range(caller, queue::first_created(prefix)).await?;
        let (header, kv) = match queue::first_of(&answer) {
            Some(kv) => (answer.header, kv),
            None => first_put(service, caller, prefix, answer.header).await?,
        };
        let (key, from) = (kv.key.clone(), queue::revision(header.as_ref()) + 1);
        if !tell(observers, header, kv).await {
            return Ok(());
        }
        let mut watch = Watch::start(service, caller, key, Bytes::new(), from).await?;
        'leads: loop {
            let (revision, events) = watch.next().await?;
            for event in events {
                if event.r#type() == EventType::Delete {
                    break 'leads;
                }
                let header = header.map(|header| ResponseHeader { revision, ..header });
                if !tell(observers, header, event.kv.unwrap_or_default()).await {
                    return Ok(());
                }
            }
        }
    }
}

async fn tell(observers: &Observers, header: Option<ResponseHeader>, kv: KeyValue) -> bool {
    observers.send(Ok(LeaderResponse { header, kv: Some(kv) })).await.is_ok()
}

/// Waits for the first key below the prefix.
async fn first_put<S: Service>(
    service: &S,
    caller: &Caller,
    prefix: &[u8],
    header: Option<ResponseHeader>,
) -> Result<(Option<ResponseHeader>, KeyValue), Error> {
    let from = queue::revision(header.as_ref());
    let (key, end) = (Bytes::copy_from_slice(prefix), queue::prefix_end(prefix));
    let mut watch = Watch::start(service, caller, key, end, from).await?;
    loop {
        let puts = watch.next().await?.1.into_iter();
        let put = puts.filter(|event| event.r#type() == EventType::Put).find_map(|event| event.kv);
        if let Some(kv) = put {
            let header =
                header.map(|header| ResponseHeader { revision: kv.mod_revision, ..header });
            return Ok((header, kv));
        }
    }
}

async fn announce<S: Service>(
    service: &S,
    caller: &Caller,
    leader: &LeaderKey,
    value: Bytes,
) -> Result<Option<ResponseHeader>, Error> {
    let txn = TxnRequest {
        compare: vec![queue::created_at(&leader.key, leader.rev)],
        success: vec![queue::put_op(&leader.key, value, leader.lease)],
        failure: Vec::new(),
    };
    let answer = service.txn(caller, txn).await.map_err(Error::into_unknown)?;
    if answer.succeeded { Ok(answer.header) } else { Err(Known::ElectionNotLeader.into()) }
}

fn resignation(leader: &LeaderKey) -> TxnRequest {
    let delete = Request::RequestDeleteRange(queue::delete(&leader.key));
    TxnRequest {
        compare: vec![queue::created_at(&leader.key, leader.rev)],
        success: vec![RequestOp { request: Some(delete) }],
        failure: Vec::new(),
    }
}

/// A candidate who waits. Given up when the caller gives up waiting.
struct Candidacy<S: Service + Clone> {
    service: S,
    caller: Caller,
    leader: Option<LeaderKey>,
}

impl<S: Service + Clone> Candidacy<S> {
    fn keep(mut self) {
        self.leader = None;
    }
}

impl<S: Service + Clone> Drop for Candidacy<S> {
    fn drop(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        let (service, caller) = (self.service.clone(), self.caller.clone());
        tokio::spawn(async move {
            // Should this fail, the end of the lease deletes the key.
            let _ = service.txn(&caller, resignation(&leader)).await;
        });
    }
}
