//! What entries of the log say about members, for directories in which the database is no authority
//! on that: those of etcd 3.5 and before.

use std::ops::Range;

use membership::{Attributes, Change, Cluster, LegacyRequest, Member};
use proto::etcdserverpb::InternalRaftRequest;
use proto::raftpb::{ConfState, Entry, EntryType};
use raft::confchange::{self, ConfChangeEntry};
use types::{Index, MemberId};
use wal::Wal;

use crate::boot::FOUNDING_TERM;
use crate::start::Error;

/// How much of the log is read at a time.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Follows the entries in a range, all of which are in the log.
///
/// # Errors
/// When the log cannot be read, or an entry is not what any etcd writes.
pub(crate) fn entries(
    cluster: &mut Cluster,
    conf_state: &mut ConfState,
    wal: &Wal,
    range: Range<Index>,
    learners_max: usize,
) -> Result<(), Error> {
    let mut next = range.start;
    while next < range.end {
        let read = wal.read(next, range.end, READ_BYTES_MAX)?.run()?;
        let Some(last) = read.last() else {
            return Err(Error::Entry { index: next.get(), reason: "it is not there".to_owned() });
        };
        next = Index(last.index).next();
        for entry in &read {
            self::entry(cluster, conf_state, entry, learners_max)?;
        }
    }
    Ok(())
}

/// Follows one entry.
///
/// # Errors
/// When it is not what any etcd writes.
fn entry(
    cluster: &mut Cluster,
    conf_state: &mut ConfState,
    entry: &Entry,
    learners_max: usize,
) -> Result<(), Error> {
    let bad = |reason: String| Error::Entry { index: entry.index, reason };
    if entry.entry_type == EntryType::Normal {
        return request(cluster, entry).map_err(bad);
    }
    let decoded = ConfChangeEntry::decode(entry).map_err(|error| bad(error.to_string()))?;
    let Some(ConfChangeEntry::V1(in_log)) = decoded else {
        return Err(bad("a configuration change that etcd does not make".to_owned()));
    };
    let Ok(change) = Change::parse(&in_log) else { return Ok(()) };
    if cluster.validate(&change, learners_max).is_err() {
        return Ok(());
    }
    cluster.apply(&change);
    let in_log = ConfChangeEntry::V1(in_log).into_v2();
    *conf_state = confchange::apply_to_conf_state(conf_state, &in_log)
        .map_err(|error| bad(error.to_string()))?;
    Ok(())
}

/// The members that the cluster of a log was founded with, as its first entries say.
pub(crate) fn founders(entries: &[Entry]) -> Vec<Member> {
    let founder = |entry: &Entry| match ConfChangeEntry::decode(entry) {
        Ok(Some(ConfChangeEntry::V1(change))) => match Change::parse(&change) {
            Ok(Change::Add(member)) if entry.term == FOUNDING_TERM => Some(member),
            _ => None,
        },
        _ => None,
    };
    entries.iter().map_while(founder).collect()
}

fn request(cluster: &mut Cluster, entry: &Entry) -> Result<(), String> {
    if entry.data.is_empty() {
        return Ok(());
    }
    let Ok(request) = proto::decode::<InternalRaftRequest>(entry.data.clone()) else {
        let (_, request) = LegacyRequest::parse(&entry.data).map_err(|error| error.to_string())?;
        legacy(cluster, request);
        return Ok(());
    };
    if let Some(set) = request.cluster_version_set {
        let version = set.ver.parse().map_err(|_| format!("cluster version {:?}", set.ver))?;
        cluster.set_version(version);
    }
    if let Some(set) = request.cluster_member_attr_set {
        let said = set.member_attributes.unwrap_or_default();
        let attributes = Attributes { name: said.name, client_urls: said.client_urls };
        cluster.set_attributes(MemberId(set.member_id), attributes);
    }
    if let Some(v2) = request.v2 {
        legacy(cluster, LegacyRequest::of(&v2).map_err(|error| error.to_string())?);
    }
    Ok(())
}

fn legacy(cluster: &mut Cluster, request: LegacyRequest) {
    match request {
        LegacyRequest::SetAttributes { id, attributes } => {
            cluster.set_attributes(id, attributes);
        }
        LegacyRequest::SetVersion(version) => cluster.set_version(version),
        LegacyRequest::Other { .. } => {}
    }
}
