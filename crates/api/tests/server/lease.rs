//! Leases, and the locks and elections on top of them.

use api::Service;
use proto::error::Error as Known;
use proto::etcdserverpb as pb;
use proto::v3lockpb::{LockRequest, UnlockRequest};

use crate::running::{Running, nobody, pairs, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lives_until_it_is_revoked() {
    let member = Running::start("lease").await;
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 0 };
    let granted = member.lease_grant(&nobody(), grant).await.unwrap();
    assert!(granted.id > 0 && granted.ttl == 60 && granted.error.is_empty());
    let again = pb::LeaseGrantRequest { ttl: 60, id: granted.id };
    assert_eq!(refusal(member.lease_grant(&nobody(), again).await), Some(Known::LeaseExist));
    let put = pb::PutRequest { key: "k".into(), lease: granted.id, ..pb::PutRequest::default() };
    member.put(&nobody(), put).await.unwrap();

    let keep = pb::LeaseKeepAliveRequest { id: granted.id };
    let kept = member.lease_keep_alive(&nobody(), keep).await.unwrap();
    assert_eq!((kept.id, kept.ttl, kept.header.unwrap().revision), (granted.id, 60, 2));
    let ask = pb::LeaseTimeToLiveRequest { id: granted.id, keys: true };
    let asked = member.lease_time_to_live(&nobody(), ask).await.unwrap();
    assert!((50..=60).contains(&asked.ttl) && asked.granted_ttl == 60);
    assert_eq!(asked.keys, ["k"]);
    let all = member.lease_leases(&nobody(), pb::LeaseLeasesRequest {}).await.unwrap();
    assert_eq!(all.leases, [pb::LeaseStatus { id: granted.id }]);

    let revoke = pb::LeaseRevokeRequest { id: granted.id };
    let revoked = member.lease_revoke(&nobody(), revoke).await.unwrap();
    assert_eq!(revoked.header.unwrap().revision, 3);
    assert_eq!(member.get("k", "").await, []);
    assert_eq!(refusal(member.lease_revoke(&nobody(), revoke).await), Some(Known::LeaseNotFound));
    assert_eq!(member.lease_keep_alive(&nobody(), keep).await.unwrap().ttl, 0);
    let gone = member.lease_time_to_live(&nobody(), ask).await.unwrap();
    assert_eq!((gone.ttl, gone.granted_ttl), (-1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_had_by_one_at_a_time() {
    let member = Running::start("lock").await;
    let lock = |lease| LockRequest { name: "l".into(), lease };
    let mut leases = Vec::new();
    for id in [1, 2] {
        let grant = pb::LeaseGrantRequest { ttl: 60, id };
        leases.push(member.lease_grant(&nobody(), grant).await.unwrap().id);
    }
    let first = member.lock(&nobody(), lock(leases[0])).await.unwrap();
    let second = {
        let server = api::Server::clone(&member);
        let request = lock(leases[1]);
        tokio::spawn(async move { server.lock(&nobody(), request).await })
    };
    while member.get("l/", "l0").await.len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    member.unlock(&nobody(), UnlockRequest { key: first.key }).await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(second.key, "l/2");
    assert_eq!(member.get("l/", "l0").await, pairs(&[("l/2", "")]));
}
