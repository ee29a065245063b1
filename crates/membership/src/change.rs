//! A change of members, as it stands in the log: a configuration change of raft whose context is
//! the member in JSON.
//!
//! Knows the form only; whether a change fits the cluster is `cluster`'s to say.
//!
//! Invariants: the identity in the change and in its context are the same; a member is added as a
//! learner exactly if its JSON says that it is one.

use bytes::Bytes;
use proto::raftpb::{ConfChange, ConfChangeType};
use types::MemberId;

use crate::json::Fields;
use crate::{Malformed, Member};

/// A change of one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A voter or a learner comes.
    Add(Member),
    /// A learner becomes a voter.
    Promote(MemberId),
    /// A member goes, for good.
    Remove(MemberId),
    /// A member's peer URLs are replaced; nothing else of it changes.
    Update {
        /// Which.
        id: MemberId,
        /// Where its peers reach it from then on.
        peer_urls: Vec<String>,
    },
}

impl Change {
    /// Whom it is about.
    #[must_use]
    pub const fn id(&self) -> MemberId {
        match self {
            Self::Add(member) => member.id,
            Self::Promote(id) | Self::Remove(id) | Self::Update { id, .. } => *id,
        }
    }

    /// The change as it is proposed. `request_id` is what its proposer waits for; 0 for the members
    /// that a cluster is founded with.
    #[must_use]
    pub fn to_conf_change(&self, request_id: u64) -> ConfChange {
        let bare = |id, peer_urls| Member { id, peer_urls, ..Member::default() };
        let (change_type, context) = match self {
            Self::Add(member) if member.is_learner => {
                (ConfChangeType::AddLearnerNode, member.to_json())
            }
            Self::Add(member) => (ConfChangeType::AddNode, member.to_json()),
            Self::Promote(id) => {
                let fields = bare(*id, Vec::new()).fields();
                (ConfChangeType::AddNode, fields.boolean("isPromote", true).end())
            }
            Self::Remove(_) => (ConfChangeType::RemoveNode, String::new()),
            Self::Update { id, peer_urls } => {
                (ConfChangeType::UpdateNode, bare(*id, peer_urls.clone()).to_json())
            }
        };
        ConfChange {
            id: request_id,
            change_type,
            node_id: self.id().0,
            context: Bytes::from(context),
        }
    }

    /// Reads a change from the log.
    ///
    /// # Errors
    /// [`Malformed`]: no etcd writes such a change, and Go's stops at it. It has to be refused like
    /// one that does not fit.
    pub fn parse(change: &ConfChange) -> Result<Self, Malformed> {
        let id = MemberId(change.node_id);
        if change.change_type == ConfChangeType::RemoveNode {
            return Ok(Self::Remove(id));
        }
        let fields = Fields::parse("member change", &change.context)?;
        let member = Member::of(&fields)?;
        let malformed = |reason| Err(Malformed::new("member change", reason));
        if member.id != id {
            return malformed(format!("it names {id} and {}", member.id));
        }
        // No member has this number, so that there is nothing to update.
        if id == MemberId(0) && change.change_type != ConfChangeType::UpdateNode {
            return malformed("it names no member".to_owned());
        }
        let is_learner = change.change_type == ConfChangeType::AddLearnerNode;
        match change.change_type {
            ConfChangeType::UpdateNode => Ok(Self::Update { id, peer_urls: member.peer_urls }),
            ConfChangeType::AddNode if fields.boolean("isPromote")? => Ok(Self::Promote(id)),
            _ if is_learner != member.is_learner => {
                malformed(format!("{id} is a learner in one place only"))
            }
            _ => Ok(Self::Add(member)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64) -> Member {
        let peer_urls = vec!["http://127.0.0.1:2380".to_owned()];
        Member { id: MemberId(id), peer_urls, ..Member::default() }
    }

    #[test]
    fn changes_read_back() {
        let learner = Member { is_learner: true, ..member(2) };
        let peer_urls = vec!["http://a:1".to_owned(), "http://b:1".to_owned()];
        for change in [
            Change::Add(member(1)),
            Change::Add(learner),
            Change::Promote(MemberId(2)),
            Change::Remove(MemberId(u64::MAX)),
            Change::Update { id: MemberId(3), peer_urls },
        ] {
            assert_eq!(Change::parse(&change.to_conf_change(9)), Ok(change));
        }
    }

    #[test]
    fn contexts_are_go_s() {
        let context =
            |change: Change| String::from_utf8(change.to_conf_change(0).context.to_vec()).unwrap();
        assert_eq!(
            context(Change::Promote(MemberId(1))),
            r#"{"id":1,"peerURLs":null,"isPromote":true}"#
        );
        assert_eq!(context(Change::Remove(MemberId(1))), "");
        assert_eq!(
            context(Change::Add(member(1))),
            r#"{"id":1,"peerURLs":["http://127.0.0.1:2380"]}"#
        );
    }

    #[test]
    fn what_no_etcd_writes_is_refused() {
        let change = |change_type, node_id, context: &'static str| {
            let context = Bytes::from_static(context.as_bytes());
            Change::parse(&ConfChange { id: 1, change_type, node_id, context })
        };
        use ConfChangeType::{AddLearnerNode, AddNode, UpdateNode};
        for (change_type, node_id, context) in [
            (AddNode, 1, ""),
            (AddNode, 1, "{"),
            (AddNode, 1, r#"{"id":2}"#),
            (AddNode, 0, r#"{"id":0}"#),
            (AddNode, 1, r#"{"id":1,"isLearner":true}"#),
            (AddLearnerNode, 1, r#"{"id":1}"#),
            (UpdateNode, 1, r#"{"id":2}"#),
            (AddNode, 1, r#"{"id":"1"}"#),
        ] {
            assert!(change(change_type, node_id, context).is_err(), "{change_type:?} {context}");
        }
    }
}
