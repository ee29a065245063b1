//! Reading the v2 store.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use types::MemberId;

use super::{Member, Membership, Stored};
use crate::error::{Error, Result};

/// The store, as far as it is looked at. As in Go, what is missing is empty and what is unknown is
/// passed over.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Store {
    root: Option<Node>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    value: Option<String>,
    children: Option<BTreeMap<String, Node>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RaftAttributes {
    #[serde(rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    is_learner: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attributes {
    name: Option<String>,
    #[serde(rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
}

/// Reads the data of a raft snapshot. No data at all is an empty store.
///
/// # Errors
/// [`Error::Corrupted`] if it is not JSON, or a member is not one.
pub fn decode(json: &[u8]) -> Result<Stored> {
    if json.is_empty() {
        return Ok(Stored::default());
    }
    let store: Store =
        serde_json::from_slice(json).map_err(|error| bad("a v2 store", &error.to_string()))?;
    let root = store.root.unwrap_or_default();
    let mut membership = Membership::default();
    if let Some(cluster) = root.child("0") {
        if let Some(members) = cluster.child("members") {
            membership.members =
                members.visible().map(|(id, node)| member(id, node)).collect::<Result<_>>()?;
        }
        if let Some(removed) = cluster.child("removed_members") {
            membership.removed =
                removed.visible().map(|(id, _)| parse_id(id)).collect::<Result<_>>()?;
        }
        membership.version = cluster.child("version").and_then(|node| node.value.clone());
    }
    Ok(Stored { membership, custom_content: has_custom_content(&root) })
}

/// Whether there is anything in the store that is not the cluster's own. `/2` holds the users of v2:
/// its own directories may be there as long as they are empty.
fn has_custom_content(root: &Node) -> bool {
    root.visible().any(|(name, node)| match name {
        "0" => false,
        "2" => node.visible().any(|(_, child)| child.visible().next().is_some()),
        _ => node.visible().next().is_some(),
    })
}

fn member(id: &str, node: &Node) -> Result<Member> {
    let unknown = |name: &&str| !matches!(*name, "attributes" | "raftAttributes");
    if let Some(name) = node.visible().map(|(name, _)| name).find(unknown) {
        return Err(bad("attributes and raftAttributes of a member", name));
    }
    let raft: RaftAttributes = match node.child("raftAttributes") {
        Some(node) => parse("raftAttributes", node)?,
        None => return Err(bad("raftAttributes of a member", "none")),
    };
    let attributes: Attributes = match node.child("attributes") {
        Some(node) => parse("attributes", node)?,
        None => Attributes::default(),
    };
    Ok(Member {
        id: parse_id(id)?,
        peer_urls: raft.peer_urls.unwrap_or_default(),
        is_learner: raft.is_learner,
        name: attributes.name.unwrap_or_default(),
        client_urls: attributes.client_urls.unwrap_or_default(),
    })
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, node: &Node) -> Result<T> {
    let value = node.value.as_deref().unwrap_or_default();
    serde_json::from_str(value).map_err(|error| bad(what, &error.to_string()))
}

fn parse_id(id: &str) -> Result<MemberId> {
    u64::from_str_radix(id, 16).map(MemberId).map_err(|_| bad("a member's id", id))
}

fn bad(expected: &str, found: &str) -> Error {
    Error::corrupted(Path::new(""), expected, found)
}

impl Node {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.as_ref()?.get(name)
    }

    /// The children that a v2 read would show: a leading underscore hides.
    fn visible(&self) -> impl Iterator<Item = (&str, &Self)> {
        let all = self.children.iter().flatten().map(|(name, node)| (name.as_str(), node));
        all.filter(|(name, _)| !name.starts_with('_'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v2store::encode;

    fn member(id: u64) -> Member {
        Member {
            id: MemberId(id),
            peer_urls: vec![format!("http://10.0.0.{id}:2380"), "http://a&b:1".into()],
            is_learner: id == 3,
            name: format!("m{id}"),
            client_urls: vec![format!("http://10.0.0.{id}:2379")],
        }
    }

    #[test]
    fn a_membership_reads_back() {
        let unstarted = Member { name: String::new(), client_urls: Vec::new(), ..member(4) };
        let membership = Membership {
            members: vec![member(1), member(2), member(3), unstarted],
            removed: vec![MemberId(0xabc), MemberId(u64::MAX)],
            version: Some("3.5.0".into()),
        };
        let stored = decode(&encode(&membership)).expect("decode");
        assert_eq!(stored, Stored { membership, custom_content: false });
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (json, part) in [
            ("{", "EOF"),
            (
                r#"{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{}}}}}}}}"#,
                "none",
            ),
            (
                r#"{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{"Children":{"x":{}}}}}}}}}}"#,
                "x",
            ),
            (
                r#"{"Root":{"Children":{"0":{"Children":{"removed_members":{"Children":{"zz":{}}}}}}}}"#,
                "zz",
            ),
        ] {
            let error = decode(json.as_bytes()).expect_err(json).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn v2_keys_and_users_are_custom_content() {
        for (children, expected) in [
            (r#""1":{"Children":{}}"#, false),
            (r#""1":{"Children":{"foo":{"Value":"bar"}}}"#, true),
            (r#""1":{"Children":{"_hidden":{"Value":"bar"}}}"#, false),
            (r#""2":{"Children":{"enabled":{"Value":"false"},"users":{"Children":{}}}}"#, false),
            (r#""2":{"Children":{"users":{"Children":{"root":{"Value":"x"}}}}}"#, true),
            (r#""3":{"Children":{"x":{"Children":{}}}}"#, true),
        ] {
            let json = format!(r#"{{"Root":{{"Children":{{{children}}}}}}}"#);
            assert_eq!(decode(json.as_bytes()).expect("decode").custom_content, expected, "{json}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_in_peace() {
        let mut json = String::from(r#"{"Root":"#);
        json.push_str(&r#"{"Children":{"a":"#.repeat(100_000));
        assert!(decode(json.as_bytes()).is_err());
    }
}
