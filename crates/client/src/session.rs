//! A lease that lives as long as somebody holds it: what locks and elections hang on.

use std::sync::Arc;

use proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::LeaseId;

use crate::client::{Client, Safety};
use crate::error::Error;
use crate::grpc::etcdserverpb::lease_client::LeaseClient;
use crate::keepalive::KeepAlive;

/// A session's time to live in seconds unless told otherwise (clientv3's default).
pub const SESSION_TTL: i64 = 60;

/// A lease kept alive in the background. When this goes, renewal stops and the lease expires.
#[derive(Debug)]
pub struct Session {
    client: Arc<Client>,
    lease: LeaseId,
    lost: watch::Receiver<bool>,
    renewal: JoinHandle<()>,
}

impl Session {
    /// Grants a lease of `ttl` seconds ([`SESSION_TTL`] where it is not positive) and keeps it.
    ///
    /// # Errors
    /// What the grant answers.
    pub async fn new(client: Arc<Client>, ttl: i64) -> Result<Self, Error> {
        let ttl = if ttl > 0 { ttl } else { SESSION_TTL };
        let grant = |channel| async move {
            LeaseClient::new(channel).lease_grant(LeaseGrantRequest { ttl, id: 0 }).await
        };
        let lease = LeaseId(client.call(Safety::Write, grant).await?.id);
        let (sender, lost) = watch::channel(false);
        let mut keep_alive = KeepAlive::new(client.clone(), lease);
        let renewal = tokio::spawn(async move {
            while let Ok(Some(_)) = keep_alive.next().await {}
            // The receiver is gone when nobody wants to know any more.
            let _ = sender.send(true);
        });
        Ok(Self { client, lease, lost, renewal })
    }

    /// The client under it.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Its lease.
    #[must_use]
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// Waits until the lease is lost.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means that the renewal is gone, and the lease with it.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Revokes the lease, and with it every key on it.
    ///
    /// # Errors
    /// What the revocation answers.
    pub async fn close(self) -> Result<(), Error> {
        self.renewal.abort();
        let id = self.lease.0;
        let revoke = |channel| async move {
            LeaseClient::new(channel).lease_revoke(LeaseRevokeRequest { id }).await
        };
        self.client.call(Safety::Write, revoke).await?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
