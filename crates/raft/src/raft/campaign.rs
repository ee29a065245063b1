//! A member wants to lead.

use bytes::Bytes;
use proto::raftpb::{Message, MessageType};
use types::{Index, Term};

use super::send::message;
use super::vote::vote_response;
use super::{Raft, Role};
use crate::log::EntryId;
use crate::logger::{debug, info, warning};
use crate::storage::Storage;

/// The context of a vote request that comes from a transfer of leadership; such a one is heard
/// even where a leader is known.
pub(super) const CAMPAIGN_TRANSFER: &[u8] = b"CampaignTransfer";

/// Why and how a member campaigns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Campaign {
    /// It asks first whether it would win.
    PreElection,
    /// It asks for votes.
    Election,
    /// The leader told it to take over; it asks for votes.
    Transfer,
}

impl<S: Storage> Raft<S> {
    /// Starts a campaign unless this member may not.
    pub(super) fn start_campaign(&mut self, campaign: Campaign) {
        let (id, term) = (self.id, self.term);
        if self.role == Role::Leader {
            debug!(self.logger, "{id} ignoring MsgHup because already leader");
        } else if !self.promotable() {
            warning!(self.logger, "{id} is unpromotable and can not campaign");
        } else if self.has_unapplied_conf_changes()
            && !env::planted!("campaign-with-unapplied-change")
        {
            warning!(
                self.logger,
                "{id} cannot campaign at term {term} since there are still pending configuration changes to apply"
            );
        } else if self.append_is_stalled() {
            warning!(
                self.logger,
                "{id} cannot campaign at term {term} since its storage has not acknowledged an append for {} ticks",
                self.stall.age()
            );
        } else {
            info!(self.logger, "{id} is starting a new election at term {term}");
            self.campaign(campaign);
        }
    }

    /// Whether this member could lead: it votes, and has no snapshot to install first.
    pub(super) fn promotable(&self) -> bool {
        let voter = self.tracker.get(self.id).is_some_and(|own| !own.is_learner);
        voter && !self.log.has_pending_snapshot()
    }

    /// Whether a committed configuration change waits to be applied: this member may not know who
    /// votes. Entries whose contents are out of memory count as one.
    fn has_unapplied_conf_changes(&self) -> bool {
        use proto::raftpb::EntryType::Normal;

        let mut low = self.log.applying.applied().next();
        let high = self.log.committed.next();
        let page = self.log.applying.size_max();
        while low < high {
            match self.log.slice(low, high, page) {
                Ok(entries) if !entries.is_empty() => {
                    if entries.iter().any(|entry| entry.entry_type != Normal) {
                        return true;
                    }
                    low = Index(low.0 + entries.len() as u64);
                }
                _ => return true,
            }
        }
        false
    }

    pub(super) fn campaign(&mut self, campaign: Campaign) {
        let (kind, term) = if campaign == Campaign::PreElection {
            self.become_pre_candidate();
            // It asks about the term that it would campaign in.
            (MessageType::PreVote, Term(self.term.0 + 1))
        } else {
            self.become_candidate();
            (MessageType::Vote, self.term)
        };
        let context = match campaign {
            Campaign::Transfer => Bytes::from_static(CAMPAIGN_TRANSFER),
            Campaign::PreElection | Campaign::Election => Bytes::new(),
        };
        let EntryId { term: last_term, index: last } = self.log.last_id();
        for id in self.tracker.config().voters.ids() {
            if id == self.id {
                // Its own vote counts when it is stored.
                let own = message(vote_response(kind), id);
                self.send(Message { term: term.0, ..own });
                continue;
            }
            info!(
                self.logger,
                "{} [logterm: {last_term}, index: {last}] sent {kind} request to {id} at term {}",
                self.id,
                self.term
            );
            self.send(Message {
                term: term.0,
                index: last.0,
                log_term: last_term.0,
                context: context.clone(),
                ..message(kind, id)
            });
        }
    }
}
