//! Elections: one session leads at a time, and everybody can see which.

use std::sync::Arc;

use bytes::Bytes;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    PutRequest, RangeResponse, ResponseHeader, TxnRequest, WatchCreateRequest,
};
use proto::mvccpb::KeyValue;
use proto::mvccpb::event::EventType;

use crate::client::Client;
use crate::error::Error;
use crate::queue::{Place, created_in, end_of_prefix, enter, first, operation, transact};
use crate::session::Session;
use crate::watch::Watch;

/// A session that leads.
#[derive(Debug)]
pub struct Leadership<'a> {
    session: &'a Session,
    place: Place,
}

impl<'a> Leadership<'a> {
    /// Waits until the session leads, with a value for the others to see. If it fails, no key of it
    /// is left behind.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] if the session is lost while waiting; what a call answers.
    pub async fn campaign(session: &'a Session, name: &[u8], value: &[u8]) -> Result<Self, Error> {
        let leadership = Self { session, place: enter(session, name, value).await? };
        let found = leadership.place.found.as_ref();
        let outcome = async {
            if found.is_some_and(|kv| kv.value != value) {
                leadership.proclaim(value).await?;
            }
            tokio::select! {
                waited = leadership.place.wait(session.client()) => waited,
                () = session.lost() => Err(Error::SessionExpired),
            }
        };
        match outcome.await {
            Ok(()) => Ok(leadership),
            Err(error) => {
                // The first error is what counts; the lease takes the key along if this fails.
                let _ = leadership.resign().await;
                Err(error)
            }
        }
    }

    /// Changes the value.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] if the session does not lead any more; what the call answers.
    pub async fn proclaim(&self, value: &[u8]) -> Result<ResponseHeader, Error> {
        let put = PutRequest {
            key: self.place.key.clone(),
            value: Bytes::copy_from_slice(value),
            lease: self.session.lease().0,
            ..PutRequest::default()
        };
        let txn = TxnRequest {
            compare: vec![created_in(&self.place.key, self.place.revision)],
            success: vec![operation(Request::RequestPut(put))],
            failure: Vec::new(),
        };
        let response = transact(self.session.client(), txn).await?;
        if response.succeeded {
            Ok(response.header.unwrap_or_default())
        } else {
            Err(Error::SessionExpired)
        }
    }

    /// The key that stands for the leadership.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.place.key
    }

    /// Leads no longer.
    ///
    /// # Errors
    /// What the call answers.
    pub async fn resign(self) -> Result<ResponseHeader, Error> {
        self.place.leave(self.session.client()).await
    }
}

/// Sees who leads, and what the leader says.
#[derive(Debug)]
pub struct Observer {
    client: Arc<Client>,
    prefix: Bytes,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Who leads has to be asked for.
    Unknown,
    /// Nobody led; the first key to come leads.
    Nobody(Watch),
    /// The leader's key is followed until it is deleted.
    Leader(Watch),
}

impl Observer {
    /// Observes an election.
    #[must_use]
    pub fn new(client: Arc<Client>, name: &[u8]) -> Self {
        let prefix = Bytes::from([name, b"/"].concat());
        Self { client, prefix, state: State::Unknown }
    }

    /// The next value of a leader; not every value that ever was, but always the newest.
    ///
    /// # Errors
    /// [`Error::WatchLost`] if a watch ends; what a call answers.
    pub async fn next(&mut self) -> Result<RangeResponse, Error> {
        loop {
            match &mut self.state {
                State::Unknown => {
                    let response = first(&self.client, &self.prefix).await?;
                    let header = response.header.unwrap_or_default();
                    if let Some(kv) = response.kvs.into_iter().next() {
                        return Ok(self.follow(header, kv));
                    }
                    let watch = WatchCreateRequest {
                        key: self.prefix.clone(),
                        range_end: end_of_prefix(&self.prefix),
                        start_revision: header.revision,
                        ..WatchCreateRequest::default()
                    };
                    self.state = State::Nobody(Watch::new(self.client.clone(), watch));
                }
                State::Nobody(watch) => {
                    let response = watch.next().await?.ok_or(Error::WatchLost)?;
                    let put = response.events.into_iter().find(|e| e.r#type() == EventType::Put);
                    if let Some(kv) = put.and_then(|event| event.kv) {
                        let header = response.header.unwrap_or_default();
                        let header = ResponseHeader { revision: kv.mod_revision, ..header };
                        return Ok(self.follow(header, kv));
                    }
                }
                State::Leader(watch) => {
                    let response = watch.next().await?.ok_or(Error::WatchLost)?;
                    // Of several values in one response the newest counts.
                    match response.events.into_iter().next_back() {
                        Some(event) if event.r#type() == EventType::Delete => {
                            self.state = State::Unknown;
                        }
                        Some(event) => {
                            return Ok(answer(response.header.unwrap_or_default(), event.kv));
                        }
                        None => {}
                    }
                }
            }
        }
    }

    fn follow(&mut self, header: ResponseHeader, kv: KeyValue) -> RangeResponse {
        let watch = WatchCreateRequest {
            key: kv.key.clone(),
            start_revision: header.revision + 1,
            ..WatchCreateRequest::default()
        };
        self.state = State::Leader(Watch::new(self.client.clone(), watch));
        answer(header, Some(kv))
    }
}

/// As clientv3 builds it: without a count.
fn answer(header: ResponseHeader, kv: Option<KeyValue>) -> RangeResponse {
    RangeResponse { header: Some(header), kvs: kv.into_iter().collect(), ..Default::default() }
}
