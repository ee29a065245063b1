//! What a proposer of a change checks first, so that the change cannot cost the quorum
//! (`--strict-reconfig-check`, server/etcdserver/server.go).
//!
//! Pure functions: since when a member is connected is the caller's to know. Not part of applying:
//! a committed change is applied whatever these say.

use std::time::Duration;

use env::Monotonic;
use types::MemberId;

use crate::{Cluster, Member};

/// For how long a member has to be connected to count.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// Why a change is not proposed. `Display` prints the text that clients see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Too few members were ever started for the quorum that would be needed then.
    #[error("{}", proto::error::Error::MemberNotEnoughStarted)]
    NotEnoughStarted,
    /// Too few members are connected.
    #[error("{}", proto::error::Error::Unhealthy)]
    Unhealthy,
}

impl From<Refusal> for proto::error::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotEnoughStarted => Self::MemberNotEnoughStarted,
            Refusal::Unhealthy => Self::Unhealthy,
        }
    }
}

/// Who is connected to this member.
#[derive(Clone, Copy)]
pub struct Connections<'a> {
    /// This member.
    pub local: MemberId,
    /// Now.
    pub now: Monotonic,
    /// Since when a peer is connected; `None` when it is not.
    pub active_since: &'a dyn Fn(MemberId) -> Option<Monotonic>,
}

impl Connections<'_> {
    /// How many of the members are connected for long enough, this one included.
    #[must_use]
    pub fn count<'m>(&self, members: impl IntoIterator<Item = &'m Member>) -> usize {
        members.into_iter().filter(|member| self.is_healthy(member.id)).count()
    }

    fn is_healthy(&self, id: MemberId) -> bool {
        let long = |since| self.now.since(since) > HEALTH_INTERVAL;
        id == self.local || (self.active_since)(id).is_some_and(long)
    }
}

/// How many of so many voters are a quorum.
#[must_use]
pub const fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether a member may be added. A new voter counts as not started and not connected; a cluster of
/// one may always grow.
///
/// # Errors
/// [`Refusal`].
pub fn may_add(
    cluster: &Cluster,
    is_learner: bool,
    connections: Connections<'_>,
) -> Result<(), Refusal> {
    let voters = cluster.voters().count();
    let started = started(cluster.voters());
    let is_first_of_one = started == 1 && voters == 1;
    if !is_learner && !is_first_of_one && started < quorum(voters + 1) {
        return Err(Refusal::NotEnoughStarted);
    }
    let needed = if env::planted!("add-needs-all") { voters } else { quorum(voters + 1) };
    if voters != 1 && connections.count(cluster.voters()) < needed {
        return Err(Refusal::Unhealthy);
    }
    Ok(())
}

/// Whether a member may be removed. A learner and a voter that is not connected always may, as long
/// as enough of the others were started.
///
/// # Errors
/// [`Refusal`].
pub fn may_remove(
    cluster: &Cluster,
    id: MemberId,
    connections: Connections<'_>,
) -> Result<(), Refusal> {
    if cluster.member(id).is_some_and(|member| member.is_learner) {
        return Ok(());
    }
    let others: Vec<&Member> = cluster.voters().filter(|member| member.id != id).collect();
    if started(others.iter().copied()) < quorum(others.len()) {
        return Err(Refusal::NotEnoughStarted);
    }
    if id != connections.local && (connections.active_since)(id).is_none() {
        return Ok(());
    }
    let voters = cluster.voters().count();
    let active_then = connections.count(cluster.voters()).saturating_sub(1);
    if active_then < 1 + voters.saturating_sub(1) / 2 {
        return Err(Refusal::Unhealthy);
    }
    Ok(())
}

/// Whether a learner may become a voter; it counts as started.
///
/// # Errors
/// [`Refusal::NotEnoughStarted`].
pub fn may_promote(cluster: &Cluster) -> Result<(), Refusal> {
    let voters = cluster.voters().count();
    if started(cluster.voters()) + 1 < quorum(voters + 1) && !env::planted!("promotion-unchecked") {
        return Err(Refusal::NotEnoughStarted);
    }
    Ok(())
}

/// Whether a learner has enough of the leader's log to be promoted: nine tenths of what the leader
/// has itself. Both are the index of the last entry that is known to be there.
#[must_use]
pub fn is_learner_ready(learner_match: types::Index, leader_match: types::Index) -> bool {
    // Exact, where Go divides floating-point numbers; they agree at any length a log can have.
    env::planted!("learner-promoted-unready")
        || u128::from(learner_match.0) * 10 >= u128::from(leader_match.0) * 9
}

fn started<'a>(members: impl Iterator<Item = &'a Member>) -> usize {
    members.filter(|member| member.is_started()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, Contents};
    use types::Index;

    const NOW: Monotonic = Monotonic(100_000_000_000);

    /// Members 1.. by what is said of each: `s` a started voter, `u` one never started, `l` a
    /// learner.
    fn cluster(kinds: &str) -> Cluster {
        let mut contents = Contents::default();
        for (kind, id) in kinds.chars().zip(1..) {
            let name = if kind == 'u' { String::new() } else { format!("m{id}") };
            let member = Member {
                id: MemberId(id),
                is_learner: kind == 'l',
                attributes: Attributes { name, client_urls: Vec::new() },
                ..Member::default()
            };
            contents.members.insert(member.id, member);
        }
        contents.into()
    }

    /// Asks with member 1 as this one and those given as connected for a minute.
    fn with<T>(connected: &[u64], ask: impl FnOnce(Connections<'_>) -> T) -> T {
        let since =
            |id: MemberId| connected.contains(&id.0).then_some(Monotonic(NOW.0 - 60_000_000_000));
        ask(Connections { local: MemberId(1), now: NOW, active_since: &since })
    }

    #[test]
    fn adding_counts_the_new_member_as_down() {
        let add = |kinds, connected: &[u64]| {
            with(connected, |connections| may_add(&cluster(kinds), false, connections))
        };
        assert_eq!(add("s", &[]), Ok(()), "a cluster of one may grow");
        assert_eq!(add("su", &[]), Err(Refusal::NotEnoughStarted));
        assert_eq!(add("su", &[2]), Err(Refusal::NotEnoughStarted));
        assert_eq!(add("ss", &[2]), Ok(()));
        assert_eq!(add("ss", &[]), Err(Refusal::Unhealthy));
        assert_eq!(add("sss", &[2]), Err(Refusal::Unhealthy), "two of four are no quorum");
        assert_eq!(add("sss", &[2, 3]), Ok(()));
        assert_eq!(add("ssss", &[2, 3]), Ok(()));
        assert_eq!(add("sssl", &[4, 2]), Err(Refusal::Unhealthy), "learners don't count");
        assert_eq!(add("u", &[]), Err(Refusal::NotEnoughStarted));
        let learner = |kinds, connected: &[u64]| {
            with(connected, |connections| may_add(&cluster(kinds), true, connections))
        };
        assert_eq!(learner("su", &[2]), Ok(()));
        assert_eq!(learner("su", &[]), Err(Refusal::Unhealthy));
    }

    #[test]
    fn removing_keeps_a_quorum_of_those_that_are_left() {
        let remove = |kinds, id, connected: &[u64]| {
            with(connected, |connections| may_remove(&cluster(kinds), MemberId(id), connections))
        };
        assert_eq!(remove("s", 1, &[]), Err(Refusal::NotEnoughStarted), "the last one");
        assert_eq!(remove("sss", 3, &[2, 3]), Ok(()));
        assert_eq!(remove("sss", 3, &[2]), Ok(()), "it is down anyway");
        assert_eq!(remove("sss", 3, &[3]), Err(Refusal::Unhealthy), "2 is down, 3 goes");
        assert_eq!(remove("sss", 1, &[2]), Err(Refusal::Unhealthy), "itself");
        assert_eq!(remove("ssu", 2, &[2, 3]), Err(Refusal::NotEnoughStarted));
        assert_eq!(remove("sul", 3, &[]), Ok(()), "a learner");
        assert_eq!(remove("sss", 9, &[2, 3]), Ok(()), "unknown, and refused when applied");
        assert_eq!(remove("ss", 2, &[2]), Ok(()));
    }

    #[test]
    fn promoting_counts_the_learner_as_started() {
        assert_eq!(may_promote(&cluster("sl")), Ok(()));
        assert_eq!(may_promote(&cluster("sul")), Ok(()));
        assert_eq!(may_promote(&cluster("suul")), Err(Refusal::NotEnoughStarted));
        assert!(is_learner_ready(Index(90), Index(100)));
        assert!(!is_learner_ready(Index(89), Index(100)));
        assert!(is_learner_ready(Index(0), Index(0)));
    }

    #[test]
    fn a_connection_counts_after_five_seconds() {
        let count = |nanos_ago: u64| {
            let since = |_| Some(Monotonic(NOW.0 - nanos_ago));
            let connections = Connections { local: MemberId(1), now: NOW, active_since: &since };
            connections.count(cluster("ss").members())
        };
        assert_eq!(count(5_000_000_001), 2);
        assert_eq!(count(5_000_000_000), 1);
    }

    #[test]
    fn texts_are_the_api_s() {
        for refusal in [Refusal::NotEnoughStarted, Refusal::Unhealthy] {
            assert_eq!(proto::error::Error::from(refusal).text(), refusal.to_string());
        }
    }
}
