//! From what is on the disk to a member that can run: founding a cluster, or going on from log,
//! snapshot and database (spec/snap.md 4.7, spec/wal.md 3.8).
//!
//! Invariants: the database's index lies within the log; members and configuration are those of that
//! index; what the log says to be committed covers it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use backend::schema::storage_version;
use backend::{Backend, Bucket, Committer};
use membership::{Cluster, InitialCluster, Member, Store as Members, Url};
use prost::Message;
use proto::etcdserverpb::Metadata;
use proto::raftpb::{ConfState, HardState, Snapshot, SnapshotMetadata};
use proto::version::{self, Version};
use proto::walpb;
use raft::{MemoryStorage, Peer, Storage as _};
use snap::Snapshots;
use types::{ClusterId, Index, MemberId, Term};
use wal::{Contents, Wal};

use crate::document;
use crate::force;
use crate::founding::{self, Beginning, Witnesses};
use crate::probation::{Mark, Probation, Trial};
use crate::replay;
use crate::start::{Error, Options};
use crate::world::World;

/// The term of the entries that a cluster is founded with.
pub(crate) const FOUNDING_TERM: u64 = 1;

/// Whether a cluster is founded or joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterState {
    /// Founded.
    New,
    /// Joined.
    Existing,
}

/// The highest cluster version that this member agrees to (`--max-cluster-version`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaxClusterVersion {
    /// 3.7, but a cluster found at 3.5 or below stays there.
    Auto,
    /// This one.
    At(Version),
}

impl MaxClusterVersion {
    /// The level that the member speaks for in a cluster of this version.
    #[must_use]
    pub fn level(self, cluster: Option<Version>) -> Version {
        match (self, cluster) {
            (Self::At(level), _) => level,
            (Self::Auto, Some(known)) if known > version::MIN_CLUSTER && known <= version::V3_5 => {
                version::V3_5
            }
            (Self::Auto, _) => version::V3_7,
        }
    }
}

impl MaxClusterVersion {
    /// The version that the member tells others in a cluster of this version: the newest patch of
    /// its level's line, which is what tools expect to see.
    #[must_use]
    pub fn announced(self, cluster: Option<Version>) -> Version {
        match self.level(cluster) {
            version::V3_5 => Version::new(3, 5, 33),
            version::V3_6 => Version::new(3, 6, 14),
            _ => version::SERVER,
        }
    }
}

/// A member that can run.
pub(crate) struct Booted {
    pub(crate) cluster_id: ClusterId,
    pub(crate) member_id: MemberId,
    pub(crate) wal: Wal,
    pub(crate) storage: MemoryStorage,
    /// Everything up to here is in the database.
    pub(crate) applied: Index,
    pub(crate) last_snapshot: Index,
    pub(crate) backend: Backend,
    pub(crate) committer: Committer,
    pub(crate) members: Members,
    pub(crate) conf_state: ConfState,
    /// Whom a new cluster is founded with; nobody after a restart.
    pub(crate) founders: Vec<Peer>,
    /// Its probation, if its log began empty and it may still have lost what it had promised.
    pub(crate) trial: Option<Trial>,
    /// The others of a cluster that was just joined.
    pub(crate) remotes: Vec<Member>,
    /// The version of a cluster that was just joined.
    pub(crate) joined: Option<Version>,
}

/// What booting needs.
pub(crate) struct Ground<'a> {
    pub(crate) world: &'a World,
    pub(crate) options: &'a Options,
    pub(crate) snapshots: &'a Snapshots,
}

impl Booted {
    /// Whether nothing was ever in the log: the member has promised nothing to anybody.
    pub(crate) fn is_blank(&self) -> bool {
        self.applied == Index(0)
            && self.storage.last_index() == Index(0)
            && self.storage.initial_state().0 == HardState::default()
    }
}

impl Ground<'_> {
    fn wal_options(&self) -> wal::Options {
        let mut options = wal::Options::new(Arc::clone(&self.world.clock));
        // What raft would not keep in memory either.
        options.segment_bytes = self.options.segment_bytes;
        options.entries_bytes_max = crate::start::RAFT_LOG_BYTES_MAX;
        if self.options.unsafe_no_fsync {
            options.durability = wal::Durability::UnsafeNoSync;
        }
        options
    }

    fn wal_dir(&self) -> PathBuf {
        self.options.paths.wal.clone()
    }

    /// Founds a cluster, or joins one.
    pub(crate) async fn begin(
        &self,
        backend: Backend,
        committer: Committer,
    ) -> Result<Booted, Error> {
        let options = self.options;
        let index = backend.last_committed().position().index;
        if index != Index(0) {
            return Err(Error::LogMissing { index, dir: self.wal_dir() });
        }
        let beginning = self.beginning().await?;
        let metadata = Metadata {
            node_id: Some(beginning.member_id.get()),
            cluster_id: Some(beginning.cluster_id.get()),
        };
        for dir in [&options.paths.snap, &options.paths.data] {
            let parent = dir.parent().unwrap_or(dir);
            let synced = self.world.disk.sync_dir(parent);
            synced.map_err(|source| Error::io("sync", parent, source))?;
        }
        let trial = self.trial_of(&beginning)?;
        let wal = Wal::create(
            Arc::clone(&self.world.disk),
            &self.wal_dir(),
            &metadata.encode_to_vec(),
            self.wal_options(),
        )?;
        let members = Members::open(&backend)?;
        Ok(Booted {
            cluster_id: beginning.cluster_id,
            member_id: beginning.member_id,
            wal,
            storage: MemoryStorage::bounded(crate::start::RAFT_LOG_BYTES_MAX),
            applied: Index(0),
            last_snapshot: Index(0),
            backend,
            committer,
            members,
            conf_state: ConfState::default(),
            founders: beginning.founders,
            trial,
            remotes: beginning.remotes,
            joined: beginning.joined,
        })
    }

    /// Begins again with a log that nothing was ever stored in. It is no different from none: the
    /// first start ended early, be it that of a new member or that of one that lost its data.
    pub(crate) async fn begin_again(&self, booted: Booted) -> Result<Booted, Error> {
        if self.options.force_new_cluster {
            return Ok(booted);
        }
        let beginning = match self.beginning().await {
            Ok(beginning) => beginning,
            Err(error @ (Error::AlreadyBootstrapped { .. } | Error::LostData { .. })) => {
                return Err(error);
            }
            // Whom it joins may be down, and reach it later.
            Err(error) if self.options.cluster_state == ClusterState::Existing => {
                tracing::warn!(%error, "the log is empty, and nobody tells of the cluster");
                return self.joins_later(booted);
            }
            Err(error) => return Err(error),
        };
        if (beginning.cluster_id, beginning.member_id) != (booted.cluster_id, booted.member_id) {
            let (member, cluster) = (booted.member_id, booted.cluster_id);
            return Err(Error::OtherBeginning { dir: self.wal_dir(), member, cluster });
        }
        tracing::info!("local-member-id" = %booted.member_id,
            "the log is empty: the first start is made again");
        let trial = self.trial_of(&beginning)?;
        let Beginning { founders, remotes, joined, .. } = beginning;
        Ok(Booted { founders, trial, remotes, joined, ..booted })
    }

    /// Lets a member run that cannot ask those whom it joins yet: it goes on asking.
    fn joins_later(&self, booted: Booted) -> Result<Booted, Error> {
        let options = self.options;
        let initial: InitialCluster =
            options.initial_cluster.parse().map_err(Error::InitialClusterText)?;
        let mut named = initial.members(&options.initial_cluster_token)?;
        named.retain(|member| member.attributes.name != options.name);
        let mark = self.mark();
        mark.set()?;
        let witnesses = Witnesses::new(booted.member_id, &named);
        let probation = Probation::of_joiner();
        let trial = Some(Trial { mark, probation, witnesses, is_fresh: true });
        Ok(Booted { trial, ..booted })
    }

    fn mark(&self) -> Mark {
        Mark::new(Arc::clone(&self.world.disk), self.options.paths.probation())
    }

    /// The probation of a first start. Who founds a cluster alone has nobody to ask; one that others
    /// joined since, that lost its data and comes back with its first flags, is not told apart from it.
    fn trial_of(&self, beginning: &Beginning) -> Result<Option<Trial>, Error> {
        let probation = match beginning.founders.len() {
            0 => Probation::of_joiner(),
            1 => return Ok(None),
            founders => Probation::of_founder(founders),
        };
        let mark = self.mark();
        mark.set()?;
        let witnesses = beginning.witnesses.clone();
        Ok(Some(Trial { mark, probation, witnesses, is_fresh: true }))
    }

    /// The probation that goes on after a restart.
    fn trial_goes_on(
        &self,
        me: MemberId,
        contents: &Contents,
        cluster: &Cluster,
    ) -> Result<Option<Trial>, Error> {
        let mark = self.mark();
        let is_marked = mark.is_set()?;
        let is_whole = contents.entries.first().is_some_and(|entry| entry.index == 1);
        let founders = if is_whole { replay::founders(&contents.entries) } else { Vec::new() };
        let is_founder = founders.iter().any(|founder| founder.id == me);
        let is_founding_alone = founders.len() == contents.entries.len();
        // Nothing has happened since it was founded: it may never have taken part.
        let is_fresh = is_founding_alone && contents.hard_state.term <= FOUNDING_TERM;
        let probation = match (is_founder, founders.len()) {
            (true, 1) => None,
            (true, count) if is_fresh => Some(Probation::of_founder(count)),
            (true, count) => is_marked.then(|| Probation::of_founder(count).admitted()),
            (false, _) => is_marked.then(Probation::of_joiner),
        };
        let Some(probation) = probation else { return Ok(None) };
        mark.set()?;
        let members: Vec<Member> = cluster.members().cloned().collect();
        let known = if is_founder && is_founding_alone { &founders } else { &members };
        let witnesses = Witnesses::new(me, known);
        let witnesses = if is_fresh { witnesses } else { witnesses.later() };
        Ok(Some(Trial { mark, probation, witnesses, is_fresh }))
    }

    async fn beginning(&self) -> Result<Beginning, Error> {
        let options = self.options;
        let initial = options.initial_cluster.parse().map_err(Error::InitialClusterText)?;
        let flags = founding::Flags {
            name: &options.name,
            initial: &initial,
            advertised: &options.peer_urls,
            token: &options.initial_cluster_token,
            learners_max: options.settings.learners_max,
            request_timeout: options.settings.request_timeout,
            max: options.settings.max_cluster_version,
        };
        match options.cluster_state {
            ClusterState::New => founding::found(self.world, &flags).await,
            ClusterState::Existing => founding::join(self.world, &flags).await,
        }
    }

    /// Goes on from what is there.
    pub(crate) fn restart(
        &self,
        mut backend: Backend,
        committer: Committer,
        base: &Base,
    ) -> Result<Booted, Error> {
        let at = walpb::Snapshot {
            index: base.metadata.index,
            term: base.metadata.term,
            conf_state: None,
        };
        let applied = backend.last_committed().position().index.max(Index(base.metadata.index));
        let options = wal::Options { needed: applied, ..self.wal_options() };
        let opened = Wal::recover(Arc::clone(&self.world.disk), &self.wal_dir(), &at, options)?;
        let (mut wal, mut contents, repaired) = opened;
        if let Some(repaired) = repaired {
            tracing::warn!(?repaired, "repaired the end of the log");
        }
        let (cluster_id, member_id) = identity(&contents)?;
        let (members, conf_state) = self.members(&mut backend, base, &wal, applied)?;
        self.check_origin(members.cluster(), base, member_id)?;
        if self.options.force_new_cluster {
            let at = (members.cluster(), &conf_state, applied);
            self.force(&mut wal, &mut contents, at, member_id)?;
        }
        let hard_state = covering(contents.hard_state, applied);
        if hard_state != contents.hard_state {
            wal.append(Some(hard_state), &[])?;
            wal.flush(wal::Sync::Required)?;
        }
        let mut storage = MemoryStorage::bounded(crate::start::RAFT_LOG_BYTES_MAX);
        let metadata = SnapshotMetadata { conf_state: conf_state.clone(), ..base.metadata.clone() };
        let snapshot = Snapshot { data: base.data.clone(), metadata };
        storage.apply_snapshot(snapshot).map_err(|error| Error::Raft(error.to_string()))?;
        fill(&mut storage, &contents, Term(base.metadata.term));
        storage.set_hard_state(hard_state);
        let trial = self.trial_goes_on(member_id, &contents, members.cluster())?;
        Ok(Booted {
            cluster_id,
            member_id,
            wal,
            storage,
            applied,
            last_snapshot: Index(base.metadata.index),
            backend,
            committer,
            members,
            conf_state,
            founders: Vec::new(),
            trial,
            remotes: Vec::new(),
            joined: None,
        })
    }

    /// Gives up what is not committed, and lets the other members go.
    fn force(
        &self,
        wal: &mut Wal,
        contents: &mut Contents,
        (cluster, conf_state, applied): (&Cluster, &ConfState, Index),
        me: MemberId,
    ) -> Result<(), Error> {
        let (mut cluster, mut conf_state) = (cluster.clone(), conf_state.clone());
        let commit = contents.hard_state.commit.max(applied.get());
        let (behind, learners_max) = (applied.next(), self.options.settings.learners_max);
        let range = behind..Index(commit).next();
        replay::entries(&mut cluster, &mut conf_state, wal, range, learners_max)?;
        if cluster.is_removed(me) {
            return Err(Error::Removed { member: me });
        }
        let urls: Vec<String> = self.options.peer_urls.iter().map(Url::to_string).collect();
        let term = Term(contents.hard_state.term);
        let entries = force::entries(me, &urls, &conf_state, Index(commit), term);
        let given_up = wal.last_index().get().saturating_sub(commit);
        contents.truncate(Index(commit));
        contents.hard_state.commit = commit + entries.len() as u64;
        wal.append(Some(contents.hard_state), &entries)?;
        wal.flush(wal::Sync::Required)?;
        contents.entries.extend(entries);
        tracing::info!("number-of-discarded-entries" = given_up, "local-member-id" = %me,
            "commit-index" = contents.hard_state.commit, "forcing restart member");
        Ok(())
    }

    /// Members and configuration as of the database's index. From 3.6 on the database's rows are
    /// the authority; before, the snapshot's document and the log behind it.
    fn members(
        &self,
        backend: &mut Backend,
        base: &Base,
        wal: &Wal,
        applied: Index,
    ) -> Result<(Members, ConfState), Error> {
        let mut members = Members::open(backend)?;
        let stored = backend.get(Bucket::Meta, storage_version::KEY)?;
        if stored.is_none() {
            let mut cluster = match base.data.is_empty() {
                true => Cluster::default(),
                false => document::decode(&base.data)?,
            };
            let mut conf_state = base.metadata.conf_state.clone();
            let behind = Index(base.metadata.index).next()..applied.next();
            let learners_max = self.options.settings.learners_max;
            replay::entries(&mut cluster, &mut conf_state, wal, behind, learners_max)?;
            if members.cluster().downgrade().is_enabled {
                cluster.set_downgrade(members.cluster().downgrade());
            }
            members.reset(backend, cluster);
            return Ok((members, conf_state));
        }
        let position = backend.last_committed().position();
        let conf_state = if position.index.get() <= base.metadata.index {
            base.metadata.conf_state.clone()
        } else {
            position.conf_state.clone()
        };
        if agree(members.cluster(), &conf_state) {
            return Ok((members, conf_state));
        }
        // A restored database keeps the configuration of the cluster that it came from.
        let conf_state = of_members(members.cluster());
        Ok((members, conf_state))
    }

    /// Refuses a database that is of another member's log, such as one of another cluster. Whoever
    /// was a member once is one in all later databases, or was removed.
    fn check_origin(&self, cluster: &Cluster, base: &Base, me: MemberId) -> Result<(), Error> {
        let then = &base.metadata.conf_state;
        let was_member = then.voters.contains(&me.get()) || then.learners.contains(&me.get());
        if was_member && cluster.member(me).is_none() && !cluster.is_removed(me) {
            let database = self.options.paths.database();
            return Err(Error::ForeignDatabase { database, member: me });
        }
        Ok(())
    }

    /// Where to go on from: the newest snapshot that the log has a record of and whose document is
    /// there; from 3.6 on the record alone is enough.
    pub(crate) fn base(&self, document_needed: bool) -> Result<Base, Error> {
        if !self.options.unsafe_no_fsync {
            wal::settle(&*self.world.disk, &self.wal_dir())?;
        }
        let records = wal::valid_snapshot_entries(&*self.world.disk, &self.wal_dir())?;
        let loaded = self.snapshots.load_newest_of(&records)?;
        for broken in &loaded.broken {
            tracing::warn!(path = %broken.path.display(), reason = %broken.reason,
                "renamed a broken snapshot file");
        }
        let document = loaded
            .snapshot
            .map(|snapshot| Base { metadata: snapshot.metadata, data: snapshot.data });
        let of_log = records.iter().find(|record| {
            document.as_ref().is_some_and(|found| {
                (found.metadata.index, found.metadata.term) == (record.index, record.term)
            })
        });
        let told = of_log.and_then(|record| record.conf_state.as_ref());
        if let (Some(found), Some(told)) = (&document, told)
            && !is_same(&found.metadata.conf_state, told)
        {
            return Err(Error::ForeignSnapshot { folder: self.options.paths.snap.clone() });
        }
        let newest = records.into_iter().max_by_key(|record| record.index);
        let record = newest.filter(|record| record.index > 0 && !document_needed);
        let record = record.and_then(|record| {
            let conf_state = record.conf_state?;
            let metadata = SnapshotMetadata { conf_state, index: record.index, term: record.term };
            Some(Base { metadata, data: bytes::Bytes::new() })
        });
        let newer = |record: &Base| {
            document.as_ref().is_none_or(|found| found.metadata.index < record.metadata.index)
        };
        Ok(record.filter(newer).or(document).unwrap_or_default())
    }
}

/// The snapshot that a restart goes on from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    pub(crate) metadata: SnapshotMetadata,
    /// The members' document; empty where only the log's record is there.
    pub(crate) data: bytes::Bytes,
}

/// Whether two configurations have the same members, in whatever order.
fn is_same(one: &ConfState, other: &ConfState) -> bool {
    let sorted = |members: &[u64]| members.iter().copied().collect::<BTreeSet<u64>>();
    sorted(&one.voters) == sorted(&other.voters) && sorted(&one.learners) == sorted(&other.learners)
}

fn identity(contents: &Contents) -> Result<(ClusterId, MemberId), Error> {
    let metadata: Metadata = proto::decode(contents.metadata.clone())
        .map_err(|error| Error::Metadata(error.to_string()))?;
    let (Some(node), Some(cluster)) = (metadata.node_id, metadata.cluster_id) else {
        return Err(Error::Metadata("it names no member or no cluster".to_owned()));
    };
    Ok((ClusterId(cluster), MemberId(node)))
}

/// Tells raft's log what is in the log behind the snapshot: terms of all entries, and the contents of
/// those that are in memory.
fn fill(storage: &mut MemoryStorage, contents: &Contents, snapshot_term: Term) {
    // A crash right behind a snapshot of another member leaves entries in the log that it took the
    // place of. Terms never fall along a log, so those show themselves.
    let stale = contents.terms.iter().find(|run| run.term < snapshot_term);
    let end = stale.map_or(Index(u64::MAX), |run| run.index);
    let left_out = contents.before.index.min(Index(end.get() - 1));
    let ends = contents.terms.iter().skip(1).map(|next| Index(next.index.get() - 1));
    for (run, last) in contents.terms.iter().zip(ends.chain([left_out])) {
        storage.leave_out(last.min(left_out), run.term);
    }
    let valid = contents.entries.partition_point(|entry| entry.index < end.get());
    storage.append(&contents.entries[..valid]);
}

/// A hard state that covers what is applied: Go does not sync a commit index by itself, so its
/// database may be ahead of it.
fn covering(state: HardState, applied: Index) -> HardState {
    HardState { commit: state.commit.max(applied.get()), ..state }
}

fn of_members(cluster: &Cluster) -> ConfState {
    let ids = |learner: bool| {
        cluster.members().filter(move |m| m.is_learner == learner).map(|m| m.id.get()).collect()
    };
    ConfState { voters: ids(false), learners: ids(true), ..ConfState::default() }
}

fn agree(cluster: &Cluster, conf_state: &ConfState) -> bool {
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let of_rows = of_members(cluster);
    sorted(&conf_state.voters) == of_rows.voters && sorted(&conf_state.learners) == of_rows.learners
}
