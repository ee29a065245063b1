//! The real etcd 3.4.23 of Debian 12, and a data directory that it wrote.

use super::contents::{Contents, connect};
use crate::support::{Api, Member};
use proto::authpb::{Permission, UserAddOptions};
use proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthRoleGrantPermissionRequest, AuthUserAddRequest,
    AuthUserGrantRoleRequest, CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, PutRequest,
    RequestOp, TxnRequest, request_op,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Its `etcd`; taken from Debian 12's package into `target/reference/3.4.23` where it is not there,
/// by an `apt` that knows nothing but a private list of sources.
pub fn program() -> PathBuf {
    let folder = harness::target_folder().join("reference");
    std::fs::create_dir_all(&folder).unwrap();
    // Only one process installs; the others wait and find what it left.
    let lock = std::fs::File::create(folder.join("lock-3.4")).unwrap();
    lock.lock().unwrap();
    let program = folder.join("3.4.23").join("etcd");
    if !program.is_file() {
        install(&folder, &program)
            .unwrap_or_else(|reason| panic!("etcd 3.4.23 can't be had from Debian: {reason}"));
    }
    program
}

fn install(folder: &Path, program: &Path) -> Result<(), String> {
    let work = folder.join(format!("3.4.23.tmp-{}", std::process::id()));
    for name in ["sources", "lists/partial", "cache/archives/partial", "unpacked"] {
        std::fs::create_dir_all(work.join(name)).map_err(|error| error.to_string())?;
    }
    let text = format!(
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n\
         Signed-By: {KEYRING}\n"
    );
    std::fs::write(work.join("sources/bookworm.sources"), text)
        .map_err(|error| error.to_string())?;
    let at = |name: &str| work.join(name).display().to_string();
    let options = [
        "Dir::Etc::sourcelist=/dev/null".to_owned(),
        format!("Dir::Etc::sourceparts={}", at("sources")),
        format!("Dir::State::lists={}", at("lists")),
        format!("Dir::Cache={}", at("cache")),
        "APT::Sandbox::User=root".to_owned(),
    ];
    for action in [&["update"][..], &["download", "etcd-server/bookworm"]] {
        let mut apt = Command::new("apt-get");
        for option in &options {
            apt.args(["-o", option]);
        }
        done(apt.arg("-qq").args(action).current_dir(&work))?;
    }
    let packages = std::fs::read_dir(&work).map_err(|error| error.to_string())?;
    let package = packages
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = package.ok_or("apt-get downloaded nothing")?;
    done(Command::new("dpkg").arg("-x").arg(package).arg(work.join("unpacked")))?;
    let target = program.parent().ok_or("the program is in a folder")?;
    std::fs::create_dir_all(target).map_err(|error| error.to_string())?;
    std::fs::rename(work.join("unpacked/usr/bin/etcd"), program)
        .map_err(|error| error.to_string())?;
    std::fs::remove_dir_all(&work).map_err(|error| error.to_string())
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Fills a running 3.4.23 and says what it holds. Of each kind something, and history before and
/// after a compaction.
pub async fn fill(member: &Member) -> Contents {
    let api = member.api().await;
    fill_keys(&api).await;
    fill_auth(&api).await;
    let api = connect(&member.endpoint()).await;
    api.put(b"as-root", b"1").await.unwrap();
    let newest = api.revision().await;
    let revisions: Vec<i64> = (31..=newest).collect();
    Contents::read(&api, &revisions).await
}

async fn fill_keys(api: &Api) {
    for i in 0..40_u8 {
        api.put(&[b'k', i % 7], &[i]).await.unwrap();
    }
    let mut kv = api.kv.clone();
    let delete = DeleteRangeRequest {
        key: vec![b'k', 2].into(),
        range_end: vec![b'k', 5].into(),
        ..DeleteRangeRequest::default()
    };
    kv.delete_range(delete).await.unwrap();
    let put = |key: &[u8], lease| PutRequest {
        key: key.to_vec().into(),
        value: "v".into(),
        lease,
        ..PutRequest::default()
    };
    for id in [1, i64::MAX] {
        api.lease.clone().lease_grant(LeaseGrantRequest { ttl: 10_000, id }).await.unwrap();
    }
    let success = [put(b"leased/a", 1), put(b"leased/b", i64::MAX), put(&[b'k', 3], 0)]
        .map(|put| RequestOp { request: Some(request_op::Request::RequestPut(put)) });
    let txn = TxnRequest { success: success.to_vec(), ..TxnRequest::default() };
    kv.txn(txn).await.unwrap();
    kv.compact(CompactionRequest { revision: 30, physical: true }).await.unwrap();
}

async fn fill_auth(api: &Api) {
    let mut auth = api.auth.clone();
    for role in ["root", "reader"] {
        auth.role_add(AuthRoleAddRequest { name: role.to_owned() }).await.unwrap();
    }
    let perm = Permission { perm_type: 0, key: "k".into(), range_end: "l".into() };
    let grant = AuthRoleGrantPermissionRequest { name: "reader".to_owned(), perm: Some(perm) };
    auth.role_grant_permission(grant).await.unwrap();
    for (user, password, role) in [("root", "rootpw", "root"), ("alice", "alicepw", "reader")] {
        let request = AuthUserAddRequest {
            name: user.to_owned(),
            password: password.to_owned(),
            options: Some(UserAddOptions::default()),
            ..AuthUserAddRequest::default()
        };
        auth.user_add(request).await.unwrap();
        let grant = AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        auth.user_grant_role(grant).await.unwrap();
    }
    auth.auth_enable(AuthEnableRequest {}).await.unwrap();
}
