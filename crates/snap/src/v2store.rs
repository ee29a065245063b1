//! The membership as etcd's v2 store tells it, in JSON: the data of a raft snapshot (spec/snap.md
//! 4.2).
//!
//! 3.5 takes the members of a cluster from it; 3.6 still reads it; 3.7 writes it only. The writer
//! gives what 3.6 and 3.7 give for the same members in the same order, byte for byte: a store in
//! which each member was created, its attributes set, and so on, each step with the next index.
//! Readers of other makes depend on parts of it that have no meaning here, such as the thousand
//! slots of the event queue.
//!
//! Knows nothing of raft or of the membership's rules.

mod read;
mod write;

use types::MemberId;

pub use read::decode;
pub use write::encode;

/// A member, as the v2 store has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Its identity.
    pub id: MemberId,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// It has no vote.
    pub is_learner: bool,
    /// Empty until it was started.
    pub name: String,
    /// Where clients reach it. Empty until it was started; then name and client URLs are left out.
    pub client_urls: Vec<String>,
}

/// The members of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// The members. Written in this order; read in the order of their printed identities.
    pub members: Vec<Member>,
    /// The identities that were removed and must not come back.
    pub removed: Vec<MemberId>,
    /// The cluster version, such as `3.5.0`.
    pub version: Option<String>,
}

/// What a v2 store holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// The membership.
    pub membership: Membership,
    /// There are v2 keys or v2 users in it. Since 3.6 etcd refuses such a store.
    pub custom_content: bool,
}
