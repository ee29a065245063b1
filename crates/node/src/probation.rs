//! Probation: what a member may do whose log began empty.
//!
//! It may be new; or it lost its data, and forgot what it had promised: entries that count as stored
//! with it, and its votes. A candidate could then be elected without an entry that was acknowledged.
//! So it votes for nobody, and does not stand itself, before it is certain that it holds all that it
//! may ever have promised:
//!
//! - A leader has brought it up to date. All that was committed is in a leader's log (raft's leader
//!   completeness); this member knows as committed what its leader does, and that reaches into the
//!   leader's term.
//! - Or all other voters have told, twice, that they have not seen it.
//!
//! Founders vote for one another before that, as long as no log holds more than the cluster was
//! founded with: that is how there comes to be a first leader.
//!
//! A mark in the data directory makes a restart no way out of it; etcd takes no notice of the file.
//! Invariant: the mark is durable before there is a log, and goes when what ended the probation is
//! durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, OpenMode};
use proto::raftpb::{Message, MessageType};
use types::{Index, Term};

use crate::boot::FOUNDING_TERM;
use crate::consensus;
use crate::founding::{SETTLED, Verdict, Witnesses};
use crate::handle::Node;
use crate::start::Error;

/// What raft gets to hear on probation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probation {
    /// The last of the entries that its cluster was founded with; 0 if it joined.
    founding: Index,
    /// It takes part. A founder does not before others have told that they have not seen it.
    admitted: bool,
}

impl Probation {
    /// That of a founder of a cluster with so many.
    #[must_use]
    pub const fn of_founder(founders: usize) -> Self {
        Self { founding: Index(founders as u64), admitted: false }
    }

    /// That of a member that joins.
    #[must_use]
    pub const fn of_joiner() -> Self {
        Self { founding: Index(0), admitted: true }
    }

    /// The same for who takes part.
    #[must_use]
    pub const fn admitted(self) -> Self {
        Self { admitted: true, ..self }
    }

    /// Whether it takes part.
    pub(crate) const fn is_admitted(self) -> bool {
        self.admitted
    }

    /// Whether it hears a message.
    pub(crate) fn hears(self, message: &Message) -> bool {
        if env::planted!("wiped-member-votes") {
            return true;
        }
        let last = (Index(message.index), Term(message.log_term));
        match message.message_type {
            MessageType::Vote | MessageType::PreVote => self.may_stand(last),
            MessageType::TimeoutNow => false,
            _ => self.admitted,
        }
    }

    /// Whether a candidate whose log ends there may be elected with its help.
    pub(crate) fn may_stand(self, (index, term): (Index, Term)) -> bool {
        self.admitted
            && self.founding > Index(0)
            && (index, term) == (self.founding, Term(FOUNDING_TERM))
    }
}

/// The mark of a member on probation in its data directory.
#[derive(Clone)]
pub(crate) struct Mark {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Mark {
    pub(crate) const fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path }
    }

    pub(crate) fn is_set(&self) -> Result<bool, Error> {
        self.disk.exists(&self.path).map_err(|source| Error::io("look for", &self.path, source))
    }

    /// Sets it durably.
    pub(crate) fn set(&self) -> Result<(), Error> {
        self.make().map_err(|source| Error::io("create", &self.path, source))
    }

    fn make(&self) -> io::Result<()> {
        self.disk.open(&self.path, OpenMode::Create)?.sync_all()?;
        self.sync()
    }

    /// Takes it away durably.
    fn clear(&self) -> io::Result<()> {
        match self.disk.remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync_dir(self.path.parent().unwrap_or_else(|| Path::new("/")))
    }
}

/// The probation of a member that runs.
pub(crate) struct Trial {
    pub(crate) mark: Mark,
    pub(crate) probation: Probation,
    /// Those who may have seen it.
    pub(crate) witnesses: Witnesses,
    /// Its log holds nothing but the cluster's founding, if that.
    pub(crate) is_fresh: bool,
}

impl Trial {
    /// The end of a log that holds nothing of its own.
    fn beginning(&self) -> Option<Index> {
        self.is_fresh.then_some(self.probation.founding)
    }

    /// Goes on until the probation has ended, and that is durable. Only then others may hear of this
    /// member: whom they know and who is on probation has lost its data.
    pub(crate) async fn go_on(self, node: &Node) {
        let (mark, beginning) = (self.mark.clone(), self.beginning());
        let mut ended = node.0.proven.subscribe();
        let proof = tokio::select! {
            biased;
            // Its sender lives as long as the member.
            proof = ended.wait_for(Option::is_some) => proof.ok().and_then(|proof| *proof),
            never = self.inquire(node) => match never {},
        };
        let mut applied = node.0.applied.subscribe();
        // What is applied is durable.
        let _ = applied.wait_for(|applied| Some(*applied) >= proof).await;
        if let Err(error) = mark.clear() {
            node.0.fail(Error::io("remove", &mark.path, error).to_string());
        }
        let _ = applied.wait_for(|applied| Some(*applied) > beginning).await;
    }

    /// Asks those who may have seen the member. Does not end.
    async fn inquire(self, node: &Node) -> std::convert::Infallible {
        let Self { mut witnesses, mut probation, is_fresh, .. } = self;
        let is_founder = !probation.is_admitted();
        loop {
            node.sleep(SETTLED).await;
            let verdict = witnesses.ask(node.network()).await;
            match verdict {
                Verdict::Open => continue,
                Verdict::Known if is_fresh => {
                    let member = node.ids().1;
                    let error = match is_founder {
                        true => Error::AlreadyBootstrapped { member },
                        false => Error::LostData { member },
                    };
                    node.0.fail(error.to_string());
                    break;
                }
                // The real etcd may have gone on with its data meanwhile, and left the mark.
                Verdict::Known => break,
                Verdict::New | Verdict::NewToAll => {}
            }
            if !probation.is_admitted() {
                probation = probation.admitted();
                node.0.consensus.complete(consensus::Event::Admitted);
            }
            if verdict == Verdict::NewToAll {
                node.0.consensus.complete(consensus::Event::Trusted);
                break;
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MessageType, index: u64, log_term: u64) -> Message {
        Message { message_type: kind, index, log_term, ..Message::default() }
    }

    #[test]
    fn founders_elect_one_of_whom_nobody_has_more_than_the_founding() {
        let waiting = Probation::of_founder(3);
        let founder = waiting.admitted();
        for kind in [MessageType::Vote, MessageType::PreVote] {
            assert!(!waiting.hears(&message(kind, 3, 1)));
            assert!(founder.hears(&message(kind, 3, 1)));
            for (index, term) in [(4, 1), (3, 2), (4, 2), (0, 0)] {
                assert!(!founder.hears(&message(kind, index, term)), "{index} {term}");
            }
        }
        assert!(founder.may_stand((Index(3), Term(1))));
        assert!(!founder.may_stand((Index(4), Term(2))));
        assert!(!waiting.may_stand((Index(3), Term(1))));
        assert!(!waiting.hears(&message(MessageType::App, 3, 1)));
        assert!(founder.hears(&message(MessageType::App, 3, 1)));
    }

    #[test]
    fn who_joins_hears_a_leader_and_no_candidate() {
        let joiner = Probation::of_joiner();
        for kind in [MessageType::Vote, MessageType::PreVote, MessageType::TimeoutNow] {
            assert!(!joiner.hears(&message(kind, 0, 0)));
            assert!(!joiner.hears(&message(kind, 9, 2)));
        }
        for kind in [MessageType::App, MessageType::Heartbeat, MessageType::Snap] {
            assert!(joiner.hears(&message(kind, 9, 2)));
        }
        assert!(!joiner.may_stand((Index(0), Term(0))));
    }
}
