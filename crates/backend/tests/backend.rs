//! Opening, bounds, tickets, sizes, schema versions: what the other tests do not touch.

mod support;

use std::path::Path;
use std::sync::Arc;

use backend::{Backend, Bucket, Committer, Error, Generation, Options, Position, schema};
use bytes::Bytes;
use proto::raftpb::ConfState;
use proto::version::Version;
use simenv::{Fault, Operation, SimDisk};
use support::state::State;
use types::{Index, RecordKey, Revision, Term};

const PATH: &str = "/data/member/snap/db";

fn options() -> Options {
    Options::new(PATH)
}

fn new() -> (SimDisk, Backend, Committer) {
    let disk = support::disk();
    let (backend, committer) = backend::open(Arc::new(disk.clone()), options()).expect("open");
    (disk, backend, committer)
}

fn put(backend: &mut Backend, main: i64, value: &'static str) {
    let key = RecordKey { revision: Revision::new(main, 0), tombstone: false };
    backend.put_record(key, Bytes::from_static(value.as_bytes()));
}

fn position(index: u64) -> Position {
    let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
    Position { index: Index(index), term: Term(1), conf_state }
}

fn commit(backend: &mut Backend, committer: &mut Committer, index: u64) -> Vec<backend::Ticket> {
    committer.prepare(backend.freeze(position(index))).expect("prepare");
    backend.committed(committer.finish().expect("finish"))
}

#[test]
fn a_new_file_has_the_ten_buckets_and_no_position() {
    let (disk, backend, committer) = new();
    for bucket in Bucket::ALL {
        assert_eq!(backend.rows(bucket).expect("rows"), []);
    }
    assert_eq!(backend.last_committed().position(), &Position::default());
    let hash = backend.last_committed().hash().expect("hash");
    let names = Bucket::ALL.map(Bucket::name).concat();
    assert_eq!(hash, crc32c::crc32c(names.as_bytes()));
    drop((backend, committer));
    let before = disk.operations();
    backend::open(Arc::new(disk.clone()), options()).expect("open again");
    assert_eq!(disk.operations(), before + 1, "only the sync of what may be there");
}

#[test]
fn a_file_in_use_is_locked_until_its_last_reader_is_gone() {
    let (disk, backend, committer) = new();
    let again = || backend::open(Arc::new(disk.clone()), options());
    assert!(matches!(again(), Err(Error::Locked(path)) if path == Path::new(PATH)));
    let view = backend.view();
    drop((backend, committer));
    assert!(matches!(again(), Err(Error::Locked(_))));
    drop(view);
    again().expect("open");
}

#[test]
fn leftovers_of_a_defragmentation_are_removed_at_the_start() {
    let leftover = Path::new("/data/member/snap/db.tmp.123");
    let other = Path::new("/data/member/snap/0000000000000001.snap");
    let disk = SimDisk::new();
    disk.put_file(leftover, &[1]);
    disk.put_file(other, &[2]);
    backend::open(Arc::new(disk.clone()), options()).expect("open");
    assert_eq!(disk.files(), [other, Path::new(PATH)]);
}

#[test]
fn a_damaged_row_names_file_and_row() {
    let (disk, mut backend, mut committer) = new();
    backend.put(Bucket::Meta, &b"term"[..], &b"123"[..]);
    committer.prepare(backend.freeze(Position::default())).expect("prepare");
    backend.committed(committer.finish().expect("finish"));
    drop((backend, committer));
    let Err(error) = backend::open(Arc::new(disk), options()) else { panic!("opened") };
    assert_eq!(
        error.to_string(),
        "/data/member/snap/db: bucket meta, row \"term\": expected 8 bytes of a term, found \"123\""
    );
}

#[test]
fn commits_are_due_and_buffers_full_at_their_bounds() {
    let disk = support::disk();
    let bounds = Options { batch_operations: 3, buffer_bytes_max: 1000, ..options() };
    let (mut backend, mut committer) = backend::open(Arc::new(disk), bounds).expect("open");
    put(&mut backend, 2, "a");
    put(&mut backend, 3, "b");
    let mark = backend.mark();
    put(&mut backend, 4, "c");
    assert!(backend.is_commit_due());
    backend.rollback(mark);
    assert!(!backend.is_commit_due());
    assert_eq!(backend.pending_operations(), 2);
    put(&mut backend, 4, "c");
    assert!(backend.is_commit_due() && !backend.is_full());
    for main in 5..8 {
        put(&mut backend, main, "d");
    }
    assert!(backend.is_full());
    let job = backend.freeze(position(1));
    assert!(!backend.is_full() && !backend.is_commit_due() && !backend.can_freeze());
    backend.put(Bucket::Lease, &b"k"[..], vec![0; 480]);
    assert!(!backend.is_commit_due());
    backend.put(Bucket::Lease, &b"l"[..], vec![0; 490]);
    assert!(backend.is_commit_due() && backend.is_full());
    committer.prepare(job).expect("prepare");
    backend.committed(committer.finish().expect("finish"));
    assert!(backend.can_freeze() && backend.is_full());
    assert_eq!(backend.pending_operations(), 2);
}

#[test]
fn a_ticket_taken_while_a_buffer_is_frozen_waits_for_the_next() {
    let (_, mut backend, mut committer) = new();
    put(&mut backend, 2, "a");
    let first = backend.freeze_now();
    assert!(backend.is_commit_due());
    let job = backend.freeze(position(5));
    put(&mut backend, 3, "b");
    let second = backend.freeze_now();
    committer.prepare(job).expect("prepare");
    let tickets = backend.committed(committer.finish().expect("finish"));
    assert_eq!(tickets.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [first]);
    assert_eq!(tickets[0].state.position(), &position(5));
    assert_eq!(State::read(&tickets[0].state).records.len(), 1);
    let tickets = commit(&mut backend, &mut committer, 9);
    assert_eq!(tickets.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [second]);
    assert_eq!(tickets[0].state.position(), &position(9));
    assert_eq!(State::read(&tickets[0].state).records.len(), 2);
}

#[test]
fn a_commit_of_nothing_writes_nothing_and_resolves_its_tickets() {
    let (disk, mut backend, mut committer) = new();
    put(&mut backend, 2, "a");
    commit(&mut backend, &mut committer, 4);
    let before = disk.operations();
    let id = backend.freeze_now();
    let tickets = commit(&mut backend, &mut committer, 4);
    assert_eq!((tickets[0].id, tickets[0].state.position()), (id, &position(4)));
    assert_eq!(disk.operations(), before);
    commit(&mut backend, &mut committer, 5);
    assert!(disk.operations() > before, "an index alone is written too");
}

#[test]
fn the_size_counts_what_waits_to_be_committed() {
    let (_, mut backend, mut committer) = new();
    let sizes = backend.sizes();
    let empty = sizes.size();
    assert_eq!(empty, backend.last_committed().size());
    backend.put(Bucket::Cluster, &b"12345"[..], vec![0; 100_000]);
    assert_eq!(sizes.size(), empty + 100_000 + 5 + 16);
    let mark = backend.mark();
    put(&mut backend, 2, "0123456789");
    assert_eq!(sizes.size(), empty + 100_000 + 5 + 16 + 10 + 17 + 16);
    backend.rollback(mark);
    let job = backend.freeze(position(1));
    assert_eq!(sizes.size(), empty + 100_000 + 5 + 16);
    committer.prepare(job).expect("prepare");
    backend.committed(committer.finish().expect("finish"));
    assert_eq!(sizes.size(), backend.last_committed().size());
    assert!(sizes.size() >= empty + 100_000 && sizes.in_use() <= sizes.size());
}

#[test]
#[should_panic(expected = "is before")]
fn the_position_never_goes_back() {
    let (_, mut backend, mut committer) = new();
    commit(&mut backend, &mut committer, 4);
    let _ = backend.freeze(position(3));
}

#[test]
#[should_panic(expected = "after")]
fn a_revision_in_the_file_is_not_written_again() {
    let (disk, mut backend, mut committer) = new();
    put(&mut backend, 7, "a");
    commit(&mut backend, &mut committer, 4);
    drop((backend, committer));
    let (mut backend, _) = backend::open(Arc::new(disk), options()).expect("open");
    put(&mut backend, 7, "b");
}

#[test]
fn conf_state_and_term_are_written_as_go_does() {
    let (_, mut backend, mut committer) = new();
    let meta = |backend: &Backend| backend.rows(Bucket::Meta).expect("rows");
    committer.prepare(backend.freeze(Position::default())).expect("prepare");
    backend.committed(committer.finish().expect("finish"));
    assert_eq!(meta(&backend), [], "index 0 is never stored");
    commit(&mut backend, &mut committer, 0x0102);
    let text = Bytes::from_static(br#"{"voters":[1],"auto_leave":false}"#);
    let expected = [
        (Bytes::from_static(b"confState"), text),
        (Bytes::from_static(b"consistent_index"), Bytes::from_static(&[0, 0, 0, 0, 0, 0, 1, 2])),
        (Bytes::from_static(b"term"), Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1])),
    ];
    assert_eq!(meta(&backend), expected);
}

#[test]
fn the_schema_goes_up_and_down() {
    let (_, mut backend, mut committer) = new();
    let version = |backend: &Backend| backend.schema_version().expect("rows");
    assert_eq!(version(&backend), Err(schema::migration::Error::Undetected));
    commit(&mut backend, &mut committer, 1);
    assert_eq!(version(&backend), Ok(Version::new(3, 5, 0)));
    for (target, row) in [(7, Some("3.7.0")), (6, Some("3.6.0")), (5, None)] {
        let current = version(&backend).expect("a version");
        let target = Version::new(3, target, 0);
        backend.migrate(&schema::migration::migrate(current, target, None).expect("a plan"));
        assert_eq!(version(&backend), Ok(target));
        let stored = backend.get(Bucket::Meta, schema::storage_version::KEY).expect("a row");
        assert_eq!(stored.as_deref(), row.map(str::as_bytes));
    }
}

#[test]
fn a_snapshot_is_the_state_of_its_ticket() {
    let (_, mut backend, mut committer) = new();
    for main in 2..500 {
        put(&mut backend, main, "a value of some length");
    }
    backend.freeze_now();
    let ticket = commit(&mut backend, &mut committer, 4).remove(0);
    for main in 500..900 {
        put(&mut backend, main, "later");
    }
    let mut image = ticket.state.image();
    let size = image.len();
    let mut copy = Vec::new();
    let mut chunk = vec![0; 1000];
    for index in 5.. {
        let read = image.read(&mut chunk).expect("read");
        copy.extend_from_slice(&chunk[..read]);
        if read < chunk.len() {
            break;
        }
        // The file goes on changing under the copy.
        put(&mut backend, 1000 + index as i64, "while it is copied");
        commit(&mut backend, &mut committer, index);
    }
    assert_eq!((copy.len() as u64, size), (size, ticket.state.size()));
    let disk = support::disk_with(&copy);
    let next = Options { generation: Generation(5), ..options() };
    let (restored, _) = backend::open(Arc::new(disk), next).expect("open");
    let state = restored.last_committed();
    assert_eq!(State::read(state), State::read(&ticket.state));
    assert_eq!(state.generation(), Generation(5));
    assert_eq!(state.hash().expect("hash"), ticket.state.hash().expect("hash"));
}

#[test]
fn a_defragmented_file_is_smaller_and_old_views_stay() {
    let (disk, mut backend, mut committer) = new();
    for main in 2..3000 {
        put(&mut backend, main, "a value that will be deleted, of a length that makes pages");
    }
    commit(&mut backend, &mut committer, 4);
    let old = backend.view();
    let full = State::read(old.committed());
    let step = backend::CompactionStep {
        from: Revision::default(),
        compact_revision: 2900,
        batch_records: 10_000,
    };
    let compacted = committer.compact(&step, |_, _| Ok(backend::Fate::Delete)).expect("compact");
    assert_eq!((compacted.visited, compacted.deleted, compacted.next), (2899, 2899, None));
    backend.committed(compacted.done);
    let before = State::read(backend.last_committed());
    let mut defrag = committer.start_defrag().expect("start");
    while defrag.step().expect("step") == backend::DefragProgress::More {}
    let done = committer.finish_defrag(defrag).expect("finish");
    backend.committed(done);
    let state = backend.last_committed();
    assert_eq!(state.generation(), Generation(1));
    assert_eq!(State::read(state), before);
    assert!(state.size() < old.committed().size() / 4, "{} bytes", state.size());
    assert_eq!(State::read(old.committed()), full);
    assert_eq!(old.generation(), Generation(0));
    assert_eq!(disk.files(), [Path::new(PATH)]);
}

#[test]
fn a_swap_whose_name_may_be_lost_is_the_end() {
    let (disk, mut backend, mut committer) = new();
    put(&mut backend, 2, "value");
    commit(&mut backend, &mut committer, 4);
    let defrag = committer.start_defrag().expect("start");
    disk.set_fault(|operation, _| {
        (operation == Operation::SyncDir).then_some(Fault::Error(std::io::ErrorKind::Other))
    });
    assert!(matches!(committer.finish_defrag(defrag), Err(Error::Io { .. })));
    disk.clear_fault();
    put(&mut backend, 3, "value");
    assert!(committer.prepare(backend.freeze(position(5))).is_err());
}

#[test]
fn a_file_opened_to_look_at_is_left_as_it_is() {
    let (disk, mut backend, mut committer) = new();
    put(&mut backend, 2, "value");
    commit(&mut backend, &mut committer, 4);
    let expected = State::read(backend.last_committed());
    let look = || backend::open_read_only(&disk, Path::new(PATH));
    assert!(matches!(look(), Err(Error::Locked(_))));
    drop((backend, committer));
    let before = disk.operations();
    assert_eq!(State::read(&look().expect("open")), expected);
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_copy_that_missed_deletions_is_refused() {
    let (disk, mut backend, mut committer) = new();
    for main in 2..30 {
        put(&mut backend, main, "value");
    }
    commit(&mut backend, &mut committer, 4);
    let defrag = committer.start_defrag().expect("start");
    let from = Revision::default();
    let step = backend::CompactionStep { from, compact_revision: 9, batch_records: 100 };
    committer.compact(&step, |_, _| Ok(backend::Fate::Delete)).expect("compact");
    assert!(matches!(committer.finish_defrag(defrag), Err(Error::Stale)));
    assert_eq!(disk.files(), [Path::new(PATH)]);
    assert_eq!(State::read(committer.state()).records.len(), 20);
}
