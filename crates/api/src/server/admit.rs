//! Who may call what: the rules of the table, and when a member serves at all.
//!
//! Invariant: with authentication on, everything but [`Rule::Open`] looks at the token; a recipe does
//! so with each call of the API that it makes. What a rule leaves open (which keys) is checked where
//! the keys are known.

use std::sync::Arc;

use ::auth::Identity;
use proto::error::Error as Known;

use crate::server::Server;
use crate::{Caller, Error};

/// What a caller has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Anybody: it is about logging in.
    Open,
    /// Anybody, but with no false token.
    Guest,
    /// Allowed to read or write the keys in question, which is checked with them.
    Keys,
    /// As the calls of which a recipe consists: each is admitted by itself, with the same token.
    Recipe,
    /// As `Keys` or `User`; a learner serves it too.
    LearnerToo,
    /// Anybody who has logged in.
    User,
    /// An administrator.
    Root,
    /// As `Root`; a learner serves it too.
    LearnerRoot,
    /// Whatever its messages need, which is checked with each.
    Stream,
}

/// A caller who met the rule.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    /// As the transport found it.
    pub(crate) caller: Arc<Caller>,
    /// Who it is; nobody without a token.
    pub(crate) identity: Identity,
}

impl Server {
    /// Lets a caller in, or refuses it.
    pub(crate) async fn admit(&self, caller: &Caller, rule: Rule) -> Result<Admitted, Error> {
        self.check_member(caller, rule)?;
        let identity = self.identify(caller, rule).await?;
        let auth = &self.node.view().auth;
        if auth.is_enabled() {
            match rule {
                Rule::Root | Rule::LearnerRoot => {
                    auth.check_admin(&identity).map_err(Known::from)?;
                }
                Rule::User if identity.revision == 0 => return Err(Known::UserEmpty.into()),
                Rule::Open
                | Rule::Guest
                | Rule::Keys
                | Rule::Recipe
                | Rule::LearnerToo
                | Rule::User
                | Rule::Stream => {}
            }
        }
        Ok(Admitted { caller: Arc::new(caller.clone()), identity })
    }

    /// Who the caller's token says it is. Without authentication nobody asks; a token that is
    /// unknown is an error, none is nobody.
    async fn identify(&self, caller: &Caller, rule: Rule) -> Result<Identity, Error> {
        if matches!(rule, Rule::Open | Rule::Recipe) {
            return Ok(Identity::default());
        }
        Ok(self.identity(caller).await.map_err(Known::from)?)
    }

    /// Who the caller is now, whatever is to be done.
    pub(crate) async fn identity(&self, caller: &Caller) -> Result<Identity, ::auth::Error> {
        match caller.token.as_deref() {
            // Boxed: most calls have no token, and each would carry the place for the search.
            Some(token) if self.node.view().auth.is_enabled() => {
                Box::pin(self.node.identify(token)).await
            }
            _ => Ok(Identity::default()),
        }
    }

    /// Whether this member serves the call at all.
    pub(crate) fn check_member(&self, caller: &Caller, rule: Rule) -> Result<(), Error> {
        let on_learner = matches!(rule, Rule::LearnerToo | Rule::LearnerRoot);
        if !on_learner && self.node.is_learner() {
            return Err(Known::NotSupportedForLearner.into());
        }
        if caller.requires_leader && !self.node.has_leader() {
            return Err(Known::NoLeader.into());
        }
        Ok(())
    }

    /// Resolves when a stream of this caller has to end.
    pub(crate) async fn cut_off(&self, caller: &Caller) -> Error {
        let stopped = async {
            self.node.stopped().await;
            Known::Stopped
        };
        if !caller.requires_leader {
            return stopped.await.into();
        }
        let leaderless = async {
            self.node.leaderless_for(3 * self.settings.election).await;
            Known::NoLeader
        };
        let why = tokio::select! {
            why = stopped => why,
            why = leaderless => why,
        };
        why.into()
    }
}
