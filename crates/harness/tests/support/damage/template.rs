//! A directory of ours that is copied for each damage.

use crate::golden::contents::Contents;
use crate::support::{Api, Member, runtime, server_under_test};
use harness::Folder;
use proto::etcdserverpb::{
    AuthRoleAddRequest, AuthUserAddRequest, AuthUserGrantRoleRequest, CompactionRequest,
    DeleteRangeRequest, LeaseGrantRequest, PutRequest,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only segment of its log.
pub const SEGMENT: &str = "member/wal/0000000000000000-0000000000000000.wal";
pub const DATABASE: &str = "member/snap/db";

/// How the server that made it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// In order: all is in the database.
    Terminated,
    /// By SIGKILL, and the database lags behind the log.
    Killed,
}

/// The directory, and what is in it.
pub struct Template {
    folder: Folder,
    pub expected: Contents,
}

impl Template {
    /// Made by ours in a cluster of this version.
    pub fn new(level: &str, end: End) -> Self {
        Self::of_cluster("etcd-cluster", level, end)
    }

    /// The same in a cluster with this token.
    pub fn of_cluster(token: &str, level: &str, end: End) -> Self {
        let level = format!("--max-cluster-version={level}");
        let token = format!("--initial-cluster-token={token}");
        let mut flags = vec![&*level, &*token, "--snapshot-count=25", "--bcrypt-cost=4"];
        if end == End::Killed {
            flags.extend(["--backend-batch-interval=1h", "--backend-batch-limit=1000000"]);
        }
        let mut member = Member::started("template", server_under_test(), &flags);
        let expected = runtime().block_on(async {
            let api = member.api().await;
            fill(&api).await;
            Contents::read(&api, &[api.revision().await]).await
        });
        match end {
            End::Terminated => assert_eq!(member.terminate(), 128 + 15),
            End::Killed => member.kill(),
        }
        let folder = Folder::new("template-of-damage").unwrap();
        copy(&member.options.data_dir, &folder.path().join("data"));
        Self { folder, expected }
    }

    /// The directory, to look at.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A member on a copy. Its name is that of all of them.
    pub fn member(&self, program: PathBuf) -> Member {
        let member = Member::new("template", program, &["--snapshot-count=25"]);
        copy(&self.data(), &member.options.data_dir);
        member
    }
}

/// Copies a folder with all of it; what was never written takes no room.
pub fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    let status = copy.arg("-a").arg("--sparse=always").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "copy {}", from.display());
}

/// Something of everything, over some snapshots; the database gets leaves and branches.
async fn fill(api: &Api) {
    let lease = LeaseGrantRequest { ttl: 100_000, id: 7 };
    api.lease.clone().lease_grant(lease).await.unwrap();
    for number in 0..50 {
        put(api, &format!("key {}", number % 20), &[b'0' + number % 10; 150], 0).await;
    }
    for number in 0..3 {
        put(api, &format!("leased {number}"), b"value", 7).await;
    }
    let mut auth = api.auth.clone();
    auth.role_add(AuthRoleAddRequest { name: "r".to_owned() }).await.unwrap();
    let user = AuthUserAddRequest {
        name: "u".to_owned(),
        password: "p".to_owned(),
        ..AuthUserAddRequest::default()
    };
    auth.user_add(user).await.unwrap();
    let grant = AuthUserGrantRoleRequest { user: "u".to_owned(), role: "r".to_owned() };
    auth.user_grant_role(grant).await.unwrap();
    let gone = DeleteRangeRequest { key: "key 3".into(), ..DeleteRangeRequest::default() };
    api.kv.clone().delete_range(gone).await.unwrap();
    let compaction = CompactionRequest { revision: 20, physical: true };
    api.kv.clone().compact(compaction).await.unwrap();
    for number in 0..30 {
        put(api, &format!("long {number}"), &[b'a' + number % 26; 900], 0).await;
    }
}

async fn put(api: &Api, key: &str, value: &[u8], lease: i64) {
    let request = PutRequest {
        key: key.as_bytes().to_vec().into(),
        value: value.to_vec().into(),
        lease,
        ..PutRequest::default()
    };
    api.kv.clone().put(request).await.unwrap();
}
