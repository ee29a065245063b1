//! The headers by which members know each other (spec/peer.md 5.2), and their check.

use std::fmt;

use http::HeaderMap;
use proto::version::{MIN_CLUSTER, Version};
use types::MemberId;

use crate::shared::Shared;

pub(crate) const SERVER_FROM: &str = "x-server-from";
pub(crate) const SERVER_VERSION: &str = "x-server-version";
pub(crate) const MIN_CLUSTER_VERSION: &str = "x-min-cluster-version";
pub(crate) const CLUSTER_ID: &str = "x-etcd-cluster-id";
pub(crate) const PEER_URLS: &str = "x-peerurls";
pub(crate) const RAFT_TO: &str = "x-raft-to";

/// What etcd before 2.1, which sent no version, counts as.
const VERSION_WHEN_MISSING: Version = Version::new(2, 0, 0);

/// Why a member is not talked to. Prints as etcd's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incompatible {
    Version,
    Cluster,
}

impl Incompatible {
    /// What an answer 412 means.
    pub(crate) fn of_answer(body: &[u8]) -> Option<Self> {
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        [Self::Version, Self::Cluster].into_iter().find(|this| this.to_string().as_bytes() == body)
    }
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "incompatible version",
            Self::Cluster => "cluster ID mismatch",
        })
    }
}

/// A header's text; empty when it is missing or no text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A version from a header; `None` if it is none.
pub(crate) fn version(headers: &HeaderMap, name: &str) -> Option<Version> {
    match headers.get(name) {
        None => Some(VERSION_WHEN_MISSING),
        Some(value) => value.to_str().ok()?.parse().ok(),
    }
}

/// A member's id as it stands in headers and paths.
pub(crate) fn member_id(text: &str) -> Option<MemberId> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(MemberId)
}

/// The URLs that a sender advertises.
pub(crate) fn peer_urls(headers: &HeaderMap) -> Vec<String> {
    let urls = text(headers, PEER_URLS).split(',').filter(|url| !url.is_empty());
    urls.map(str::to_owned).collect()
}

/// Whether a sender is of this cluster and of a version that goes with ours.
pub(crate) fn check(shared: &Shared, headers: &HeaderMap) -> Result<(), Incompatible> {
    let level = shared.level();
    let server = version(headers, SERVER_VERSION).map(Version::without_patch);
    let min_cluster = version(headers, MIN_CLUSTER_VERSION).map(Version::without_patch);
    let goes_together = server.is_some_and(|server| server >= MIN_CLUSTER)
        && min_cluster.is_some_and(|least| least <= level.without_patch());
    let complaint = match (goes_together, text(headers, CLUSTER_ID)) {
        (false, _) => Incompatible::Version,
        (true, cluster) if cluster == shared.cluster.to_string() => return Ok(()),
        (true, _) => Incompatible::Cluster,
    };
    let text = match complaint {
        Incompatible::Version => "failed version compatibility check",
        Incompatible::Cluster => "request cluster ID mismatch",
    };
    tracing::warn!(
        "local-member-id" = %shared.local,
        "local-member-cluster-id" = %shared.cluster,
        "local-member-server-version" = %level,
        "local-member-server-minimum-cluster-version" = %MIN_CLUSTER,
        "remote-peer-server-name" = crate::headers::text(headers, SERVER_FROM),
        "remote-peer-server-version" = crate::headers::text(headers, SERVER_VERSION),
        "remote-peer-server-minimum-cluster-version" =
            crate::headers::text(headers, MIN_CLUSTER_VERSION),
        "remote-peer-cluster-id" = crate::headers::text(headers, CLUSTER_ID),
        "{text}"
    );
    Err(complaint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(member_id("8e9e05c52164694d"), Some(MemberId(0x8e9e_05c5_2164_694d)));
        for text in ["", "+1", "-1", "x", "8e9e05c52164694d0", "1 "] {
            assert_eq!(member_id(text), None, "{text}");
        }
    }

    #[test]
    fn answers_are_understood() {
        let of_answer = Incompatible::of_answer;
        assert_eq!(of_answer(b"incompatible version\n"), Some(Incompatible::Version));
        assert_eq!(of_answer(b"cluster ID mismatch"), Some(Incompatible::Cluster));
        assert_eq!(of_answer(b"to field mismatch\n"), None);
    }
}
