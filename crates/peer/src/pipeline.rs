//! Messages that are posted one by one, while there is no stream for them.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use proto::raftpb::{Message, MessageType};
use tokio::task::AbortHandle;

use crate::contact::{Contact, Failure};
use crate::exchange::{Kept, PostError, check_post, whole};
use crate::headers::Incompatible;
use crate::inbound::SnapshotOutcome;
use crate::limits::{PIPELINE_CONNECTIONS, PIPELINE_MESSAGES_MAX, POST_TIMEOUT};
use crate::queue::{Offer, Queue};

const PATH: &str = "/raft";

/// Go's name in log lines.
pub(crate) const NAME: &str = "pipeline";

/// Posts messages to one member.
pub(crate) struct Pipeline {
    queue: Arc<Queue>,
    workers: Vec<AbortHandle>,
}

impl Pipeline {
    pub(crate) fn start(contact: &Arc<Contact>) -> Self {
        let queue = Arc::new(Queue::new(PIPELINE_MESSAGES_MAX));
        let start = |_| {
            let worker = work(Arc::clone(contact), Arc::clone(&queue));
            contact.shared.runtime.spawn(worker).abort_handle()
        };
        let workers = (0..PIPELINE_CONNECTIONS).map(start).collect();
        Self { queue, workers }
    }

    pub(crate) fn push(&self, message: Message) -> Offer {
        self.queue.push(message)
    }

    /// Takes nothing more; what was taken is posted still, for as long as posts may take.
    pub(crate) fn finish(&self) {
        self.queue.finish();
    }

    pub(crate) fn stop(&self) {
        self.queue.close();
        for worker in &self.workers {
            worker.abort();
        }
    }
}

async fn work(contact: Arc<Contact>, queue: Arc<Queue>) {
    let mut kept = Kept::default();
    while let Some(message) = queue.pop().await {
        let bytes = Bytes::from(message.encode_to_vec());
        let size = bytes.len() as u64;
        let is_snapshot = message.message_type == MessageType::Snap;
        let inbox = &contact.shared.inbox;
        match post(&contact, &mut kept, bytes).await {
            Ok(()) => {
                contact.activate();
                contact.sent_bytes.add(size);
                if is_snapshot {
                    inbox.report_snapshot(contact.id, SnapshotOutcome::Finished);
                }
            }
            Err(error) => {
                let failure = Failure { source: NAME, action: "write" };
                contact.deactivate(failure, &error.to_string());
                contact.report_unreachable();
                if is_snapshot {
                    inbox.report_snapshot(contact.id, SnapshotOutcome::Failed);
                }
                contact.shared.metrics.sent_failure(contact.id);
            }
        }
    }
}

async fn post(contact: &Contact, kept: &mut Kept, bytes: Bytes) -> Result<(), PostError> {
    let shared = &contact.shared;
    let url = contact.pick().ok_or(PostError::NoUrl)?;
    let make = || {
        let head = shared.request(Method::POST, &url, PATH);
        head.header(CONTENT_TYPE, "application/protobuf").body(whole(bytes.clone()))
    };
    let answer = kept.exchange(shared, &url, POST_TIMEOUT, make).await;
    let outcome = match answer {
        Ok(answer) => check_post(&url, PATH, &answer),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &outcome {
        contact.failed(&url);
        note(contact, error);
    }
    outcome
}

/// Tells whoever has to know of an answer that means more than a lost message.
pub(crate) fn note(contact: &Contact, error: &PostError) {
    match error {
        PostError::Removed => contact.shared.inbox.report_removed(),
        PostError::Incompatible(Incompatible::Version) => {
            tracing::error!("remote-peer-id" = %contact.id, "request sent was ignored by peer");
        }
        PostError::Incompatible(Incompatible::Cluster) => tracing::error!(
            "remote-peer-id" = %contact.id,
            "local-member-cluster-id" = %contact.shared.cluster,
            "request sent was ignored due to cluster ID mismatch"
        ),
        _ => {}
    }
}
