//! The data of a raft snapshot: the members as etcd 3.5 and 3.6 want them (spec/snap.md 4.2).

use bytes::Bytes;
use membership::{Attributes, Cluster, Contents, Member};
use snap::v2store;

/// The document of a cluster.
#[must_use]
pub fn encode(cluster: &Cluster) -> Bytes {
    let contents = cluster.contents();
    v2store::encode(&v2store::Membership {
        members: contents.members.values().map(to_document).collect(),
        removed: contents.removed.iter().copied().collect(),
        version: contents.version.map(|version| version.to_string()),
    })
}

/// The cluster of a document.
///
/// # Errors
/// When the bytes are no such document.
pub fn decode(data: &[u8]) -> snap::Result<Cluster> {
    let v2store::Membership { members, removed, version } = v2store::decode(data)?.membership;
    let contents = Contents {
        members: members.into_iter().map(|member| (member.id, from_document(member))).collect(),
        removed: removed.into_iter().collect(),
        version: version.and_then(|version| version.parse().ok()),
        downgrade: None,
    };
    Ok(contents.into())
}

fn to_document(member: &Member) -> v2store::Member {
    v2store::Member {
        id: member.id,
        peer_urls: member.peer_urls.clone(),
        is_learner: member.is_learner,
        name: member.attributes.name.clone(),
        client_urls: member.attributes.client_urls.clone(),
    }
}

fn from_document(member: v2store::Member) -> Member {
    Member {
        id: member.id,
        peer_urls: member.peer_urls,
        is_learner: member.is_learner,
        attributes: Attributes { name: member.name, client_urls: member.client_urls },
    }
}
