//! `etcdserverpb.Maintenance`, but for snapshots, and what the health endpoints ask.

use apply::{Quota, Response};
use backend::schema::{Bucket, migration, storage_version as row};
use node::Answer;
use proto::error::Error as Known;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{self as pb, AlarmMember, AlarmType, InternalRaftRequest};
use proto::version::{SERVER, Version};
use types::MemberId;

use crate::server::Server;
use crate::server::admit::Admitted;
use crate::server::read::{failed, unreadable};
use crate::{Error, Health, Versions};

pub(crate) async fn alarm(
    server: &Server,
    who: &Admitted,
    request: pb::AlarmRequest,
) -> Result<pb::AlarmResponse, Error> {
    if request.action != i32::from(AlarmAction::Get) {
        server.node.view().auth.check_admin(&who.identity).map_err(Known::from)?;
    }
    let request = InternalRaftRequest { alarm: Some(request), ..InternalRaftRequest::default() };
    let Answer { response, .. } = server.propose(who, request).await?;
    let Response::Alarms(alarms) = response else { unreachable!("{response:?}") };
    Ok(pb::AlarmResponse { header: server.header_now(), alarms })
}

pub(crate) async fn status(
    server: &Server,
    who: &Admitted,
    _: pb::StatusRequest,
) -> Result<pb::StatusResponse, Error> {
    let view = server.node.view();
    if view.auth.is_enabled() && who.identity.revision == 0 {
        return Err(Known::UserEmpty.into());
    }
    let (raft, sizes) = (server.node.raft(), server.node.sizes());
    let no_leader = (raft.leader == MemberId(0)).then(|| Known::NoLeader.text().to_owned());
    let alarms = view.alarms.of_kind(AlarmType::None.into());
    let downgrade = view.cluster.downgrade();
    Ok(pb::StatusResponse {
        header: server.header(view.read.revision()),
        version: SERVER.to_string(),
        db_size: sizes.committed() as i64,
        leader: raft.leader.get(),
        raft_index: raft.committed.get(),
        raft_term: raft.term.get(),
        raft_applied_index: view.index.get(),
        errors: no_leader.into_iter().chain(alarms.iter().map(alarm_text)).collect(),
        db_size_in_use: sizes.in_use() as i64,
        is_learner: server.node.is_learner(),
        storage_version: schema_version(server).map_or_else(String::new, |v| v.to_string()),
        db_size_quota: match server.node.quota() {
            Quota::Unlimited => -1,
            Quota::Bytes(bytes) => bytes as i64,
        },
        downgrade_info: Some(pb::DowngradeInfo {
            enabled: downgrade.is_enabled,
            target_version: downgrade.target,
        }),
    })
}

/// An alarm in the text form of its message as 3.5 and 3.6 print it, with a blank behind each field.
/// (3.7's form has one or two blanks between them, by chance.)
fn alarm_text(alarm: &AlarmMember) -> String {
    let member = (alarm.member_id != 0).then(|| format!("memberID:{}", alarm.member_id));
    let kind = match AlarmType::try_from(alarm.alarm) {
        Ok(AlarmType::None) => None,
        Ok(kind) => Some(format!("alarm:{}", kind.as_str_name())),
        Err(_) => Some(format!("alarm:{}", alarm.alarm)),
    };
    member.into_iter().chain(kind).map(|field| field + " ").collect()
}

/// The version of the database's schema; `None` if the database does not tell.
fn schema_version(server: &Server) -> Option<Version> {
    let view = server.node.view();
    let state = view.read.records().committed();
    let detected = match state.get(Bucket::Meta, row::KEY) {
        Ok(stored) => {
            let term = state.position().term;
            migration::detect(stored.as_deref(), term).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    detected.inspect_err(|error| tracing::warn!(%error, "Failed to detect schema version")).ok()
}

pub(crate) async fn defragment(
    server: &Server,
    _: &Admitted,
    _: pb::DefragmentRequest,
) -> Result<pb::DefragmentResponse, Error> {
    tracing::info!("starting defragment");
    let done = server.node.defragment().await;
    done.inspect_err(|error| tracing::warn!(%error, "failed to defragment"))?;
    tracing::info!("finished defragment");
    Ok(pb::DefragmentResponse { header: None })
}

pub(crate) async fn hash(
    server: &Server,
    _: &Admitted,
    _: pb::HashRequest,
) -> Result<pb::HashResponse, Error> {
    let ticket = server.node.ticket().await?;
    let header = server.header_now();
    let start = server.node.now();
    let hash = server.aside(move || ticket.state.hash()).await?;
    server.node.metrics().store.hashed(server.node.now().since(start));
    Ok(pb::HashResponse { header, hash: hash.map_err(|error| unreadable(&server.node, &error))? })
}

pub(crate) async fn hash_kv(
    server: &Server,
    _: &Admitted,
    request: pb::HashKvRequest,
) -> Result<pb::HashKvResponse, Error> {
    let header = server.header_now();
    let start = server.node.now();
    let hash = match server.node.compaction_hash(request.revision) {
        Some(hash) => hash,
        None => {
            let node = server.node.clone();
            let hashing = move || node.view().read.hash(request.revision);
            let hash = server.aside(hashing).await?;
            hash.map_err(|error| failed(&server.node, error))?
        }
    };
    server.node.metrics().store.hashed_history(server.node.now().since(start));
    Ok(pb::HashKvResponse {
        header,
        hash: hash.hash,
        compact_revision: hash.compact_revision,
        hash_revision: hash.revision,
    })
}

pub(crate) async fn move_leader(
    server: &Server,
    _: &Admitted,
    request: pb::MoveLeaderRequest,
) -> Result<pb::MoveLeaderResponse, Error> {
    if !server.node.raft().is_leader {
        return Err(Known::NotLeader.into());
    }
    server.node.move_leader(MemberId(request.target_id)).await?;
    Ok(pb::MoveLeaderResponse { header: None })
}

pub(crate) fn health(server: &Server) -> Health {
    let view = server.node.view();
    let alarms = view.alarms.of_kind(AlarmType::None.into());
    let name = |alarm: &AlarmMember| {
        AlarmType::try_from(alarm.alarm).map_or("UNKNOWN", |kind| kind.as_str_name())
    };
    Health {
        alarms: alarms.iter().map(name).collect(),
        has_leader: server.node.has_leader(),
        is_learner: server.node.is_learner(),
        // The service goes on meanwhile.
        is_defragmenting: false,
    }
}

pub(crate) fn versions(server: &Server) -> Versions {
    let cluster = server.node.view().cluster.version();
    Versions {
        server: SERVER.to_string(),
        cluster: cluster.map_or_else(|| "not_decided".to_owned(), |version| version.to_string()),
        storage: schema_version(server)
            .map_or_else(|| "unknown".to_owned(), |version| version.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_print_as_their_message_does() {
        let text = |member_id, alarm| alarm_text(&AlarmMember { member_id, alarm });
        let cases = [
            (text(7, AlarmType::Nospace.into()), "memberID:7 alarm:NOSPACE "),
            (
                text(u64::MAX, AlarmType::Corrupt.into()),
                "memberID:18446744073709551615 alarm:CORRUPT ",
            ),
            (text(0, AlarmType::Nospace.into()), "alarm:NOSPACE "),
            (text(7, 9), "memberID:7 alarm:9 "),
            (text(7, 0), "memberID:7 "),
        ];
        for (printed, expected) in cases {
            assert_eq!(printed, expected);
        }
    }
}
