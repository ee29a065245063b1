//! Requests and entries about the cluster itself: members, versions, downgrades.

use membership::{Attributes, Change, Downgrade, LegacyRequest};
use proto::error::Error as Known;
use proto::etcdserverpb::InternalRaftRequest;
use proto::raftpb::Entry;
use proto::version::Version;
use raft::confchange::{self, ConfChangeEntry};
use types::{Index, MemberId};

use crate::applied::{Effect, Response};
use crate::applier::{Applier, Error};
use crate::request::Outcome;

impl Applier {
    /// Carries out a request of this kind; `None` if it is of another.
    pub(crate) fn of_cluster(
        &mut self,
        index: Index,
        request: &InternalRaftRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Outcome>, Error> {
        let malformed = |reason: String| Error::Entry { index, reason };
        if let Some(set) = &request.cluster_version_set {
            let version = set.ver.parse();
            let version: Version =
                version.map_err(|_| malformed(format!("cluster version {:?}", set.ver)))?;
            self.set_version(version, effects);
        } else if let Some(set) = &request.cluster_member_attr_set {
            let said = set.member_attributes.clone().unwrap_or_default();
            let attributes = Attributes { name: said.name, client_urls: said.client_urls };
            self.set_attributes(MemberId(set.member_id), attributes);
        } else if let Some(set) = &request.downgrade_info_set {
            let target = if set.enabled { set.ver.clone() } else { String::new() };
            let downgrade = Downgrade { target, is_enabled: set.enabled };
            self.members.set_downgrade(&mut self.backend, downgrade);
            effects.push(Effect::DowngradeChanged);
        } else if let Some(v2) = &request.v2 {
            let legacy = LegacyRequest::of(v2).map_err(|error| malformed(error.to_string()))?;
            self.legacy(legacy, effects);
        } else if request.downgrade_version_test.is_none() {
            return Ok(None);
        }
        Ok(Some(Ok(Response::Empty)))
    }

    /// What etcd 3.5 proposes in the form of API version 2.
    pub(crate) fn legacy(&mut self, request: LegacyRequest, effects: &mut Vec<Effect>) {
        match request {
            LegacyRequest::SetAttributes { id, attributes } => self.set_attributes(id, attributes),
            LegacyRequest::SetVersion(version) => self.set_version(version, effects),
            LegacyRequest::Other { method, path } => {
                tracing::debug!(method, path, "passed over a request of API version 2");
            }
        }
    }

    fn set_version(&mut self, to: Version, effects: &mut Vec<Effect>) {
        let from = self.cluster_version();
        self.members.set_version(&mut self.backend, to);
        effects.push(Effect::ClusterVersion { from, to });
    }

    fn set_attributes(&mut self, id: MemberId, attributes: Attributes) {
        if !self.members.set_attributes(&mut self.backend, id, attributes) {
            tracing::warn!("member-id" = %id, "passed over the attributes of an unknown member");
        }
    }

    /// A configuration change: made only if it fits the members. One that does not is refused, and
    /// raft is told so.
    pub(crate) fn conf_change(
        &mut self,
        entry: &Entry,
        effects: &mut Vec<Effect>,
    ) -> Result<(u64, Outcome), Error> {
        let index = Index(entry.index);
        let malformed = |reason: String| Error::Entry { index, reason };
        let decoded =
            ConfChangeEntry::decode(entry).map_err(|error| malformed(error.to_string()))?;
        let Some(ConfChangeEntry::V1(in_log)) = decoded else {
            return Err(malformed("a configuration change that etcd does not make".to_owned()));
        };
        let id = in_log.id;
        let change = Change::parse(&in_log).map_err(membership::Error::from).and_then(|change| {
            self.cluster().validate(&change, self.settings.learners_max)?;
            Ok(change)
        });
        let change = match change {
            Ok(change) => change,
            Err(refusal) => {
                tracing::warn!(%refusal, index = index.get(), "refused a change of members");
                let conf_state = self.conf_state.clone();
                effects.push(Effect::ConfChange { change: None, conf_state });
                return Ok((id, Err(refusal.wire())));
            }
        };
        let in_log = ConfChangeEntry::V1(in_log).into_v2();
        self.conf_state = confchange::apply_to_conf_state(&self.conf_state, &in_log)
            .map_err(|error| malformed(error.to_string()))?;
        self.members.apply(&mut self.backend, &change);
        let conf_state = self.conf_state.clone();
        effects.push(Effect::ConfChange { change: Some(in_log), conf_state });
        effects.push(Effect::MembersChanged(change));
        let members = self.cluster().members().cloned().collect();
        Ok((id, Ok::<Response, Known>(Response::Members(members))))
    }
}
