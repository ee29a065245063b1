//! Everything that clients can see in a server's data, for comparing.

use crate::support::Api;
use proto::authpb::Permission;
use proto::etcdserverpb::{
    AlarmRequest, AuthRoleGetRequest, AuthRoleListRequest, AuthStatusRequest, AuthUserGetRequest,
    AuthUserListRequest, AuthenticateRequest, LeaseLeasesRequest, LeaseTimeToLiveRequest,
    MemberListRequest,
};
use proto::mvccpb::KeyValue;
use std::collections::BTreeMap;
use tonic::Code;

/// What is in a data directory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Contents {
    /// The newest revision.
    pub revision: i64,
    /// The keys at some revisions.
    pub keys: BTreeMap<i64, Vec<KeyValue>>,
    /// HashKV and the compacted revision at some revisions.
    pub hashes: BTreeMap<i64, (u32, i64)>,
    /// Seconds granted, and the keys.
    pub leases: BTreeMap<i64, (i64, Vec<Vec<u8>>)>,
    /// Roles by user.
    pub users: BTreeMap<String, Vec<String>>,
    pub roles: BTreeMap<String, Vec<Permission>>,
    /// Whether auth is on, and its revision; etcd 3.4 does not say.
    pub auth: Option<(bool, u64)>,
    /// Members with their alarms.
    pub alarms: Vec<(u64, i32)>,
    /// Id, name and peer URLs.
    pub members: Vec<(u64, String, Vec<String>)>,
}

impl Contents {
    /// The revisions that were looked at.
    pub fn revisions(&self) -> Vec<i64> {
        self.keys.keys().chain(self.hashes.keys()).copied().collect()
    }

    /// Asks a server for everything, at these revisions.
    pub async fn read(api: &Api, revisions: &[i64]) -> Self {
        let mut contents = Self { revision: api.revision().await, ..Self::default() };
        for &revision in revisions {
            let range = api.all_at(revision).await;
            let range = range.unwrap_or_else(|status| panic!("keys at {revision}: {status}"));
            contents.keys.insert(revision, range.kvs);
            let hash = api.hash_kv(revision).await;
            let hash = hash.unwrap_or_else(|status| panic!("HashKV at {revision}: {status}"));
            contents.hashes.insert(revision, (hash.hash, hash.compact_revision));
        }
        contents.read_leases(api).await;
        contents.read_auth(api).await;
        let alarms = api.maintenance.clone().alarm(AlarmRequest::default()).await.unwrap();
        let alarms = alarms.into_inner().alarms.into_iter();
        contents.alarms = alarms.map(|alarm| (alarm.member_id, alarm.alarm)).collect();
        let members = api.cluster.clone().member_list(MemberListRequest::default()).await.unwrap();
        let members = members.into_inner().members.into_iter();
        contents.members = members.map(|m| (m.id, m.name, m.peer_urls)).collect();
        contents
    }

    async fn read_leases(&mut self, api: &Api) {
        let mut lease = api.lease.clone();
        let leases = lease.lease_leases(LeaseLeasesRequest {}).await.unwrap().into_inner();
        for status in leases.leases {
            let request = LeaseTimeToLiveRequest { id: status.id, keys: true };
            let mut answer = lease.lease_time_to_live(request).await.unwrap().into_inner();
            assert!(
                (0..=answer.granted_ttl).contains(&answer.ttl),
                "{} seconds are left to a lease of {}",
                answer.ttl,
                answer.granted_ttl
            );
            answer.keys.sort();
            let keys = answer.keys.iter().map(|key| key.to_vec()).collect();
            self.leases.insert(status.id, (answer.granted_ttl, keys));
        }
    }

    async fn read_auth(&mut self, api: &Api) {
        let mut auth = api.auth.clone();
        self.auth = match auth.auth_status(AuthStatusRequest {}).await {
            Ok(status) => {
                let status = status.into_inner();
                Some((status.enabled, status.auth_revision))
            }
            Err(status) if status.code() == Code::Unimplemented => None,
            Err(status) => panic!("AuthStatus: {status}"),
        };
        for user in auth.user_list(AuthUserListRequest {}).await.unwrap().into_inner().users {
            let request = AuthUserGetRequest { name: user.clone() };
            let roles = auth.user_get(request).await.unwrap().into_inner().roles;
            self.users.insert(user, roles);
        }
        for role in auth.role_list(AuthRoleListRequest {}).await.unwrap().into_inner().roles {
            let request = AuthRoleGetRequest { role: role.clone() };
            let permissions = auth.role_get(request).await.unwrap().into_inner().perm;
            self.add_role(role, permissions);
        }
    }

    /// Adds a role. Since 3.6, the answer for `root` shows the permission that this role has
    /// without being granted it; the data does not hold it.
    pub fn add_role(&mut self, role: String, mut permissions: Vec<Permission>) {
        if role == "root" {
            permissions.retain(|permission| !permission.key.is_empty());
        }
        self.roles.insert(role, permissions);
    }

    /// Fails where something that others have is not there, and says what.
    pub fn assert_equal(&self, found: &Self, what: &str) {
        assert_eq!(self.revision, found.revision, "{what}: the newest revision");
        for (revision, keys) in &self.keys {
            assert_keys_equal(keys, &found.keys[revision], &format!("{what}: keys at {revision}"));
        }
        for (revision, hash) in &self.hashes {
            assert_eq!(Some(hash), found.hashes.get(revision), "{what}: HashKV at {revision}");
        }
        assert_eq!(self.leases, found.leases, "{what}: leases");
        assert_eq!(self.users, found.users, "{what}: users");
        assert_eq!(self.roles, found.roles, "{what}: roles");
        if let (Some(expected), Some(found)) = (self.auth, found.auth) {
            assert_eq!(expected, found, "{what}: whether auth is on, and its revision");
        }
        assert_eq!(self.alarms, found.alarms, "{what}: alarms");
        if !self.members.is_empty() {
            assert_eq!(self.members, found.members, "{what}: members");
        }
    }
}

/// Values are long: only the first pair that differs is shown, and not all of it.
fn assert_keys_equal(expected: &[KeyValue], found: &[KeyValue], what: &str) {
    let short = |kv: &KeyValue| format!("{kv:?}").chars().take(200).collect::<String>();
    for (expected, found) in expected.iter().zip(found) {
        assert!(expected == found, "{what}: expected {}, found {}", short(expected), short(found));
    }
    assert_eq!(expected.len(), found.len(), "{what}: how many");
}

/// A client with root's rights where the data has auth on, as in the golden directories.
pub async fn connect(endpoint: &str) -> Api {
    let api = Api::connect(endpoint, None).await;
    let root = AuthenticateRequest { name: "root".to_owned(), password: "rootpw".to_owned() };
    match api.auth.clone().authenticate(root).await {
        Ok(answer) => Api::connect(endpoint, Some(answer.into_inner().token)).await,
        Err(status) if status.message() == "etcdserver: authentication is not enabled" => api,
        Err(status) => panic!("authenticate as root: {status}"),
    }
}
