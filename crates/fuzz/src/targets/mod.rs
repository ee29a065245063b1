//! All targets.

mod applying;
mod consensus;
mod decode;
mod files;
mod leases;
mod peer_streams;
mod serving;
mod store;
mod text;
mod users;
mod watching;

pub(crate) use peer_streams::raft_message;

use crate::target::Target;

/// Every target.
pub fn all() -> impl Iterator<Item = &'static Target> {
    [
        decode::TARGETS,
        files::TARGETS,
        peer_streams::TARGETS,
        text::TARGETS,
        store::TARGETS,
        consensus::TARGETS,
        leases::TARGETS,
        watching::TARGETS,
        users::TARGETS,
        applying::TARGETS,
        serving::TARGETS,
    ]
    .into_iter()
    .flatten()
}
