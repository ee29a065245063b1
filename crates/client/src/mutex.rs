//! A lock that one session holds at a time.

use bytes::Bytes;
use proto::etcdserverpb::{DeleteRangeRequest, RangeRequest, ResponseHeader};

use crate::client::Safety;
use crate::error::Error;
use crate::grpc::etcdserverpb::kv_client::KvClient;
use crate::queue::{Place, enter, read};
use crate::session::Session;

/// A lock that is held. It is given back by [`unlock`](Self::unlock), or with the session's lease.
#[derive(Debug)]
pub struct Mutex<'a> {
    session: &'a Session,
    place: Place,
}

impl<'a> Mutex<'a> {
    /// Waits for a lock and takes it. If it fails, no key of it is left behind.
    ///
    /// # Errors
    /// [`Error::SessionExpired`] if the session is lost while waiting; what a call answers.
    pub async fn lock(session: &'a Session, name: &[u8]) -> Result<Self, Error> {
        let mut mutex = Self { session, place: enter(session, name, b"").await? };
        match mutex.wait().await {
            Ok(header) => {
                mutex.place.header = header;
                Ok(mutex)
            }
            Err(error) => {
                // The first error is what counts; the lease takes the key along if this fails.
                let _ = mutex.unlock().await;
                Err(error)
            }
        }
    }

    async fn wait(&self) -> Result<ResponseHeader, Error> {
        let client = self.session.client();
        tokio::select! {
            waited = self.place.wait(client) => waited?,
            () = self.session.lost() => return Err(Error::SessionExpired),
        }
        let own = RangeRequest { key: self.place.key.clone(), ..RangeRequest::default() };
        let response = read(client, own).await?;
        if response.kvs.is_empty() {
            return Err(Error::SessionExpired);
        }
        Ok(response.header.unwrap_or_default())
    }

    /// The key that stands for the lock while it is held.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.place.key
    }

    /// Of the answer that gave the lock.
    #[must_use]
    pub fn header(&self) -> &ResponseHeader {
        &self.place.header
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// What the call answers.
    pub async fn unlock(self) -> Result<(), Error> {
        let key = &self.place.key;
        let send = |channel| {
            let request = DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() };
            async move { KvClient::new(channel).delete_range(request).await }
        };
        self.session.client().call(Safety::Write, send).await?;
        Ok(())
    }
}
