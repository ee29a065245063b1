//! Questions to other members, and what their answers mean (spec/peer.md 5.7).
//!
//! Each function asks one URL once. Knows no sockets: [`Network`] does.

use std::time::Duration;

use bytes::Bytes;
use membership::Member;
use prost::Message;
use proto::etcdserverpb as pb;
use proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use types::{ClusterId, LeaseId, MemberId};

use crate::network::{Answer, Method, Network, Question};

pub(crate) const MEMBERS: &str = "/members";
pub(crate) const PROMOTE: &str = "/members/promote/";
pub(crate) const HASH_KV: &str = "/members/hashkv";
pub(crate) const VERSION: &str = "/version";
pub(crate) const DOWNGRADE_ENABLED: &str = "/downgrade/enabled";
pub(crate) const LEASES: &str = "/leases";
pub(crate) const LEASES_INTERNAL: &str = "/leases/internal";

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTOBUF: &str = "application/protobuf";

/// What another member's answer was, when it is not the one hoped for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There was none, or it makes no sense.
    #[error("{0}")]
    NoAnswer(String),
    /// It was another status.
    #[error("unknown error({}): {}", status, text.trim_end())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body.
        text: String,
    },
}

type Result<T> = std::result::Result<T, Failure>;

impl Question {
    fn new(method: Method, url: &str, path: impl Into<String>, timeout: Duration) -> Self {
        Self {
            url: url.to_owned(),
            method,
            path: path.into(),
            cluster: None,
            token: None,
            body: None,
            timeout,
        }
    }

    fn get(url: &str, path: &str, timeout: Duration) -> Self {
        Self::new(Method::Get, url, path, timeout)
    }

    fn post(url: &str, path: impl Into<String>, timeout: Duration) -> Self {
        Self::new(Method::Post, url, path, timeout)
    }
}

async fn ask(network: &dyn Network, question: Question) -> Result<Answer> {
    let answer = network.ask(question).await.map_err(Failure::NoAnswer)?;
    if answer.status == 200 {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    Err(Failure::Refused { status: answer.status, text })
}

fn nonsense(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::NoAnswer(format!("{what}: {error}"))
}

/// The members of the cluster as the one at the URL sees them.
pub(crate) async fn members(
    network: &dyn Network,
    url: &str,
    timeout: Duration,
) -> Result<(ClusterId, Vec<Member>)> {
    let answer = ask(network, Question::get(url, MEMBERS, timeout)).await?;
    let members = Member::list_from_json(&answer.body);
    let members = members.map_err(|error| nonsense("unmarshal cluster response", error))?;
    let cluster = answer.cluster.ok_or_else(|| nonsense("parse cluster ID", "no such header"))?;
    Ok((cluster, members))
}

/// The versions that a member tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Versions {
    /// Its own.
    pub(crate) server: String,
    /// The cluster's as it knows it.
    pub(crate) cluster: String,
}

/// The versions that the member at the URL tells.
pub(crate) async fn versions(
    network: &dyn Network,
    url: &str,
    timeout: Duration,
) -> Result<Versions> {
    let answer = ask(network, Question::get(url, VERSION, timeout)).await?;
    let json: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|error| nonsense("unmarshal version response", error))?;
    let text = |field: &str| json.get(field).and_then(|text| text.as_str()).unwrap_or_default();
    Ok(Versions { server: text("etcdserver").to_owned(), cluster: text("etcdcluster").to_owned() })
}

/// Whether the cluster is on its way to a lower version.
pub(crate) async fn downgrade_enabled(
    network: &dyn Network,
    url: &str,
    timeout: Duration,
) -> Result<bool> {
    let answer = ask(network, Question::get(url, DOWNGRADE_ENABLED, timeout)).await?;
    match &answer.body[..] {
        b"true" => Ok(true),
        b"false" => Ok(false),
        other => Err(nonsense("parse the answer", String::from_utf8_lossy(other))),
    }
}

/// Asks the leader to promote a learner.
pub(crate) async fn promote(
    network: &dyn Network,
    url: &str,
    id: MemberId,
    token: Option<String>,
    timeout: Duration,
) -> Result<Vec<Member>> {
    let question = Question::post(url, format!("{PROMOTE}{}", id.get()), timeout);
    let answer = ask(network, Question { token, ..question }).await?;
    Member::list_from_json(&answer.body).map_err(|error| nonsense("unmarshal members", error))
}

/// Asks the leader to renew a lease; gives its time to live.
pub(crate) async fn renew_lease(
    network: &dyn Network,
    url: &str,
    id: LeaseId,
    timeout: Duration,
) -> Result<i64> {
    let request = pb::LeaseKeepAliveRequest { id: id.get() };
    let body = Some((PROTOBUF, Bytes::from(request.encode_to_vec())));
    let question = Question { body, ..Question::post(url, LEASES, timeout) };
    let answer = ask(network, question).await?;
    let response = pb::LeaseKeepAliveResponse::decode(answer.body);
    let response = response.map_err(|error| nonsense("lease", error))?;
    if response.id != id.get() {
        return Err(nonsense("lease", "renew id mismatch"));
    }
    Ok(response.ttl)
}

/// Asks the leader how long a lease still lives.
pub(crate) async fn lease_time_to_live(
    network: &dyn Network,
    url: &str,
    request: pb::LeaseTimeToLiveRequest,
    timeout: Duration,
) -> Result<pb::LeaseTimeToLiveResponse> {
    let id = request.id;
    let request = LeaseInternalRequest { lease_time_to_live_request: Some(request) };
    let body = Some((PROTOBUF, Bytes::from(request.encode_to_vec())));
    let question = Question { body, ..Question::post(url, LEASES_INTERNAL, timeout) };
    let answer = ask(network, question).await?;
    let response = LeaseInternalResponse::decode(answer.body);
    let response = response.map_err(|error| nonsense("lease", error))?;
    match response.lease_time_to_live_response {
        Some(response) if response.id == id => Ok(response),
        _ => Err(nonsense("lease", "TTL id mismatch")),
    }
}

/// A hash that another member tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PeerHash {
    /// Its newest revision.
    pub(crate) revision: i64,
    /// Of what it has up to the revision asked for.
    pub(crate) hash: u32,
    /// What it is compacted to.
    pub(crate) compact_revision: i64,
}

/// The hash of the store at a revision; 0 for the newest.
pub(crate) async fn hash_kv(
    network: &dyn Network,
    url: &str,
    cluster: ClusterId,
    revision: i64,
    timeout: Duration,
) -> Result<PeerHash> {
    let text =
        if revision == 0 { "{}".to_owned() } else { format!(r#"{{"revision":{revision}}}"#) };
    let question = Question {
        cluster: Some(cluster),
        body: Some((JSON, Bytes::from(text))),
        ..Question::get(url, HASH_KV, timeout)
    };
    let answer = ask(network, question).await?;
    let json: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|error| nonsense("unmarshal hash", error))?;
    let number = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_i64);
    let hash = number(json.get("hash")).unwrap_or_default();
    Ok(PeerHash {
        revision: number(json.pointer("/header/revision")).unwrap_or_default(),
        hash: u32::try_from(hash).map_err(|error| nonsense("unmarshal hash", error))?,
        compact_revision: number(json.get("compact_revision")).unwrap_or_default(),
    })
}
