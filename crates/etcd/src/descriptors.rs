//! How many files and sockets the process may have open, and how many of them are for clients.
//!
//! Invariant: clients, however many come, leave enough of them for the files and for peers
//! (etcd's server/embed/etcd.go).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept from clients: for the log, the database, snapshots and peers.
const RESERVED: usize = 150;

/// Takes all that the process may have, as Go programs do: the lower limit that is usual is there
/// for programs that cannot deal with more.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Then it stays at what it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// How many connections clients may have, over all listeners.
///
/// # Errors
/// When hardly any would be left.
pub fn clients_max() -> Result<usize, String> {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if limit <= RESERVED {
        return Err(format!(
            "file descriptor limit of etcd process is too low; please set higher (limit: {limit}, \
             recommended-limit: {RESERVED})"
        ));
    }
    Ok(limit - RESERVED)
}
