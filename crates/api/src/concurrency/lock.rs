//! `v3lockpb.Lock`: whoever's key below the name was created first has the lock.

use bytes::Bytes;
use proto::error::Error as Known;
use proto::etcdserverpb::TxnRequest;
use proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};

use super::{prefix, queue, session, session_key};
use crate::{Caller, Error, Service};

/// Waits for the lock; its key exists until it is deleted or its lease ends.
///
/// # Errors
/// As the requests it is made of; `mutex: session is expired` if the lease ended meanwhile.
pub async fn lock<S: Service + Clone>(
    service: &S,
    caller: &Caller,
    request: LockRequest,
) -> Result<LockResponse, Error> {
    let lease = session(service, caller, request.lease).await?;
    let prefix = prefix(&request.name);
    let key = Bytes::from(session_key(&prefix, lease));
    let txn = TxnRequest {
        compare: vec![queue::created_at(&key, 0)],
        success: vec![
            queue::put_op(&key, Bytes::new(), lease),
            queue::range_op(queue::first_created(&prefix)),
        ],
        failure: vec![
            queue::range_op(queue::get(&key)),
            queue::range_op(queue::first_created(&prefix)),
        ],
    };
    let answer = service.txn(caller, txn).await.map_err(Error::into_unknown)?;
    let mine = if answer.succeeded {
        queue::revision(answer.header.as_ref())
    } else {
        queue::first_of_op(&answer, 0).map_or(0, |kv| kv.create_revision)
    };
    let owner = queue::first_of_op(&answer, 1);
    if owner.is_none_or(|owner| owner.create_revision == mine) {
        return Ok(LockResponse { header: answer.header, key });
    }
    let entry = Entry { service: service.clone(), caller: caller.clone(), key: Some(key.clone()) };
    queue::wait_for_deletes(service, caller, &prefix, mine - 1)
        .await
        .map_err(Error::into_unknown)?;
    // The lease may have ended while the lock was waited for, and the key with it.
    let answer = service.range(caller, queue::get(&key)).await.map_err(Error::into_unknown)?;
    entry.keep();
    if answer.kvs.is_empty() {
        return Err(Known::MutexSessionExpired.into());
    }
    Ok(LockResponse { header: answer.header, key })
}

/// Gives the lock back.
///
/// # Errors
/// As a delete.
pub async fn unlock<S: Service>(
    service: &S,
    caller: &Caller,
    request: UnlockRequest,
) -> Result<UnlockResponse, Error> {
    let deleted = service.delete_range(caller, queue::delete(&request.key)).await;
    Ok(UnlockResponse { header: deleted.map_err(Error::into_unknown)?.header })
}

/// A place in the queue. Given up when the caller gives up waiting.
struct Entry<S: Service + Clone> {
    service: S,
    caller: Caller,
    key: Option<Bytes>,
}

impl<S: Service + Clone> Entry<S> {
    fn keep(mut self) {
        self.key = None;
    }
}

impl<S: Service + Clone> Drop for Entry<S> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let (service, caller) = (self.service.clone(), self.caller.clone());
        tokio::spawn(async move {
            // Should this fail, the end of the lease deletes the key.
            let _ = service.delete_range(&caller, queue::delete(&key)).await;
        });
    }
}
