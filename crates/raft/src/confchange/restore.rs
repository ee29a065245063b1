//! From the stored form of a configuration back to the configuration.

use std::collections::BTreeSet;

use proto::raftpb::ConfState;
use types::MemberId;

use super::Error;
use crate::quorum::{JointConfig, MajorityConfig};
use crate::tracker::Config;

/// The configuration that a [`ConfState`] describes. Nobody at all is valid: a member that has yet
/// to learn the configuration.
///
/// # Errors
/// `InvalidConfState` if no sequence of changes leads to it: an id is 0 or named twice, members
/// learn and vote at once, or there are learners without a voter.
pub fn restore(state: &ConfState) -> Result<Config, Error> {
    let is_left_out = env::planted!("joint-half-not-restored");
    let outgoing = if is_left_out { &[][..] } else { &state.voters_outgoing };
    let config = Config {
        voters: JointConfig {
            incoming: MajorityConfig(set(&state.voters)?),
            outgoing: MajorityConfig(set(outgoing)?),
        },
        auto_leave: state.auto_leave,
        learners: set(&state.learners)?,
        learners_next: set(&state.learners_next)?,
    };
    if is_valid(&config) { Ok(config) } else { Err(Error::InvalidConfState) }
}

fn set(ids: &[u64]) -> Result<BTreeSet<MemberId>, Error> {
    let set: BTreeSet<MemberId> = ids.iter().copied().map(MemberId).collect();
    let proper = set.len() == ids.len() && !set.contains(&MemberId(0));
    if proper { Ok(set) } else { Err(Error::InvalidConfState) }
}

fn is_valid(config: &Config) -> bool {
    let voters = &config.voters;
    let anybody = !config.members().is_empty();
    let learners_vote = config.learners.iter().any(|id| voters.contains(*id));
    // Staged learners still vote in the outgoing half, and only there.
    let staged = |id| voters.outgoing.0.contains(id) && !voters.incoming.0.contains(id);
    let joint = voters.is_joint();
    (!anybody || !voters.incoming.0.is_empty())
        && !learners_vote
        && config.learners_next.iter().all(staged)
        && (joint || !config.auto_leave)
}
