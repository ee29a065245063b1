//! Opening a database and loading the state that is in it: at the start, and when another member's
//! takes the place of this one's.

use std::sync::Arc;
use std::time::Duration;

use apply::{Applier, Parts};
use backend::{Backend, Committer, Generation, Sizes};
use env::Disk;
use membership::Store as Members;
use proto::raftpb::{ConfState, Snapshot};
use snap::Snapshots;
use types::{Index, MemberId};

use crate::commit::{Install, Loaded};
use crate::start::{Error, Options};
use crate::world::World;

/// How long to wait for the database's lock before saying so, and how often to try.
const LOCK_WARNING: Duration = Duration::from_secs(10);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// Opens the database, waiting for whoever has it.
pub(crate) async fn open(world: &World, options: &Options) -> Result<(Backend, Committer), Error> {
    let how = how(options);
    let start = world.clock.now();
    let mut warned = false;
    loop {
        match backend::open(Arc::clone(&world.disk), how.clone()) {
            Err(backend::Error::Locked { .. }) => {}
            opened => return Ok(opened?),
        }
        if !warned && world.clock.now().since(start) >= LOCK_WARNING {
            warned = true;
            tracing::info!(path = %options.paths.database().display(),
                "db file is flocked by another process, or taking too long");
        }
        world.tasks.sleep(LOCK_RETRY).await;
    }
}

fn how(options: &Options) -> backend::Options {
    let mut how = backend::Options::new(options.paths.database());
    how.batch_operations = options.batch_limit;
    if options.unsafe_no_fsync {
        how.sync = backend::Sync::Off;
    }
    how
}

/// Loads the state from the database, leases before keys.
pub(crate) fn load(
    options: &Options,
    member: MemberId,
    mut backend: Backend,
    members: Members,
    conf_state: ConfState,
) -> Result<Loaded, apply::Error> {
    let mut leases = lease::Leases::open(&backend, lease_ttl_min(options))?;
    let restored = mvcc::Store::restore(backend.last_committed())?;
    for (key, id) in &restored.leases {
        if leases.attach(*id, key).is_err() {
            tracing::warn!("lease-id" = %id, "a key has a lease that is not there");
        }
    }
    let auth = auth::Store::open(&mut backend)?;
    let settings = apply::Settings {
        member,
        quota: options.settings.quota,
        persist_checkpoints: options.persist_checkpoints,
        learners_max: options.settings.learners_max,
    };
    let parts = Parts { backend, store: restored.store, leases, auth, members, conf_state };
    Ok(Loaded { applier: Applier::new(parts, settings)?, compaction: restored.compaction })
}

/// One and a half election timeouts in whole seconds, rounded up (spec/schema.md 2.3).
fn lease_ttl_min(options: &Options) -> i64 {
    let timeout = options.tick * (3 * options.election_ticks) / 2;
    timeout.as_millis().div_ceil(1000) as i64
}

/// Puts databases that came with snapshots in the place of this member's.
#[derive(Clone)]
pub(crate) struct Installer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) snapshots: Snapshots,
    pub(crate) member: MemberId,
    pub(crate) sizes: Sizes,
}

impl Installer {
    /// The job that does it, once the snapshot's document is stored.
    pub(crate) fn job(&self, snapshot: &Snapshot) -> Install {
        let (installer, metadata) = (self.clone(), snapshot.metadata.clone());
        Box::new(move |generation| {
            installer.install(Index(metadata.index), metadata.conf_state, generation)
        })
    }

    fn install(
        &self,
        index: Index,
        conf_state: ConfState,
        generation: Generation,
    ) -> Result<(Loaded, Committer), apply::Error> {
        env::fail_point!("applyBeforeOpenSnapshot");
        let wrong = |reason: String| apply::Error::Entry { index, reason };
        let installed = self.snapshots.install_database(index);
        installed.map_err(|error| wrong(format!("install the snapshot's database: {error}")))?;
        let how = backend::Options { generation, sizes: self.sizes.clone(), ..how(&self.options) };
        let (backend, committer) = backend::open(Arc::clone(&self.disk), how)?;
        let found = backend.last_committed().position().index;
        if found != index {
            return Err(wrong(format!("the snapshot's database has entries up to {found}")));
        }
        let released = self.snapshots.release_databases(index);
        released.map_err(|error| wrong(format!("remove databases of before: {error}")))?;
        env::fail_point!("applyAfterOpenSnapshot");
        let members = Members::open(&backend)?;
        let loaded = load(&self.options, self.member, backend, members, conf_state)?;
        tracing::info!(index = index.get(), "installed the database of a snapshot");
        Ok((loaded, committer))
    }
}
