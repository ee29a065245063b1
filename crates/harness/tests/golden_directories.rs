//! Data directories of real etcds under the server under test: everything in them is served, and
//! etcd 3.5 takes 3.5's directories back, after an orderly stop, after SIGKILL, and with a backend
//! that lags behind the log.
//!
//! With `OXETCD_GOLDEN=all` each archive goes through each way of stopping; CI runs the fixed part
//! that [`STOPS`] names. The reference as the server under test can't open what later versions
//! wrote; those archives are then left out, which is printed.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/golden/mod.rs"]
mod golden;
mod support;

use golden::archive::{Archive, Unpacked};
use golden::contents::{Contents, connect};
use golden::etcd_3_4;
use golden::expected::list;
use harness::{Run, run};
use proto::etcdserverpb::HashKvRequest;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Member, reference_is_under_test, runtime, server_under_test};

/// A way in which the server under test ends before the reference takes over.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stop {
    Terminate,
    Kill,
    /// SIGKILL, and nothing was committed to the backend before.
    KillLagging,
}

const ALL_STOPS: [Stop; 3] = [Stop::Terminate, Stop::Kill, Stop::KillLagging];

/// What is run unless all of them are asked for.
const STOPS: [(&str, &[Stop]); 5] = [
    ("single-sigterm", &ALL_STOPS),
    ("single-sigterm-nosnap", &[Stop::Terminate]),
    ("single-sigkill", &[Stop::Kill]),
    ("single-sigkill-lagging", &[Stop::KillLagging]),
    ("segments-sigkill", &[Stop::KillLagging]),
];

fn stops(archive: Archive) -> &'static [Stop] {
    if std::env::var("OXETCD_GOLDEN").is_ok_and(|value| value == "all") {
        return &ALL_STOPS;
    }
    let found = STOPS.iter().find(|(path, _)| *path == archive.path);
    found.map_or(&[Stop::Terminate], |(_, stops)| stops)
}

/// A member on an unpacked archive. The flags for URLs are those of today.
fn member_on(unpacked: &Unpacked, program: PathBuf) -> Member {
    let (name, flags) = unpacked.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut member = Member::new(&name, program, &flags);
    member.options.data_dir = unpacked.data_dir();
    member
}

async fn check(member: &Member, expected: &Contents, what: &str) {
    let api = connect(&member.endpoint()).await;
    let found = Contents::read(&api, &expected.revisions()).await;
    expected.assert_equal(&found, what);
}

/// Writes a key, unless an alarm forbids it, and expects it from now on.
async fn write(member: &Member, expected: &mut Contents, key: &str) {
    let api = connect(&member.endpoint()).await;
    let answer = api.put(key.as_bytes(), b"written").await;
    if expected.alarms.is_empty() {
        let revision = answer.unwrap().header.unwrap().revision;
        assert_eq!(revision, expected.revision + 1, "a put raises the revision by one");
        expected.revision = revision;
        let keys = api.all_at(revision).await.unwrap().kvs;
        let hash = api.hash_kv(revision).await.unwrap();
        assert!(keys.iter().any(|kv| kv.key == key && kv.mod_revision == revision));
        expected.keys.insert(revision, keys);
        expected.hashes.insert(revision, (hash.hash, hash.compact_revision));
    } else {
        let status = answer.expect_err("an alarm forbids writes");
        assert_eq!(status.message(), "etcdserver: mvcc: database space exceeded");
    }
}

/// Ours opens it; and, where 3.5 made it, 3.5 opens what ours left, and ours what 3.5 left.
fn round(archive: Archive, mut expected: Contents, stop: Stop, flags: &[&str]) {
    let folder = harness::Folder::new("golden").unwrap();
    let unpacked = archive.unpack(folder.path());
    let mut tested = member_on(&unpacked, server_under_test());
    tested.options.arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
    if stop == Stop::KillLagging {
        let flags = ["--backend-batch-interval=1h", "--backend-batch-limit=1000000"];
        tested.options.arguments.extend(flags.map(str::to_owned));
    }
    let runtime = runtime();
    tested.start();
    runtime.block_on(async {
        check(&tested, &expected, "under test, at first").await;
        write(&tested, &mut expected, "by-the-server-under-test").await;
    });
    match stop {
        Stop::Terminate => assert_eq!(tested.terminate(), 143, "dies by the signal as Go does"),
        Stop::Kill | Stop::KillLagging => tested.kill(),
    }
    if archive.made_by == "3.5" {
        let mut real = member_on(&unpacked, harness::reference().unwrap().program("etcd"));
        real.start();
        runtime.block_on(async {
            check(&real, &expected, "etcd 3.5 afterwards").await;
            write(&real, &mut expected, "by-etcd-3.5").await;
        });
        real.terminate();
    }
    tested.start();
    runtime.block_on(check(&tested, &expected, "under test, again"));
    tested.terminate();
}

fn single(path: &'static str, made_by: &'static str) {
    let archive = Archive { path, made_by };
    if reference_is_under_test() && made_by != "3.5" {
        println!("{path}: not run, the reference opens no directory of etcd {made_by}");
        return;
    }
    let folder = harness::Folder::new("golden-expected").unwrap();
    let expected = archive.unpack(folder.path()).expected();
    assert!(
        expected.keys.len() >= 8 && expected.users.len() == 3,
        "the archive says what is in it"
    );
    for stop in stops(archive) {
        round(archive, expected.clone(), *stop, &[]);
        println!("{path}: {} revisions, {stop:?}", expected.keys.len());
    }
}

#[test]
fn single_sigterm() {
    single("single-sigterm", "3.5");
}

#[test]
fn single_sigterm_without_a_snapshot() {
    single("single-sigterm-nosnap", "3.5");
}

#[test]
fn single_sigkill() {
    single("single-sigkill", "3.5");
}

#[test]
fn single_sigkill_lagging() {
    single("single-sigkill-lagging", "3.5");
}

#[test]
fn single_of_3_6() {
    single("v3.6.14/single-sigterm", "3.6");
    single("v3.6.14/single-sigkill-lagging", "3.6");
}

#[test]
fn single_of_3_7() {
    single("v3.7.1/single-sigterm", "3.7");
    single("v3.7.1/single-sigterm-nosnap", "3.7");
    single("v3.7.1/single-sigkill", "3.7");
    single("v3.7.1/single-sigkill-lagging", "3.7");
}

/// Three segments of WAL. The archive has the values' sums; the rest is what etcd 3.5 says of it.
#[test]
fn segments() {
    let archive = Archive { path: "segments-sigkill", made_by: "3.5" };
    let folder = harness::Folder::new("golden-expected").unwrap();
    let unpacked = archive.unpack(folder.path());
    let mut real = member_on(&unpacked, harness::reference().unwrap().program("etcd"));
    real.start();
    let revisions: Vec<i64> = (125..=133).collect();
    let expected = runtime().block_on(async {
        let api = connect(&real.endpoint()).await;
        Contents::read(&api, &revisions).await
    });
    real.terminate();
    let newest = unpacked.expected_json("get-all-valuehash.json").unwrap();
    let found: Vec<String> = expected.keys[&133]
        .iter()
        .map(|kv| {
            let start = String::from_utf8_lossy(&kv.value[..kv.value.len().min(8)]).into_owned();
            let sum: String =
                Sha256::digest(&kv.value).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{} {start}... sha256={sum}", kv.mod_revision)
        })
        .collect();
    let expected_sums: Vec<String> = list(&newest["kvs"])
        .iter()
        .map(|kv| format!("{} {}", kv["mod_revision"], kv["value"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected_sums);
    for stop in stops(archive) {
        round(archive, expected.clone(), *stop, &[]);
    }
}

/// A directory that `etcdutl snapshot restore` made and nobody has opened. It holds no cluster
/// version, so that ours takes its own for it, unless it is told to stay with 3.5.
#[test]
fn restored_before_the_first_boot() {
    restored("", "3.5");
    if !reference_is_under_test() {
        restored("", "3.7");
        restored("v3.7.1/", "3.7");
    }
}

fn restored(folder: &str, level: &'static str) {
    let leak = |name: &str| -> &'static str { format!("{folder}{name}").leak() };
    let source = Archive { path: leak("single-sigterm"), made_by: level };
    let unpacked = harness::Folder::new("golden-expected").unwrap();
    let mut expected = source.unpack(unpacked.path()).expected();
    expected.members.clear();
    let path = leak("etcdutl-restored-before-first-boot");
    let level_flag = format!("--max-cluster-version={level}");
    let flags: &[&str] =
        if reference_is_under_test() || level != "3.5" { &[] } else { &[&level_flag] };
    round(Archive { path, made_by: level }, expected, Stop::Kill, flags);
}

#[test]
fn a_directory_of_3_4() {
    let mut old = Member::started("old", etcd_3_4::program(), &["--snapshot-count=20"]);
    let expected = runtime().block_on(etcd_3_4::fill(&old));
    assert!(expected.keys.len() > 10 && expected.leases.len() == 2 && expected.users.len() == 2);
    for _ in 0..2 {
        old.terminate();
        let mut tested = Member::new("old", server_under_test(), &["--snapshot-count=20"]);
        let copy = tested.folder().join("data");
        copy_folder(&old.options.data_dir, &copy);
        tested.start();
        runtime().block_on(check(&tested, &expected, "a directory of 3.4"));
        tested.kill();
        tested.start();
        runtime().block_on(check(&tested, &expected, "a directory of 3.4, after SIGKILL"));
        tested.terminate();
        old.start();
        // The second round: 3.4 ended by SIGKILL.
        old.kill();
        old.start();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    let status = copy.arg("-a").arg("--sparse=always").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "copy {}", from.display());
}

fn tool(program: PathBuf, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let finished = run(Run { command, stdin: Vec::new(), deadline: Duration::from_secs(30) });
    let finished = finished.unwrap();
    assert_eq!(finished.code, 0, "{arguments:?}: {}{}", finished.out(), finished.err());
    finished.out()
}

/// The programs that save snapshots: the real one and, where ours is under test, ours.
fn savers() -> Vec<PathBuf> {
    let mut savers = vec![harness::reference().unwrap().program("etcdctl")];
    if !reference_is_under_test() {
        savers.push(harness::ours().unwrap().join("etcdctl"));
    }
    savers
}

#[test]
fn snapshots_restore_and_boot() {
    let folder = harness::Folder::new("golden-snapshot").unwrap();
    let archive = Archive { path: "single-sigkill-lagging", made_by: "3.5" };
    let unpacked = archive.unpack(folder.path());
    let mut expected = unpacked.expected();
    let mut tested = member_on(&unpacked, server_under_test());
    tested.start();
    runtime().block_on(write(&tested, &mut expected, "before-the-snapshot"));
    let hash = runtime().block_on(async {
        let mut api = connect(&tested.endpoint()).await;
        let hash = api.maintenance.hash_kv(HashKvRequest { revision: 0 }).await.unwrap();
        hash.into_inner().hash
    });
    assert_eq!(expected.hashes[&expected.revision].0, hash);
    // The restored member has a name and an id of its own.
    expected.members.clear();
    let etcdutl = harness::reference().unwrap().program("etcdutl");
    for (number, saver) in savers().into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.db"));
        let file = file.to_str().unwrap();
        let endpoint = format!("--endpoints={}", tested.endpoint());
        tool(saver, &[&endpoint, "--user=root:rootpw", "snapshot", "save", file]);
        let status = tool(etcdutl.clone(), &["snapshot", "status", file, "-w", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["revision"].as_i64(), Some(expected.revision), "{status}");
        assert!(status["hash"].as_u64().is_some_and(|hash| hash != 0), "{status}");
        for program in [server_under_test(), harness::reference().unwrap().program("etcd")] {
            let mut restored = Member::new("restored", program, &[]);
            let flags = [
                "snapshot".to_owned(),
                "restore".to_owned(),
                file.to_owned(),
                "--name=restored".to_owned(),
                format!("--data-dir={}", restored.options.data_dir.display()),
                format!("--initial-cluster=restored={}", restored.peer_url()),
                format!("--initial-advertise-peer-urls={}", restored.peer_url()),
            ];
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            tool(etcdutl.clone(), &flags);
            restored.start();
            runtime().block_on(check(&restored, &expected, "a restored snapshot"));
            restored.terminate();
        }
    }
    tested.terminate();
}
