//! What all parts of one transport share: who this member is, how it connects, where events go.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use env::{Clock, Monotonic};
use http::header::HOST;
use http::{HeaderValue, Method, request};
use proto::raftpb::Message;
use proto::version::{MIN_CLUSTER, Version};
use snap::Snapshots;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use types::{ClusterId, MemberId};

use crate::address::PeerUrl;
use crate::connect::Connector;
use crate::headers;
use crate::inbound::{Credits, Inbox};
use crate::limits;
use crate::metrics::Metrics;
use crate::options::Options;

/// Why a message may not reach raft. Prints as etcd's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("cannot process message from removed member")]
    Removed,
    #[error("cannot process message to mismatch member")]
    OtherMember,
}

/// What all parts of one transport share.
pub(crate) struct Shared {
    pub(crate) local: MemberId,
    pub(crate) cluster: ClusterId,
    advertised: HeaderValue,
    level: Mutex<Version>,
    removed: RwLock<BTreeSet<MemberId>>,
    pub(crate) dial_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) snapshots: Snapshots,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) metrics: Metrics,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) runtime: Handle,
    /// For senders that are no peers, all of them together.
    pub(crate) strangers: Credits,
    pub(crate) snapshots_sent: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(options: Options, inbox: Arc<Inbox>) -> Self {
        let advertised = HeaderValue::from_str(&options.advertised.join(","));
        Self {
            local: options.local,
            cluster: options.cluster,
            // URLs that were parsed as such fit into a header.
            advertised: advertised.unwrap_or(HeaderValue::from_static("")),
            level: Mutex::new(options.level),
            removed: RwLock::new(options.removed.into_iter().collect()),
            dial_timeout: options.dial_timeout,
            read_timeout: options.read_timeout,
            write_timeout: options.write_timeout,
            snapshots: options.snapshots,
            clock: options.clock,
            connector: options.connector,
            metrics: Metrics::new(&options.registry),
            inbox,
            runtime: Handle::current(),
            strangers: Credits::new(),
            snapshots_sent: Arc::new(Semaphore::new(limits::SNAPSHOTS_SENT_MAX)),
        }
    }

    pub(crate) fn now(&self) -> Monotonic {
        self.clock.now()
    }

    /// The server version that peers are told.
    pub(crate) fn level(&self) -> Version {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_level(&self, level: Version) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Whether a member was removed for good.
    pub(crate) fn is_removed(&self, id: MemberId) -> bool {
        self.removed.read().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// All members that were removed for good.
    pub(crate) fn removed(&self) -> Vec<MemberId> {
        let removed = self.removed.read().unwrap_or_else(PoisonError::into_inner);
        removed.iter().copied().collect()
    }

    pub(crate) fn set_removed(&self, id: MemberId) {
        self.removed.write().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Whether a message may reach raft.
    pub(crate) fn admit(&self, message: &Message) -> Result<(), Forbidden> {
        let (from, to) = (MemberId(message.from), MemberId(message.to));
        if self.is_removed(from) {
            tracing::warn!(
                "local-member-id" = %self.local,
                "removed-member-id" = %from,
                "rejected Raft message from removed member"
            );
            return Err(Forbidden::Removed);
        }
        if to != self.local {
            tracing::warn!(
                "local-member-id" = %self.local,
                "mismatch-member-id" = %to,
                "rejected Raft message to mismatch member"
            );
            return Err(Forbidden::OtherMember);
        }
        Ok(())
    }

    /// The head of a request of the raft endpoints.
    pub(crate) fn request(&self, method: Method, url: &PeerUrl, path: &str) -> request::Builder {
        request::Builder::new()
            .method(method)
            .uri(path)
            .header(HOST, url.host_header())
            .header(headers::SERVER_FROM, self.local.to_string())
            .header(headers::SERVER_VERSION, self.level().to_string())
            .header(headers::MIN_CLUSTER_VERSION, MIN_CLUSTER.to_string())
            .header(headers::CLUSTER_ID, self.cluster.to_string())
            .header(headers::PEER_URLS, self.advertised.clone())
    }
}
