//! Handing leadership over.

use std::time::Duration;

use proto::error::{Error as Known, Status};
use types::MemberId;

use crate::consensus;
use crate::handle::Node;

impl Node {
    /// Hands leadership over and waits until it is there.
    ///
    /// # Errors
    /// `etcdserver: bad leader transferee`, `etcdserver: request timed out, leader transfer took too
    /// long`.
    pub async fn move_leader(&self, to: MemberId) -> Result<(), Status> {
        self.move_leader_within(to, self.patience()).await
    }

    async fn move_leader_within(&self, to: MemberId, patience: Duration) -> Result<(), Status> {
        let is_voter = self.view().cluster.member(to).is_some_and(|member| !member.is_learner);
        if !is_voter {
            return Err(Known::BadLeaderTransferee.into());
        }
        let from = self.ids().1;
        tracing::info!("local-member-id" = %from, "transferee-member-id" = %to,
            "leadership transfer starting");
        self.0.consensus.complete(consensus::Event::Transfer(to));
        let mut leadership = self.0.leadership.subscribe();
        let moved = leadership.wait_for(|now| now.leader == to);
        match self.timeout(patience, moved).await {
            Ok(Ok(_)) => {
                tracing::info!("local-member-id" = %from, "transferee-member-id" = %to,
                    "leadership transfer finished");
                Ok(())
            }
            Ok(Err(_)) => Err(Known::Stopped.into()),
            Err(_) => Err(Known::TimeoutLeaderTransfer.into()),
        }
    }

    /// Before this member stops: hands leadership over to the voter that has been connected for
    /// longest, if there is one. The cluster then has no time without a leader.
    pub async fn hand_over(&self) {
        if !self.raft().is_leader {
            return;
        }
        let view = self.view();
        let me = self.ids().1;
        let peers = self.0.peers.transport();
        let connected = view
            .cluster
            .voters()
            .filter(|voter| voter.id != me)
            .filter_map(|voter| peers.active_since(voter.id).map(|since| (since, voter.id)));
        let Some((_, to)) = connected.min() else { return };
        // Raft gives a transfer up after an election timeout.
        if let Err(error) = self.move_leader_within(to, 2 * self.0.settings.election).await {
            tracing::warn!(%error, "failed to hand leadership over");
        }
    }
}
