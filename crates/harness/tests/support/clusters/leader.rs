//! Who leads.

use harness::Cluster;
use load::Api;
use std::time::{Duration, Instant};

const ASK_MAX: Duration = Duration::from_secs(1);

/// The position of the member that says it leads, and its term, if it is the only one of the newest
/// term that answers. Members that don't run are not asked.
pub async fn leader(cluster: &Cluster) -> Option<usize> {
    let mut found: Option<(u64, usize)> = None;
    for (position, member) in cluster.members().iter().enumerate() {
        if !member.is_running() {
            continue;
        }
        let ask = async {
            let api = Api::connect(&member.endpoint(), ASK_MAX).await.ok()?;
            api.status().await.ok()
        };
        let Ok(Some(status)) = tokio::time::timeout(ASK_MAX, ask).await else { continue };
        let id = status.header.map_or(0, |header| header.member_id);
        let newer = found.is_none_or(|(term, _)| status.raft_term > term);
        if id == status.leader && newer {
            found = Some((status.raft_term, position));
        }
    }
    found.map(|(_, position)| position)
}

/// Waits for a leader.
pub async fn wait_for_leader(cluster: &Cluster) -> usize {
    let start = Instant::now();
    loop {
        if let Some(position) = leader(cluster).await {
            return position;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "nobody leads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
