//! What readers see of the replicated state.

use auth::View as AuthView;
use lease::View as LeaseView;
use membership::Cluster;
use mvcc::ReadView;
use types::{Index, Term};

use crate::alarms::Alarms;

/// The replicated state after an entry. Never changes; cheap to clone.
#[derive(Clone)]
pub struct View {
    /// The last entry whose effects are seen here.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// Keys.
    pub read: ReadView,
    /// Users and roles.
    pub auth: AuthView,
    /// Leases.
    pub leases: LeaseView,
    /// Members and cluster version.
    pub cluster: Cluster,
    /// Alarms.
    pub alarms: Alarms,
}
