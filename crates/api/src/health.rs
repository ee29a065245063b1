//! What the health endpoints ask.

/// The state of a member at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Names of the active alarms (`NOSPACE`, `CORRUPT`), one for each member that raised one.
    pub alarms: Vec<&'static str>,
    /// There is a leader.
    pub has_leader: bool,
    /// The member is a learner.
    pub is_learner: bool,
    /// The member has stopped its service while it defragments.
    pub is_defragmenting: bool,
}

/// Which read is to be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Through the leader and a quorum.
    Linearizable,
    /// From this member's own state.
    Serializable,
}

/// The versions that `/version` tells, as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versions {
    /// `etcdserver`.
    pub server: String,
    /// `etcdcluster`: `not_decided` before there is one.
    pub cluster: String,
    /// `storage`: `unknown` before it is known.
    pub storage: String,
}
