//! A client that does what an API server does: objects changed by compare-and-swap on their
//! revision, lists in pages at one revision, and deletes of what it read.

use std::time::Duration;

use bytes::Bytes;
use checker::{Call, Outcome, Reply, unchanged_since};
use env::Rng as _;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

use crate::clients::session::Session;

/// Objects.
const OBJECTS: u64 = 12;
/// Objects of a page.
const PAGE: i64 = 4;
/// Between two things that it does, at most.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(mut session: Session) {
    let mut made = 0_u64;
    loop {
        session.pause(PAUSE).await;
        let done = match session.rng.below(4) {
            0 => list(&mut session).await,
            _ => change(&mut session, &mut made).await,
        };
        if done.is_none() {
            return;
        }
    }
}

/// Reads an object and writes it, or deletes it, if it is still what was read.
async fn change(session: &mut Session, made: &mut u64) -> Option<()> {
    let key = Bytes::from(format!("registry/pods/{:02}", session.rng.below(OBJECTS)));
    let serializable = session.rng.below(3) == 0;
    let get = RangeRequest { key: key.clone(), serializable, ..RangeRequest::default() };
    let read = session.call(Call::Range(get)).await?;
    let Outcome::Done { reply: Reply::Range(range), .. } = read else { return Some(()) };
    let known = range.kvs.first().map_or(0, |kv| kv.mod_revision);
    let compare = unchanged_since(key.clone(), known);
    *made += 1;
    let write = if known > 0 && session.rng.below(5) == 0 {
        let delete = DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() };
        Request::RequestDeleteRange(delete)
    } else {
        let value = format!("object {} of {}", made, session.client).into();
        Request::RequestPut(PutRequest { key: key.clone(), value, ..PutRequest::default() })
    };
    let get = Request::RequestRange(RangeRequest { key, ..RangeRequest::default() });
    let operation = |request| RequestOp { request: Some(request) };
    let txn = TxnRequest {
        compare: vec![compare],
        success: vec![operation(write)],
        failure: vec![operation(get)],
    };
    session.call(Call::Txn(txn)).await.map(drop)
}

/// Lists all objects in pages, all at the revision of the first.
async fn list(session: &mut Session) -> Option<()> {
    let mut key = Bytes::from_static(b"registry/");
    let mut revision = 0;
    loop {
        let page = RangeRequest {
            key: key.clone(),
            range_end: Bytes::from_static(b"registry0"),
            limit: PAGE,
            revision,
            ..RangeRequest::default()
        };
        let read = session.call(Call::Range(page)).await?;
        let Outcome::Done { header, reply: Reply::Range(range), .. } = read else {
            return Some(());
        };
        if revision == 0 {
            revision = header.revision;
        }
        let Some(last) = range.kvs.last().filter(|_| range.more) else { return Some(()) };
        key = [&last.key[..], b"\0"].concat().into();
    }
}
