//! The members as clients reach them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Server, Settings};
use auth::password::Cost;
use node::{Node, Options};

/// What one member serves.
#[derive(Clone)]
pub struct Served {
    /// Which member.
    pub number: usize,
    /// Its how manieth process.
    pub process: u64,
    /// Its API.
    pub server: Arc<Server>,
    /// Itself.
    pub node: Node,
}

/// See the module.
#[derive(Default)]
pub struct Servers(Mutex<BTreeMap<usize, Served>>);

impl Servers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, number: usize, process: u64, node: &Node, options: &Options) {
        let settings = Settings {
            txn_ops_max: 128,
            request_bytes_max: options.settings.request_bytes_max,
            bcrypt_cost: Cost::MIN,
            election: options.settings.election,
        };
        let server = Arc::new(Server::new(node.clone(), settings));
        let served = Served { number, process, server, node: node.clone() };
        self.lock().insert(number, served);
    }

    pub(crate) fn leave(&self, number: usize) {
        // Dropped when the lock is free again: it may be the last to know the member.
        let gone = self.lock().remove(&number);
        drop(gone);
    }

    /// A member, if it runs.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Served> {
        self.lock().get(&number).cloned()
    }

    /// The members that run.
    #[must_use]
    pub fn all(&self) -> Vec<Served> {
        self.lock().values().cloned().collect()
    }

    /// Whether this process runs.
    #[must_use]
    pub fn is_there(&self, served: &Served) -> bool {
        self.lock().get(&served.number).is_some_and(|now| now.process == served.process)
    }
}
