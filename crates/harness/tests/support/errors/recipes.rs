//! Errors of locks and elections, which carry no codes.

use proto::error::Error as Known;
use proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest};
use proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use proto::v3lockpb::{LockRequest, UnlockRequest};

use super::Provoking;

async fn lease(to: &Provoking) -> i64 {
    let grant = LeaseGrantRequest { id: 0, ttl: 100 };
    to.api.lease.clone().lease_grant(grant).await.unwrap().into_inner().id
}

pub async fn locks(to: &mut Provoking) {
    let (mut lock, mut other) = (to.lock.clone(), to.lock.clone());
    let request = |lease| LockRequest { name: "lock".into(), lease };
    let leaseless = lock.lock(request(7)).await;
    to.fails_without_code("a lock with no such lease", Known::LeaseNotFound, leaseless);
    let unlocked = lock.unlock(UnlockRequest { key: "".into() }).await;
    to.fails_without_code("the end of no lock", Known::EmptyKey, unlocked);

    // The second waits for the first, and its lease ends meanwhile.
    let (first, second) = (lease(to).await, lease(to).await);
    let held = lock.lock(request(first)).await.unwrap().into_inner();
    let waiting = tokio::spawn(async move { other.lock(request(second)).await });
    wait_for_keys(to, "lock/", 2).await;
    let revoke = LeaseRevokeRequest { id: second };
    to.api.lease.clone().lease_revoke(revoke).await.unwrap();
    lock.unlock(UnlockRequest { key: held.key }).await.unwrap();
    let expired = waiting.await.unwrap();
    to.fails_without_code("a lock whose lease ended", Known::MutexSessionExpired, expired);
}

/// Waits until so many keys begin so.
async fn wait_for_keys(to: &Provoking, prefix: &str, count: i64) {
    let end = prefix.replace('/', "0");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let range = proto::etcdserverpb::RangeRequest {
            key: prefix.to_owned().into(),
            range_end: end.clone().into(),
            count_only: true,
            ..Default::default()
        };
        let found = to.api.kv.clone().range(range).await.unwrap().into_inner().count;
        if found == count {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found} keys begin with {prefix}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

pub async fn elections(to: &mut Provoking) {
    let mut election = to.election.clone();
    let none = election.leader(LeaderRequest { name: "vote".into() }).await;
    to.fails_without_code("nobody leads", Known::ElectionNoLeader, none);
    let campaign = |lease| CampaignRequest { name: "vote".into(), lease, value: "me".into() };
    let leaseless = election.campaign(campaign(7)).await;
    to.fails_without_code("a campaign with no such lease", Known::LeaseNotFound, leaseless);
    let nobody = election.proclaim(ProclaimRequest::default()).await;
    to.fails_without_code("a proclamation of nobody", Known::ElectionMissingLeaderKey, nobody);
    let nobody = election.resign(ResignRequest::default()).await;
    to.fails_without_code("nobody resigns", Known::ElectionMissingLeaderKey, nobody);
    let lease = lease(to).await;
    let leader = election.campaign(campaign(lease)).await.unwrap().into_inner().leader.unwrap();
    let other = LeaderKey { rev: leader.rev + 1, ..leader };
    let request = ProclaimRequest { leader: Some(other), value: "you".into() };
    let refused = election.proclaim(request).await;
    to.fails_without_code("a proclamation of another", Known::ElectionNotLeader, refused);
}
