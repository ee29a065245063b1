//! Making a learner a voter: only the leader knows how far it has got.

use std::time::Duration;

use auth::Identity;
use membership::{Change, Member, reconfiguration};
use proto::error::{Error as Known, Status};
use types::MemberId;

use crate::ask::{self, Failure};
use crate::handle::Node;

/// How soon the leader is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl Node {
    /// Makes a learner a voter, on whichever member leads. `token` is the caller's, whose rights
    /// the leader checks again.
    ///
    /// # Errors
    /// The refusal; a time-out; that nobody leads.
    pub async fn promote_member(
        &self,
        id: MemberId,
        token: Option<String>,
    ) -> Result<Vec<Member>, Status> {
        let asking = async {
            loop {
                match self.promote_here(id).await {
                    Err(error) if error == Known::NotLeader.into() => {}
                    answer => return answer,
                }
                self.wait_for_leader().await;
                for url in self.leader_urls() {
                    let (token, patience) = (token.clone(), self.patience());
                    match ask::promote(self.network(), &url, id, token, patience).await {
                        Ok(members) => return Ok(members),
                        Err(failure) => {
                            if let Some(refusal) = refusal(&failure) {
                                return Err(refusal.into());
                            }
                            tracing::debug!(%failure, "the leader did not promote the member");
                        }
                    }
                }
                self.sleep(RETRY_INTERVAL).await;
            }
        };
        self.in_time(asking).await
    }

    /// Makes a learner a voter, as the leader.
    pub(crate) async fn promote_here(&self, id: MemberId) -> Result<Vec<Member>, Status> {
        let promoted = self.try_promote(id).await;
        match &promoted {
            Ok(_) => self.metrics().promoted(),
            Err(error) if *error == Known::NotLeader.into() => {}
            Err(error) => self.metrics().not_promoted(&error.message),
        }
        promoted
    }

    async fn try_promote(&self, id: MemberId) -> Result<Vec<Member>, Status> {
        self.applied_all().await?;
        let progress = self.progress().await?.ok_or(Known::NotLeader)?;
        let matched = |id| progress.iter().find(|(member, _)| *member == id).map(|(_, at)| *at);
        let learner = matched(id).ok_or(Known::MemberNotFound)?;
        let leader = matched(self.ids().1).ok_or(Known::NotLeader)?;
        if !reconfiguration::is_learner_ready(learner, leader) {
            tracing::error!(
                "learner-match" = learner.get(),
                "leader-match" = leader.get(),
                "rejecting promote learner: learner is not ready"
            );
            return Err(Known::LearnerNotReady.into());
        }
        self.change_members(Change::Promote(id)).await
    }

    /// As [`promote_here`](Self::promote_here), for a member that asks in the name of a caller.
    pub(crate) async fn promote_for(
        &self,
        id: MemberId,
        token: Option<&str>,
    ) -> Result<Vec<Member>, Status> {
        if self.view().auth.is_enabled() {
            let who = match token {
                Some(token) => self.identify(token).await.map_err(Known::from)?,
                None => Identity::default(),
            };
            self.view().auth.check_admin(&who).map_err(Known::from)?;
        }
        self.promote_here(id).await
    }
}

/// What the leader's refusal means; `None` if it is to be asked again.
fn refusal(failure: &Failure) -> Option<Known> {
    let Failure::Refused { status, text } = failure else { return None };
    match status {
        404 => Some(Known::MemberNotFound),
        412 if text.contains(Known::LearnerNotReady.text()) => Some(Known::LearnerNotReady),
        412 if text.contains("can only promote a learner member") => Some(Known::MemberNotLearner),
        408 => Some(Known::Timeout),
        _ => None,
    }
}
