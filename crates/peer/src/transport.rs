//! The transport's face: what the node calls.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use env::Monotonic;
use http::{Request, Response};
use http_body::Body;
use proto::raftpb::Message;
use proto::version::Version;
use types::MemberId;

use crate::inbound::{Inbound, Inbox};
use crate::members::Members;
use crate::options::Options;
use crate::reply::ReplyBody;
use crate::serve;
use crate::shared::Shared;

/// Talks to peers. Clones are the same transport.
///
/// No method waits for a peer. All but [`serve`](Self::serve) may be called from any thread.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
    members: Arc<Members>,
}

impl Transport {
    /// Starts a transport without peers, within a tokio runtime, which carries its tasks.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(options: Options) -> (Self, Inbound) {
        let (inbox, inbound) = Inbox::new();
        let shared = Arc::new(Shared::new(options, inbox));
        let members = Arc::new(Members::new(Arc::clone(&shared)));
        (Self { shared, members }, inbound)
    }

    /// Sends messages. One to 0 or to an unknown member is dropped; one for which there is no room
    /// is too, and the inbound queue says that its peer is unreachable.
    pub fn send(&self, messages: Vec<Message>) {
        self.members.send(messages);
    }

    /// Sends a snapshot, `message`, with the database that belongs to it: `size` bytes of `body`,
    /// which is read by a thread of its own and dropped when it is no longer needed. The inbound
    /// queue says what became of it, unless the receiver is no peer: then nothing happens.
    pub fn send_snapshot(&self, message: Message, size: u64, body: Box<dyn Read + Send>) {
        if let Some(peer) = self.members.peer(MemberId(message.to)) {
            peer.send_snapshot(message, size, body);
        }
    }

    /// Adds a peer and connects to it. Nothing if it is there already.
    pub fn add_peer(&self, id: MemberId, urls: &[String]) {
        self.members.add_peer(id, urls);
    }

    /// Changes where a peer is reached. Nothing if there is no such peer.
    pub fn update_peer(&self, id: MemberId, urls: &[String]) {
        self.members.update_peer(id, urls);
    }

    /// Drops a peer that was removed from the cluster for good; it is refused from now on.
    pub fn remove_peer(&self, id: MemberId) {
        self.members.remove_peer(id);
    }

    /// Adds a member that can be sent to before it is known as a peer. Nothing if it is there
    /// already, as either.
    pub fn add_remote(&self, id: MemberId, urls: &[String]) {
        self.members.add_remote(id, urls);
    }

    /// Since when the connection with a peer works without a break; `None` if it does not.
    #[must_use]
    pub fn active_since(&self, id: MemberId) -> Option<Monotonic> {
        self.members.peer(id)?.active_since()
    }

    /// Changes the server version that peers are told.
    pub fn set_level(&self, level: Version) {
        self.shared.set_level(level);
    }

    /// Answers a request whose path is `/raft` or below.
    pub async fn serve<B>(&self, request: Request<B>) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        serve::serve(&self.shared, &self.members, request).await
    }

    /// Ends all connections. The inbound queue ends when it is empty.
    pub fn stop(&self) {
        self.members.stop();
        self.shared.inbox.stop();
    }
}
