//! A disk that fails under the server: the process ends at once with the reason, nothing that was
//! acknowledged is lost, nothing that is not stored was acknowledged, and the same directory serves
//! again on a disk that works.
//!
//! The server is ours over a disk that fails on order (`crates/etcd/examples/etcd-on-faulty-disk`).
//! What it leaves is opened by our real program and compared with what clients were told: the load
//! and the checks are those of `kill_rounds`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/kill/mod.rs"]
mod kill;
#[path = "support/small_disk.rs"]
mod small_disk;
mod support;

use harness::{LogLine, ours_on_faulty_disk, read_log};
use kill::ledger::Ledger;
use kill::load;
use kill::model::Model;
use kill::verify::verify;
use proto::etcdserverpb::DefragmentRequest;
use small_disk::SmallDisk;
use std::sync::Arc;
use std::time::Duration;
use support::{Api, Member, runtime, server_under_test};
use tokio::time::timeout;

/// A server whose disk has failed is gone within this time.
const END_MAX: Duration = Duration::from_secs(20);

/// Within this time a write is acknowledged.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Writes before the fault.
const WRITES: u64 = 40;

const EIO: &str = "Input/output error";
/// The log says it in its own words.
const FULL: [&str; 2] = ["No space left on device", "no space left on device"];

/// A member on a disk that fails on order.
fn member(name: &str, flags: &[&str]) -> Member {
    let mut member = Member::new(name, ours_on_faulty_disk().unwrap(), flags);
    let control = member.folder().join("fault").display().to_string();
    member.options.variables.push(("OXETCD_FAULT".to_owned(), control));
    member
}

/// Orders the fault; see `etcd-on-faulty-disk`.
fn order(member: &Member, order: &str) {
    let written = member.folder().join("fault.tmp");
    std::fs::write(&written, order).unwrap();
    std::fs::rename(written, member.folder().join("fault")).unwrap();
}

/// From now on the disk works.
fn heal(member: &mut Member) {
    member.options.program = server_under_test();
}

/// The one reason that the server has given for its end.
fn reason(member: &Member) -> String {
    let log = read_log(&member.options.log);
    let fatal: Vec<&LogLine> = log.iter().filter(|line| line.level == "fatal").collect();
    assert!(log.iter().all(|line| !line.message.contains("panicked")), "{log:?}");
    assert_eq!(fatal.len(), 1, "{log:?}");
    fatal[0].fields["error"].as_str().unwrap().to_owned()
}

/// The reason names the file and what is wrong with the disk.
fn assert_says(member: &Member, fault: &str, file: &str) {
    let reason = reason(member);
    let wrong: &[&str] = if fault.contains("ENOSPC") { &FULL } else { &[EIO] };
    let names_all = reason.contains(file) && wrong.iter().any(|wrong| reason.contains(wrong));
    assert!(names_all, "{fault}: the reason is {reason:?}");
}

/// Under load, the order comes; then the server ends with a reason that names `file`, and what it
/// leaves is what clients know.
fn ends_and_loses_nothing(fault: &str, file: &str) {
    let name = format!("fault-{}", fault.replace(' ', "-"));
    let mut member = member(&name, &["--snapshot-count=25", "--log-level=warn"]);
    member.start();
    let ledger = Arc::new(Ledger::new());
    let runtime = runtime();
    let mut tasks = runtime.block_on(async {
        let tasks = load::start(&member.api().await, &ledger, 1);
        let mut progress = ledger.progress.subscribe();
        let enough = progress.wait_for(|now| now.writes >= WRITES);
        timeout(ANSWER_MAX, enough).await.expect("the writes go on").unwrap();
        tasks
    });
    order(&member, fault);
    assert_eq!(member.wait(END_MAX), 1, "{fault}");
    assert_says(&member, fault, file);
    ledger.progress.send_modify(|progress| progress.killed = true);
    runtime.block_on(async {
        while let Some(ended) = timeout(ANSWER_MAX, tasks.join_next()).await.unwrap() {
            ended.unwrap();
        }
    });
    heal(&mut member);
    member.start();
    let verified = runtime
        .block_on(async { verify(&member.api().await, &ledger, &mut Model::default()).await });
    println!("{fault}: {verified:?}");
    assert!(verified.writes >= WRITES);
    assert_eq!(member.terminate(), 128 + 15);
}

#[test]
fn a_log_that_cannot_be_written() {
    ends_and_loses_nothing("wal write EIO 3", ".wal");
    ends_and_loses_nothing("wal write ENOSPC 3", ".wal");
}

#[test]
fn a_log_that_cannot_be_synced() {
    ends_and_loses_nothing("wal sync EIO 3", ".wal");
    ends_and_loses_nothing("wal sync LOST 3", ".wal");
    ends_and_loses_nothing("wal sync ENOSPC 3", ".wal");
}

#[test]
fn a_database_that_cannot_be_written() {
    ends_and_loses_nothing("db write EIO 2", "snap/db");
    ends_and_loses_nothing("db write ENOSPC 2", "snap/db");
}

#[test]
fn a_database_that_cannot_be_synced() {
    ends_and_loses_nothing("db sync EIO 2", "snap/db");
    ends_and_loses_nothing("db sync LOST 1", "snap/db");
    ends_and_loses_nothing("db sync LOST 2", "snap/db");
    ends_and_loses_nothing("db sync ENOSPC 2", "snap/db");
}

#[test]
fn a_snapshot_that_cannot_be_stored() {
    ends_and_loses_nothing("snap write EIO 1", ".snap");
    ends_and_loses_nothing("snap write ENOSPC 1", ".snap");
    ends_and_loses_nothing("snap sync LOST 1", ".snap");
    ends_and_loses_nothing("snap rename EIO 1", ".snap");
}

/// A database can only be put in the other's place, and be named there for good.
#[test]
fn a_defragmentation_whose_rename_is_not_stored() {
    ends_and_loses_nothing("snap sync_dir EIO 1", "snap");
}

/// The disk fills while the log needs its next segment.
#[test]
fn no_room_for_the_next_segment_of_the_log() {
    let fault = "wal resize ENOSPC 2";
    let mut member = member("fault-segment", &["--log-level=warn"]);
    // The first is the segment that a new log begins with.
    order(&member, fault);
    member.start();
    let value = vec![b'v'; 1 << 20];
    let (mut acknowledged, runtime) = (0u32, runtime());
    runtime.block_on(async {
        let api = member.api().await;
        while api.put(format!("key {acknowledged}").as_bytes(), &value).await.is_ok() {
            acknowledged += 1;
        }
    });
    assert_eq!(member.wait(END_MAX), 1);
    assert_says(&member, fault, "wal/");
    assert!(acknowledged > 50, "a segment has 64 MiB: {acknowledged}");
    heal(&mut member);
    member.start();
    runtime.block_on(async {
        let kvs = member.api().await.all_at(0).await.unwrap().kvs;
        let whole = kvs.iter().filter(|kv| kv.value == value).count();
        assert!(whole >= acknowledged as usize, "{whole} of {acknowledged} are there");
    });
}

/// A real file system that is full under the database: the reason, and all that was acknowledged
/// when there is room again.
#[test]
fn a_full_disk_under_the_database() {
    let mut member = Member::new("full", server_under_test(), &["--log-level=warn"]);
    let disk = SmallDisk::mount(&member.options.data_dir, 4);
    let script = member.folder().join("etcd");
    member.options.program = disk.program(&server_under_test(), &script);
    let wal = member.folder().join("wal");
    member.options.arguments.push(format!("--wal-dir={}", wal.display()));
    member.start();
    let value = [b'v'; 50_000];
    let (mut acknowledged, runtime) = (0u32, runtime());
    runtime.block_on(async {
        let api = member.api().await;
        while api.put(format!("key {acknowledged}").as_bytes(), &value).await.is_ok() {
            acknowledged += 1;
        }
    });
    assert_eq!(member.wait(END_MAX), 1);
    assert_says(&member, "ENOSPC", "snap/db");
    // It is still full: the same reason again, and nothing more.
    std::fs::remove_file(&member.options.log).unwrap();
    assert_eq!(member.start_and_fail(END_MAX), 1);
    assert_says(&member, "ENOSPC", "snap/db");
    disk.resize(100);
    member.start();
    runtime.block_on(async {
        let api = member.api().await;
        let kvs = api.all_at(0).await.unwrap().kvs;
        let whole = kvs.iter().filter(|kv| kv.value == value.as_slice()).count();
        assert!(whole >= acknowledged as usize, "{whole} of {acknowledged} are there");
        api.put(b"more", &value).await.unwrap();
    });
    member.kill();
}

/// Nothing was acknowledged yet, and the next start makes a new member of what is there.
#[test]
fn a_disk_that_fails_while_a_member_is_made() {
    for (fault, file) in [
        ("wal resize ENOSPC 1", "wal"),
        ("wal write EIO 1", "wal"),
        ("wal sync EIO 1", "wal"),
        ("wal rename EIO 1", "wal"),
        ("db write ENOSPC 1", "snap/db"),
        ("db sync EIO 1", "snap/db"),
    ] {
        let mut member = member("fault-first", &["--log-level=warn"]);
        order(&member, fault);
        assert_eq!(member.start_and_fail(END_MAX), 1, "{fault}");
        assert_says(&member, fault, file);
        heal(&mut member);
        member.start();
        runtime().block_on(async { member.api().await.put(b"a", b"b").await.unwrap() });
    }
}

/// A disk that cannot be read is not a disk without data.
#[test]
fn a_disk_that_cannot_be_read() {
    let mut member = member("fault-read", &["--log-level=warn"]);
    member.start();
    let runtime = runtime();
    runtime.block_on(async {
        let api = member.api().await;
        for number in 0..300 {
            api.put(format!("key {number:03}").as_bytes(), &[b'v'; 5000]).await.unwrap();
        }
    });
    assert_eq!(member.terminate(), 128 + 15);
    // While the server starts.
    for (fault, file) in
        [("wal read EIO 1", "wal"), ("db read EIO 1", "snap/db"), ("db read EIO 40", "snap/db")]
    {
        order(&member, fault);
        assert_eq!(member.start_and_fail(END_MAX), 1, "{fault}");
        assert_says(&member, fault, file);
        std::fs::remove_file(&member.options.log).unwrap();
        std::fs::remove_file(member.folder().join("fault")).unwrap();
    }
    // While it serves: what was read at the start is not kept.
    member.start();
    order(&member, "db read EIO 1");
    runtime.block_on(async { member.api().await.all_at(0).await.unwrap_err() });
    assert_eq!(member.wait(END_MAX), 1);
    assert_says(&member, "db read EIO 1", "snap/db");
    heal(&mut member);
    member.start();
    let kvs = runtime.block_on(async { member.api().await.all_at(0).await.unwrap().kvs });
    assert_eq!(kvs.len(), 300);
}

/// The copy is beside the database: who asked for it is told, and the server goes on.
#[test]
fn a_defragmentation_without_room() {
    for fault in ["copy write ENOSPC 1", "copy write EIO 2", "copy sync EIO 1", "copy rename EIO 1"]
    {
        let mut member = member("fault-copy", &["--log-level=warn"]);
        member.start();
        runtime().block_on(async {
            let api = member.api().await;
            api.put(b"before", b"1").await.unwrap();
            order(&member, fault);
            let refused = defragment(&api).await.unwrap_err();
            let names_all = FULL.iter().chain([&EIO]).any(|why| refused.message().contains(why));
            assert!(names_all, "{fault}: {refused:?}");
            api.put(b"after", b"1").await.unwrap();
            assert_eq!(leftovers(&member), 0, "{fault}");
        });
        member.kill();
        heal(&mut member);
        member.start();
        runtime().block_on(async {
            let api = member.api().await;
            assert_eq!(api.all_at(0).await.unwrap().kvs.len(), 2, "{fault}");
            defragment(&api).await.unwrap();
            assert_eq!(api.all_at(0).await.unwrap().kvs.len(), 2, "{fault}");
        });
    }
}

async fn defragment(api: &Api) -> Result<(), tonic::Status> {
    api.maintenance.clone().defragment(DefragmentRequest {}).await.map(|_| ())
}

/// Copies of the database that nobody removed.
fn leftovers(member: &Member) -> usize {
    let names = std::fs::read_dir(member.options.data_dir.join("member/snap")).unwrap();
    let is_copy = |name: std::ffi::OsString| name.to_string_lossy().starts_with("db.tmp.");
    names.filter(|entry| is_copy(entry.as_ref().unwrap().file_name())).count()
}
