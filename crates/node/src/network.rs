//! What a member needs of the network to the others. Traits, so that tests and the simulator can
//! put theirs in the place of sockets.
//!
//! [`Network`] asks single questions, also of members of a cluster that this one is not in yet;
//! [`Peers`] sends what raft wants sent. Sending never waits: what cannot be sent is lost, which
//! raft allows, and comes back as [`Incoming::Unreachable`].

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Monotonic;
use proto::raftpb::Message;
use proto::version::Version;
use types::{ClusterId, MemberId};

/// The way to the other members.
pub trait Network: Send + Sync {
    /// Asks whoever is at a URL.
    fn ask(&self, question: Question) -> Asking;

    /// Turns `host:port` into `address:port`.
    fn resolve(&self, host: &str) -> Resolving;

    /// Becomes a member: from now on others reach it.
    fn enter(&self, identity: &Identity) -> Arc<dyn Peers>;
}

/// An answer to come; the error is for people.
pub type Asking = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send>>;

/// An address to come; the error is for people.
pub type Resolving = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// A question to one of the endpoints that each member has for the others (spec/peer.md 5.7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The peer URL.
    pub url: String,
    /// How it is asked.
    pub method: Method,
    /// The endpoint.
    pub path: String,
    /// `X-Etcd-Cluster-ID`.
    pub cluster: Option<ClusterId>,
    /// `Authorization`.
    pub token: Option<String>,
    /// `Content-Type`, and what it is of.
    pub body: Option<(&'static str, Bytes)>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Reading or acting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// May.
    Post,
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `X-Etcd-Cluster-ID`.
    pub cluster: Option<ClusterId>,
    /// `Content-Type`.
    pub content_type: Option<&'static str>,
    /// The whole body.
    pub body: Bytes,
}

/// Who a member is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Itself.
    pub member: MemberId,
    /// Members that were removed for good.
    pub removed: Vec<MemberId>,
    /// The version that it speaks for.
    pub level: Version,
}

/// Other members as this one reaches them.
pub trait Peers: Send + Sync {
    /// Sends messages, each to whom it names; those to strangers are dropped.
    fn send(&self, messages: Vec<Message>);

    /// Sends a message with a database behind it. How that ended always comes back as
    /// [`Incoming::SnapshotSent`].
    fn send_snapshot(&self, message: Message, database: Database);

    /// There is a member at these URLs.
    fn add_peer(&self, id: MemberId, urls: &[String]);

    /// The member is at other URLs.
    fn update_peer(&self, id: MemberId, urls: &[String]);

    /// The member is none any more.
    fn remove_peer(&self, id: MemberId);

    /// A member of the cluster that this one joins: it may be answered before the log says that it
    /// is a member.
    fn add_remote(&self, id: MemberId, urls: &[String]);

    /// Since when the member is connected; `None` while it is not.
    fn active_since(&self, id: MemberId) -> Option<Monotonic>;

    /// The member speaks for another version now.
    fn set_level(&self, level: Version);

    /// Ends all connections.
    fn stop(&self);
}

/// A database to be sent.
pub struct Database {
    /// How many bytes there are.
    pub size: u64,
    /// The bytes.
    pub content: Box<dyn Read + Send>,
}

/// What comes from the network.
#[derive(Debug)]
pub enum Incoming {
    /// A message of another member.
    Message(Box<Message>),
    /// A message whose snapshot's database is on the disk, under its name.
    Snapshot(Box<Message>),
    /// The last messages to this member did not get through.
    Unreachable(MemberId),
    /// A snapshot was sent.
    SnapshotSent {
        /// To whom.
        to: MemberId,
        /// It got there.
        arrived: bool,
    },
    /// Another member says that this one was removed from the cluster.
    Removed,
}

/// The network of a member that is alone.
pub struct Alone;

impl Network for Alone {
    fn ask(&self, question: Question) -> Asking {
        Box::pin(async move { Err(format!("nobody is at {}", question.url)) })
    }

    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { Ok(host) })
    }

    fn enter(&self, _: &Identity) -> Arc<dyn Peers> {
        Arc::new(Self)
    }
}

impl Peers for Alone {
    fn send(&self, _: Vec<Message>) {}
    fn send_snapshot(&self, _: Message, _: Database) {}
    fn add_peer(&self, _: MemberId, _: &[String]) {}
    fn update_peer(&self, _: MemberId, _: &[String]) {}
    fn remove_peer(&self, _: MemberId) {}
    fn add_remote(&self, _: MemberId, _: &[String]) {}
    fn active_since(&self, _: MemberId) -> Option<Monotonic> {
        None
    }
    fn set_level(&self, _: Version) {}
    fn stop(&self) {}
}
