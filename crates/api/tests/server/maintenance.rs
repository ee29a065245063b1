//! Status, hashes, snapshots, versions.

use api::Service;
use env::RealDisk;
use proto::error::Error as Known;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use sha2::{Digest, Sha256};

use crate::running::{Running, nobody, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_member() {
    let member = Running::start("status").await;
    member.version_decided().await;
    member.set("a", "1").await;
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.version, "3.7.1");
    assert_eq!(status.leader, status.header.unwrap().member_id);
    assert_eq!(status.raft_term, status.header.unwrap().raft_term);
    assert!(0 < status.raft_applied_index && status.raft_applied_index <= status.raft_index);
    assert!(0 < status.db_size_in_use && status.db_size_in_use <= status.db_size);
    assert_eq!(status.db_size_quota, 2 << 30);
    assert_eq!(status.downgrade_info, Some(pb::DowngradeInfo::default()));
    assert!(status.errors.is_empty() && !status.is_learner);
    let health = member.health();
    assert!(health.has_leader && !health.is_learner && health.alarms.is_empty());
    assert_eq!(member.versions().server, "3.7.1");

    while member.versions().storage != "3.7.0" {
        tokio::task::yield_now().await;
    }
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.storage_version, "3.7.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_tell_what_is_stored() {
    let member = Running::start("hashes").await;
    for number in 0..5 {
        member.set("a", &number.to_string()).await;
    }
    let hash = async || member.hash(&nobody(), pb::HashRequest {}).await.unwrap();
    let hash_kv = async |revision| member.hash_kv(&nobody(), pb::HashKvRequest { revision }).await;
    let (first, second) = (hash().await, hash().await);
    assert_eq!((first.hash, first.header.unwrap().revision), (second.hash, 6));
    let at_five = hash_kv(5).await.unwrap();
    let now = hash_kv(0).await.unwrap();
    assert_eq!((at_five.hash_revision, now.hash_revision), (5, 6));
    assert_eq!((now.compact_revision, now.header.unwrap().revision), (-1, 6));
    member.set("a", "more").await;
    assert_eq!(hash_kv(5).await.unwrap().hash, at_five.hash);
    assert_eq!(hash_kv(6).await.unwrap().hash, now.hash);
    assert_ne!(hash().await.hash, first.hash);

    member.compact_at(5).await.unwrap();
    let kept = hash_kv(5).await.unwrap();
    assert_eq!(kept.hash_revision, 5);
    assert_eq!(refusal(hash_kv(4).await), Some(Known::Compacted));
    assert_eq!(refusal(hash_kv(9).await), Some(Known::FutureRev));
    member.defragment(&nobody(), pb::DefragmentRequest {}).await.unwrap();
    let before = hash_kv(0).await.unwrap();
    assert_eq!((before.compact_revision, before.hash_revision), (5, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_a_database_with_its_digest() {
    let member = Running::start("snapshot").await;
    member.version_decided().await;
    let value = "v".repeat(10_000);
    for number in 0..120 {
        member.set(&format!("k{number}"), &value).await;
    }
    let mut replies = member.snapshot(&nobody(), pb::SnapshotRequest {}).await.unwrap();
    let mut messages = Vec::new();
    while let Some(message) = replies.next().await {
        messages.push(message.unwrap());
    }
    let (trailer, chunks) = messages.split_last().unwrap();
    let total: usize = chunks.iter().map(|chunk| chunk.blob.len()).sum();
    assert!(total > 1_200_000 && chunks.iter().all(|chunk| chunk.blob.len() <= 32 << 10));
    let mut file = Vec::new();
    for chunk in chunks {
        file.extend_from_slice(&chunk.blob);
        assert_eq!(chunk.remaining_bytes as usize, total - file.len());
        assert_eq!(chunk.version, trailer.version);
    }
    assert_eq!(trailer.blob, &Sha256::digest(&file)[..]);
    let path = std::env::temp_dir().join(format!("oxetcd-api-{}.db", std::process::id()));
    std::fs::write(&path, &file).unwrap();
    let state = backend::open_read_only(&RealDisk, &path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut records = 0;
    state
        .scan_records(|_, _| {
            records += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!((records, state.size()), (120, total as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_to_voters_only() {
    let member = Running::start("transfer").await;
    let me = member.status(&nobody(), pb::StatusRequest {}).await.unwrap().leader;
    let to = |target_id| pb::MoveLeaderRequest { target_id };
    member.move_leader(&nobody(), to(me)).await.unwrap();
    let moved = member.move_leader(&nobody(), to(7)).await;
    assert_eq!(refusal(moved), Some(Known::BadLeaderTransferee));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_goes_one_version_down_and_is_begun_once() {
    let member = Running::start("downgrade").await;
    member.version_decided().await;
    let ask = async |action: DowngradeAction, version: &str| {
        let request = pb::DowngradeRequest { action: action.into(), version: version.to_owned() };
        member.downgrade(&nobody(), request).await
    };
    use DowngradeAction::{Cancel, Enable, Validate};
    assert_eq!(ask(Validate, "3.6").await.unwrap().version, "3.7");
    let wrong = Some(Known::WrongDowngradeVersionFormat);
    assert_eq!(refusal(ask(Validate, "x").await), wrong);
    assert_eq!(refusal(ask(Enable, "3").await), wrong);
    let invalid = Some(Known::InvalidDowngradeTargetVersion);
    assert_eq!(refusal(ask(Validate, "3.5").await), invalid);
    assert_eq!(refusal(ask(Enable, "3.7").await), invalid);
    // There is nothing to cancel, which Go does not tell either.
    assert_eq!(ask(Cancel, "").await.unwrap().version, "3.7");

    ask(Enable, "3.6").await.unwrap();
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    let expected = pb::DowngradeInfo { enabled: true, target_version: "3.6.0".to_owned() };
    assert_eq!(status.downgrade_info, Some(expected));
    assert!(ask(Enable, "3.6").await.is_err());
    ask(Cancel, "").await.unwrap();
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.downgrade_info, Some(pb::DowngradeInfo::default()));
    let unknown = pb::DowngradeRequest { action: 9, ..Default::default() };
    let unknown = member.downgrade(&nobody(), unknown).await;
    assert_eq!(refusal(unknown), Some(Known::UnknownMethod));
}
