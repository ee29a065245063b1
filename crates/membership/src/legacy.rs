//! The requests of API version 2 that etcd 3.5 still proposes (spec/apply.md 6.7): a member's
//! attributes and the cluster version, as paths of the v2 store.
//!
//! Knows their form only. What else was in the v2 store is not ours to apply.

use prost::Message;
use proto::etcdserverpb::Request;
use proto::version::Version;
use types::MemberId;

use crate::{Attributes, Malformed, ids};

/// A request of API version 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegacyRequest {
    /// What a member says about itself.
    SetAttributes {
        /// Which member.
        id: MemberId,
        /// What it says.
        attributes: Attributes,
    },
    /// The version whose features all members have.
    SetVersion(Version),
    /// Something else: users' keys of the v2 API, or its clock. Changes nothing here.
    Other {
        /// Such as `PUT` or `SYNC`.
        method: String,
        /// Of the v2 store.
        path: String,
    },
}

impl LegacyRequest {
    /// Reads the data of an entry that is no request of version 3. Gives the number that the
    /// proposer waits for, too.
    ///
    /// # Errors
    /// [`Malformed`] when it is no request of version 2 either, or one of ours that cannot be read.
    pub fn parse(data: &[u8]) -> Result<(u64, Self), Malformed> {
        let request = Request::decode(data)
            .map_err(|error| Malformed::new("request of API version 2", error.to_string()))?;
        Ok((request.id(), Self::of(&request)?))
    }

    /// Reads a request that stands inside one of version 3.
    ///
    /// # Errors
    /// [`Malformed`] when it is one of ours and cannot be read.
    pub fn of(request: &Request) -> Result<Self, Malformed> {
        let (method, path) = (request.method(), request.path());
        if method != "PUT" {
            return Ok(Self::other(request));
        }
        if path == "/0/version" {
            let version = request.val().parse();
            let version = version.map_err(|_| Malformed::new("cluster version", request.val()))?;
            return Ok(Self::SetVersion(version));
        }
        let id = path
            .strip_prefix("/0/members/")
            .and_then(|rest| rest.strip_suffix("/attributes"))
            .and_then(ids::parse);
        let Some(id) = id else { return Ok(Self::other(request)) };
        let attributes = Attributes::from_json(request.val().as_bytes())?;
        Ok(Self::SetAttributes { id: MemberId(id), attributes })
    }

    fn other(request: &Request) -> Self {
        Self::Other { method: request.method().to_owned(), path: request.path().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, val: &str) -> Request {
        Request {
            id: Some(7),
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            val: Some(val.to_owned()),
            ..Request::default()
        }
    }

    #[test]
    fn the_two_that_count() {
        let data = request("PUT", "/0/version", "3.5.0").encode_to_vec();
        let expected = LegacyRequest::SetVersion(Version::new(3, 5, 0));
        assert_eq!(LegacyRequest::parse(&data), Ok((7, expected)));
        let attributes = r#"{"name":"m4","clientURLs":["http://127.0.0.1:23340"]}"#;
        let put = request("PUT", "/0/members/b8542dd57c78f06/attributes", attributes);
        let expected = LegacyRequest::SetAttributes {
            id: MemberId(0x0b85_42dd_57c7_8f06),
            attributes: Attributes {
                name: "m4".to_owned(),
                client_urls: vec!["http://127.0.0.1:23340".to_owned()],
            },
        };
        assert_eq!(LegacyRequest::of(&put), Ok(expected));
    }

    #[test]
    fn others_are_told_apart() {
        for (method, path) in [
            ("SYNC", ""),
            ("DELETE", "/0/version"),
            ("PUT", "/1/key"),
            ("PUT", "/0/members/xyz/attributes"),
            ("PUT", "/0/members/11112222333344445/attributes"),
            ("PUT", "/0/members/1/raftAttributes"),
        ] {
            let expected = LegacyRequest::Other { method: method.into(), path: path.into() };
            assert_eq!(LegacyRequest::of(&request(method, path, "")), Ok(expected));
        }
    }

    #[test]
    fn damage_is_an_error() {
        assert!(LegacyRequest::parse(b"\x08").is_err());
        assert!(LegacyRequest::of(&request("PUT", "/0/version", "three")).is_err());
        assert!(LegacyRequest::of(&request("PUT", "/0/members/1/attributes", "{")).is_err());
    }
}
