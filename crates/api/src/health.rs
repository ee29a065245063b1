//! What the health endpoints tell.

/// The state of a member as `/health`, `/livez`, `/readyz` and gRPC's health service report it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Active alarms by their names (`NOSPACE`, `CORRUPT`), sorted.
    pub alarms: Vec<String>,
    /// There is a leader.
    pub has_leader: bool,
    /// A linearizable read came through; else what it answered.
    pub linearizable_read: Option<String>,
    /// A serializable read came through; else what it answered.
    pub serializable_read: Option<String>,
    /// The member is defragmenting its database with its service stopped.
    pub defragmenting: bool,
}
