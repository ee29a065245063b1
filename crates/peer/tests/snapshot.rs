//! Snapshots: a large one in little memory, and ones that break off.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use env::{Rng, SeededRng};
use http::Method;
use peer::{Event, SnapshotOutcome};
use proto::raftpb::{ConfState, Message, MessageType, Snapshot, SnapshotMetadata};
use support::{Member, ask, connect, eventually, headers, message};

/// A database: random bytes over and over, of which a part may not be readable.
struct Database {
    block: Vec<u8>,
    position: u64,
    size: u64,
    fails_at: u64,
    is_dropped: Arc<AtomicBool>,
}

/// No multiple of anything that reads or writes go by.
const BLOCK_BYTES: u64 = 65_521;

impl Database {
    fn new(size: u64) -> (Self, Arc<AtomicBool>) {
        let is_dropped = Arc::new(AtomicBool::new(false));
        let mut block = vec![0; BLOCK_BYTES as usize];
        SeededRng::new(size).fill(&mut block);
        let flag = Arc::clone(&is_dropped);
        (Self { block, position: 0, size, fails_at: u64::MAX, is_dropped }, flag)
    }
}

impl Read for Database {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.position >= self.fails_at {
            return Err(std::io::Error::other("the disk is gone"));
        }
        let rest = &self.block[(self.position % BLOCK_BYTES) as usize..];
        let left = usize::try_from(self.size - self.position).unwrap();
        let count = buffer.len().min(rest.len()).min(left);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

const INDEX: u64 = 0x77;

fn snapshot(from: &Member, to: &Member) -> Message {
    let conf_state = ConfState { voters: vec![1, 2], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: INDEX, term: 3 };
    let snapshot = Snapshot { data: Bytes::from_static(b"{\"Root\":{}}"), metadata };
    let snapshot = Some(Box::new(snapshot));
    Message { snapshot, ..message(MessageType::Snap, from.id, to.id) }
}

fn files(member: &Member) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(member.folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The most memory that this process has had, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn status(to: &Member, outcome: SnapshotOutcome) -> Event {
    Event::SnapshotStatus { to: to.id, outcome }
}

/// All in one, since memory is counted by process.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_database_goes_from_disk_to_disk_in_little_memory() {
    const SIZE: u64 = 200 << 20;
    let (mut one, mut two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    let sent = snapshot(&one, &two);
    let (database, is_dropped) = Database::new(SIZE);
    let before = memory_peak();
    one.transport.send_snapshot(sent.clone(), SIZE, Box::new(database));
    two.wait_for(&Event::Snapshot(sent)).await;
    assert!(memory_peak() - before < 32 << 20, "{} bytes more", memory_peak() - before);
    one.wait_for(&status(&two, SnapshotOutcome::Finished)).await;
    eventually(|| is_dropped.load(Ordering::Relaxed)).await;

    let path = two.folder.path().join(format!("{INDEX:016x}.snap.db"));
    let mut file = std::fs::File::open(&path).unwrap();
    assert_eq!(file.metadata().unwrap().len(), SIZE);
    let mut expected = Database::new(SIZE).0;
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        file.read_exact(&mut theirs).unwrap();
        expected.read_exact(&mut ours).unwrap();
        assert!(ours == theirs);
    }
    assert_eq!(one.metric("etcd_network_snapshot_send_success{To=\"2\"}"), Some(1.0));
    assert_eq!(one.metric("etcd_network_snapshot_send_inflights_total{To=\"2\"}"), Some(0.0));
    assert_eq!(two.metric("etcd_network_snapshot_receive_success{From=\"1\"}"), Some(1.0));
    let seconds = "etcd_network_snapshot_receive_total_duration_seconds_count{From=\"1\"}";
    assert_eq!(two.metric(seconds), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_snapshot_that_breaks_off_nothing_stays() {
    let (mut one, two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    // The disk fails, the database is shorter than it should be, or longer.
    let (mut failing, short, long) =
        (Database::new(10 << 20).0, Database::new(3 << 20).0, Database::new(6 << 20).0);
    failing.fails_at = 5 << 20;
    for (database, size) in [(failing, 10 << 20), (short, 4 << 20), (long, 4 << 20)] {
        one.transport.send_snapshot(snapshot(&one, &two), size, Box::new(database));
        one.wait_for(&status(&two, SnapshotOutcome::Failed)).await;
        eventually(|| files(&two).is_empty()).await;
    }
    assert_eq!(one.metric("etcd_network_snapshot_send_failures{To=\"2\"}"), Some(3.0));
    eventually(|| two.metric("etcd_network_snapshot_receive_success{From=\"1\"}") == Some(0.0))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_to_a_peer_that_is_away_fails() {
    let (mut one, mut two) = (Member::start(1).await, Member::start(2).await);
    two.stop_listening().await;
    one.transport.add_peer(two.id, &two.urls());
    let (database, is_dropped) = Database::new(1 << 20);
    one.transport.send_snapshot(snapshot(&one, &two), 1 << 20, Box::new(database));
    one.wait_for(&status(&two, SnapshotOutcome::Failed)).await;
    eventually(|| is_dropped.load(Ordering::Relaxed)).await;
    // So does one whose peer is removed meanwhile, and one for nobody is dropped.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    one.transport.update_peer(two.id, &[url]);
    let (database, is_dropped) = Database::new(100 << 20);
    one.transport.send_snapshot(snapshot(&one, &two), 100 << 20, Box::new(database));
    one.transport.remove_peer(two.id);
    one.wait_for(&status(&two, SnapshotOutcome::Failed)).await;
    eventually(|| is_dropped.load(Ordering::Relaxed)).await;
    let (database, is_dropped) = Database::new(1);
    one.transport.send_snapshot(snapshot(&one, &two), 1, Box::new(database));
    assert!(is_dropped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn bodies_that_are_no_snapshots_are_refused() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    let post = async |body: Vec<u8>| {
        let answer = ask(&two, Method::POST, "/raft/snapshot", headers(one.id), body).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let framed = |message: &Message| {
        let bytes = message.encode_to_vec();
        [&(bytes.len() as u64).to_be_bytes()[..], &bytes].concat()
    };
    let decode = |reason: &str| (400, format!("failed to decode raft message ({reason})\n"));
    assert_eq!(post(Vec::new()).await, decode("unexpected EOF"));
    assert_eq!(post(vec![0; 5]).await, decode("unexpected EOF"));
    assert_eq!(post(vec![0xff; 8]).await, decode("rafthttp: error limit exceeded"));
    let limit = (64 << 20) + 1_u64;
    assert_eq!(post(limit.to_be_bytes().to_vec()).await, decode("rafthttp: error limit exceeded"));
    let mut damaged = framed(&snapshot(&one, &two));
    damaged[8] = 0xff;
    assert_eq!(post(damaged).await.0, 400);
    let wrong = (400, "wrong raft message type\n".to_owned());
    assert_eq!(post(framed(&message(MessageType::App, one.id, two.id))).await, wrong);
    assert_eq!(post(framed(&message(MessageType::Snap, one.id, two.id))).await, wrong);
    let other = Message { to: 9, ..snapshot(&one, &two) };
    assert_eq!(post(framed(&other)).await.0, 500);
    assert!(files(&two).is_empty());

    let good = snapshot(&one, &two);
    let mut body = framed(&good);
    body.extend_from_slice(b"the database");
    assert_eq!(post(body.clone()).await, (204, String::new()));
    assert_eq!(two.next().await, Event::Snapshot(good));
    let path = two.folder.path().join(format!("{INDEX:016x}.snap.db"));
    assert_eq!(std::fs::read(path).unwrap(), b"the database");

    // A folder that is not there stands for a disk that fails.
    std::fs::remove_dir_all(two.folder.path()).unwrap();
    let answer = ask(&two, Method::POST, "/raft/snapshot", headers(one.id), body).await;
    assert_eq!(answer.status.as_u16(), 500);
    assert!(answer.body.starts_with(b"failed to save KV snapshot (create "));
}
