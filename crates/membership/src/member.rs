//! A member, and its JSON (server/etcdserver/api/membership/member.go).
//!
//! Knows no other member.

use types::MemberId;

use crate::Malformed;
use crate::json::{Fields, Object};

/// What a member says about itself once it runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// Its name. Empty until it was started for the first time.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Its identity.
    pub id: MemberId,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// It has no vote.
    pub is_learner: bool,
    /// What it says about itself.
    pub attributes: Attributes,
}

impl Member {
    /// Whether it was ever started: it has told its name.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !self.attributes.name.is_empty()
    }

    /// The JSON that is stored, proposed and shown to peers.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.fields().end()
    }

    pub(crate) fn fields(&self) -> Object {
        let mut object = Object::new().number("id", self.id.0).strings("peerURLs", &self.peer_urls);
        if self.is_learner {
            object = object.boolean("isLearner", true);
        }
        if !self.attributes.name.is_empty() {
            object = object.string("name", &self.attributes.name);
        }
        if !self.attributes.client_urls.is_empty() {
            object = object.strings("clientURLs", &self.attributes.client_urls);
        }
        object
    }

    /// Reads the JSON of any version.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        Self::of(&Fields::parse("member", text)?)
    }

    /// Reads a list of members, as peers answer with.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn list_from_json(text: &[u8]) -> Result<Vec<Self>, Malformed> {
        let malformed =
            |error: serde_json::Error| Malformed::new("list of members", error.to_string());
        let items: Vec<serde_json::Value> = serde_json::from_slice(text).map_err(malformed)?;
        items.iter().map(|item| Self::from_json(item.to_string().as_bytes())).collect()
    }

    /// The JSON of a list of members, in the given order.
    #[must_use]
    pub fn list_to_json<'a>(members: impl IntoIterator<Item = &'a Self>) -> String {
        let members: Vec<String> = members.into_iter().map(Self::to_json).collect();
        format!("[{}]", members.join(","))
    }

    pub(crate) fn of(fields: &Fields) -> Result<Self, Malformed> {
        Ok(Self {
            id: MemberId(fields.number("id")?),
            peer_urls: fields.strings("peerURLs")?,
            is_learner: fields.boolean("isLearner")?,
            attributes: Attributes::of(fields)?,
        })
    }
}

impl Attributes {
    /// Reads the JSON that older versions propose.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        Self::of(&Fields::parse("member attributes", text)?)
    }

    fn of(fields: &Fields) -> Result<Self, Malformed> {
        Ok(Self { name: fields.string("name")?, client_urls: fields.strings("clientURLs")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn empty_fields_are_left_out_except_peer_urls() {
        let mut member = Member { id: MemberId(5_850_024_042_927_095_592), ..Member::default() };
        assert_eq!(member.to_json(), r#"{"id":5850024042927095592,"peerURLs":null}"#);
        member.peer_urls = urls(&["http://127.0.0.1:23101", "http://a/?x&y"]);
        member.is_learner = true;
        member.attributes =
            Attributes { name: "g1".to_owned(), client_urls: urls(&["http://127.0.0.1:23100"]) };
        let text = concat!(
            r#"{"id":5850024042927095592,"peerURLs":["http://127.0.0.1:23101","http://a/?x\u0026y"],"#,
            r#""isLearner":true,"name":"g1","clientURLs":["http://127.0.0.1:23100"]}"#,
        );
        assert_eq!(member.to_json(), text);
        assert_eq!(Member::from_json(text.as_bytes()), Ok(member));
    }

    #[test]
    fn lists_read_back() {
        let members: Vec<Member> =
            [1, u64::MAX].map(|id| Member { id: MemberId(id), ..Member::default() }).into();
        let text = Member::list_to_json(&members);
        assert_eq!(Member::list_from_json(text.as_bytes()), Ok(members));
        assert_eq!(Member::list_to_json([]), "[]");
        assert!(Member::list_from_json(b"{}").is_err());
        assert!(Member::list_from_json(b"[1]").is_err());
    }
}
