//! Whether the members have the same data: hashes compared at the start, from time to time, and at
//! compactions (server/etcdserver/corrupt.go).
//!
//! What hashes mean is decided by pure functions; only hashes of the same compact revision compare.

use std::collections::BTreeMap;
use std::time::Duration;

use env::Tasks;
use membership::Member;
use mvcc::{KvHash, ReadView};
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmType, InternalRaftRequest};
use types::{ClusterId, MemberId};

use crate::ask::{self, PeerHash};
use crate::handle::Node;
use crate::network::Network;
use crate::runtime::blocking;

/// When data is compared with the other members'.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checks {
    /// Before anything is served (feature `InitialCorruptCheck`).
    pub initial: bool,
    /// `--corrupt-check-time`.
    pub period: Option<Duration>,
    /// `--compact-hash-check-time`, with the feature `CompactHashCheck`.
    pub compaction: Option<Duration>,
}

/// Who has to be put under alarm. `MemberId(0)` stands for the whole cluster.
type Corrupt = Vec<MemberId>;

/// A member and its hash; `None` if it gave none.
type Told = (MemberId, Option<PeerHash>);

/// Whom to ask, and about what.
pub(crate) struct Inquiry<'a> {
    pub(crate) network: &'a dyn Network,
    pub(crate) tasks: &'a dyn Tasks,
    pub(crate) cluster: ClusterId,
    pub(crate) timeout: Duration,
}

impl Inquiry<'_> {
    async fn ask(&self, members: &[Member], revision: i64) -> Vec<Told> {
        let mut told = Vec::new();
        for member in members {
            told.push((member.id, self.ask_one(member, revision).await));
        }
        told
    }

    async fn ask_one(&self, member: &Member, revision: i64) -> Option<PeerHash> {
        for url in &member.peer_urls {
            let asked = ask::hash_kv(self.network, url, self.cluster, revision, self.timeout);
            match asked.await {
                Ok(hash) => return Some(hash),
                Err(error) => {
                    tracing::warn!("requested-revision" = revision, "remote-peer-endpoint" = %url,
                        %error, "failed hash kv request");
                }
            }
        }
        None
    }

    /// Compares what was loaded with the others before anything is served.
    ///
    /// # Errors
    /// How many of them have other data.
    pub(crate) async fn initial(
        &self,
        view: ReadView,
        others: &[Member],
    ) -> Result<(), InitialError> {
        tracing::info!("starting initial corruption check");
        let hashed = blocking(self.tasks, move || view.hash(0)).await;
        let mine = hashed.ok_or(InitialError::Stopped)?.map_err(InitialError::Unreadable)?;
        let told = self.ask(others, mine.revision).await;
        let different = told.iter().filter(|(id, hash)| {
            let differs = hash.is_some_and(|hash| {
                hash.hash != mine.hash && hash.compact_revision == mine.compact_revision
            });
            if differs {
                tracing::warn!("remote-peer-id" = %id, "local-member-hash" = mine.hash,
                    "local-member-revision" = mine.revision,
                    "found different hash values from remote peer");
            }
            differs
        });
        if different.count() > 0 {
            return Err(InitialError::Different);
        }
        tracing::info!("initial corruption checking passed; no corruption");
        Ok(())
    }
}

/// Why a member does not start.
#[derive(Debug)]
pub(crate) enum InitialError {
    /// Another member has other data.
    Different,
    /// Its own cannot be read.
    Unreadable(mvcc::Error),
    /// The process ends.
    Stopped,
}

/// The hash of the whole store; `None` if there is none, which ends the member.
async fn hash_of(node: &Node, view: ReadView) -> Option<KvHash> {
    let hashed = blocking(node.tasks(), move || view.hash(0)).await?;
    hashed.map_err(|error| node.read_failed(&error)).ok()
}

/// Compares all of the data from time to time, while this member leads.
pub(crate) async fn check_periodically(node: Node, period: Duration) {
    tracing::info!(interval = ?period, "enabled corruption checking");
    loop {
        node.sleep(period).await;
        if node.raft().is_leader {
            check_all(&node).await;
        }
    }
}

async fn check_all(node: &Node) {
    let others = node.other_members();
    let Some(first) = hash_of(node, node.view().read.clone()).await else { return };
    let told = node.inquiry().ask(&others, first.revision).await;
    if let Err(error) = node.linearize().await {
        tracing::warn!(%error, "failed to check hash KV");
        return;
    }
    let now = node.view().read.clone();
    let newest = now.revision();
    let Some(second) = hash_of(node, now).await else { return };
    let corrupt = judge(node.ids().1, (first, second), newest, &told);
    raise(node, corrupt).await;
    tracing::info!(
        "number-of-peers-checked" = told.iter().filter(|told| told.1.is_some()).count(),
        "finished peer corruption check"
    );
}

/// Compares the hashes of the leader, taken before and after those of the others, with theirs. Only
/// the first that is wrong is named: it may be the reason for all that follows.
fn judge(me: MemberId, (first, second): (KvHash, KvHash), newest: i64, told: &[Told]) -> Corrupt {
    let same_state =
        (first.revision, first.compact_revision) == (second.revision, second.compact_revision);
    if same_state && first.hash != second.hash {
        tracing::warn!(
            "revision-1" = first.revision,
            "hash-1" = first.hash,
            "hash-2" = second.hash,
            "found hash mismatch"
        );
        return vec![me];
    }
    let is_wrong = |hash: &PeerHash| {
        hash.revision > newest
            || hash.compact_revision > second.compact_revision
            || (hash.compact_revision == first.compact_revision && hash.hash != first.hash)
    };
    let wrong = told.iter().find(|(_, hash)| hash.as_ref().is_some_and(is_wrong));
    wrong.map_or_else(Vec::new, |(id, hash)| {
        tracing::warn!("follower-peer-id" = %id, "follower" = ?hash, "leader-hash" = first.hash,
            "leader-revision" = first.revision, "same compact revision then hashes must match");
        vec![*id]
    })
}

/// Compares what compactions left behind, while this member leads.
pub(crate) async fn check_compactions(node: Node, interval: Duration) {
    let mut checked = i64::MIN;
    loop {
        node.sleep(interval).await;
        if node.raft().is_leader {
            check_newest(&node, &mut checked).await;
        }
    }
}

/// Looks for the newest compaction that all members have finished.
async fn check_newest(node: &Node, checked: &mut i64) {
    let hashes: Vec<KvHash> = node.0.hashes().all().to_vec();
    let others = node.other_members();
    let open: Vec<KvHash> =
        hashes.into_iter().rev().take_while(|hash| hash.revision > *checked).collect();
    tracing::info!("starting compact hash check");
    for (count, hash) in open.iter().enumerate() {
        let told = node.inquiry().ask(&others, hash.revision).await;
        if told.is_empty() {
            continue;
        }
        match judge_compaction(node.ids().1, *hash, &told) {
            Compared::Partly => continue,
            Compared::Equal => *checked = hash.revision.max(*checked),
            Compared::Different(corrupt) => raise(node, corrupt).await,
        }
        tracing::info!("number-of-hashes-checked" = count + 1, "finished compaction hash check");
        return;
    }
    tracing::info!("number-of-hashes-checked" = open.len(), "finished compaction hash check");
}

/// What the hashes of one compaction say.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Compared {
    /// All are there, and equal.
    Equal,
    /// Some are missing, the others equal.
    Partly,
    /// They differ.
    Different(Corrupt),
}

/// The minority is corrupt; without a majority nobody knows who is.
fn judge_compaction(me: MemberId, mine: KvHash, told: &[Told]) -> Compared {
    let mut by_hash = BTreeMap::from([(mine.hash, vec![me])]);
    let mut counted = 0;
    for (id, hash) in told {
        let Some(hash) = hash.filter(|hash| hash.compact_revision == mine.compact_revision) else {
            tracing::warn!("peer-id" = %id, "Skipped peer's hash");
            continue;
        };
        counted += 1;
        by_hash.entry(hash.hash).or_default().push(*id);
    }
    if by_hash.len() == 1 {
        return if counted == told.len() { Compared::Equal } else { Compared::Partly };
    }
    let quorum = told.len().div_ceil(2) + 1;
    let majority = by_hash.iter().find(|(_, ids)| ids.len() >= quorum).map(|(hash, _)| *hash);
    tracing::error!("leader-revision" = mine.revision, "hashes" = ?by_hash,
        "quorum-exist" = majority.is_some(), "Detected compaction hash mismatch");
    let Some(majority) = majority else { return Compared::Different(vec![MemberId(0)]) };
    by_hash.remove(&majority);
    let mut corrupt: Vec<MemberId> = by_hash.into_values().flatten().collect();
    corrupt.sort_unstable();
    Compared::Different(corrupt)
}

async fn raise(node: &Node, corrupt: Corrupt) {
    for member in corrupt {
        let alarm = AlarmRequest {
            action: AlarmAction::Activate.into(),
            member_id: member.get(),
            alarm: AlarmType::Corrupt.into(),
        };
        let request = InternalRaftRequest { alarm: Some(alarm), ..InternalRaftRequest::default() };
        if let Err(error) = node.propose_as_root(request).await {
            tracing::warn!(%error, "failed to raise the alarm CORRUPT");
        }
    }
}

impl Node {
    /// All members but this one.
    pub(crate) fn other_members(&self) -> Vec<Member> {
        let me = self.ids().1;
        self.view().cluster.members().filter(|member| member.id != me).cloned().collect()
    }

    fn inquiry(&self) -> Inquiry<'_> {
        Inquiry {
            network: self.network(),
            tasks: self.tasks(),
            cluster: self.ids().0,
            timeout: self.patience(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: MemberId = MemberId(1);

    fn mine(hash: u32) -> KvHash {
        KvHash { hash, compact_revision: 5, revision: 9 }
    }

    fn told(hashes: &[Option<u32>]) -> Vec<Told> {
        let peer = |hash: u32| PeerHash { revision: 9, hash, compact_revision: 5 };
        (2..).map(MemberId).zip(hashes.iter().map(|hash| hash.map(peer))).collect()
    }

    #[test]
    fn of_a_compaction_the_minority_is_corrupt() {
        let judge = |hashes: &[Option<u32>]| judge_compaction(ME, mine(7), &told(hashes));
        assert_eq!(judge(&[Some(7), Some(7)]), Compared::Equal);
        assert_eq!(judge(&[Some(7), None]), Compared::Partly);
        assert_eq!(judge(&[Some(7), Some(8)]), Compared::Different(vec![MemberId(3)]));
        assert_eq!(judge(&[Some(8), Some(8)]), Compared::Different(vec![ME]));
        assert_eq!(judge(&[Some(8), Some(9)]), Compared::Different(vec![MemberId(0)]));
        assert_eq!(judge(&[Some(8)]), Compared::Different(vec![MemberId(0)]));
        assert_eq!(judge(&[Some(8), None]), Compared::Different(vec![MemberId(0)]));
    }

    #[test]
    fn other_compact_revisions_do_not_compare() {
        let other = PeerHash { revision: 9, hash: 8, compact_revision: 4 };
        assert_eq!(judge_compaction(ME, mine(7), &[(MemberId(2), Some(other))]), Compared::Partly);
        assert_eq!(judge(ME, (mine(7), mine(7)), 9, &[(MemberId(2), Some(other))]), []);
    }

    #[test]
    fn of_the_whole_the_first_that_is_wrong_is_named() {
        let both = (mine(7), mine(7));
        assert_eq!(judge(ME, both, 9, &told(&[Some(7), None])), []);
        assert_eq!(judge(ME, both, 9, &told(&[Some(7), Some(8)])), [MemberId(3)]);
        assert_eq!(judge(ME, both, 9, &told(&[Some(8), Some(9)])), [MemberId(2)]);
        assert_eq!(judge(ME, (mine(7), mine(8)), 9, &told(&[Some(8)])), [ME]);
        let ahead = PeerHash { revision: 10, hash: 7, compact_revision: 5 };
        assert_eq!(judge(ME, both, 9, &[(MemberId(2), Some(ahead))]), [MemberId(2)]);
        let compacted = PeerHash { revision: 9, hash: 1, compact_revision: 6 };
        assert_eq!(judge(ME, both, 9, &[(MemberId(2), Some(compacted))]), [MemberId(2)]);
    }
}
