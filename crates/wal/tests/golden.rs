//! The logs of the real etcd: every record of them, read, opened, and written again.

#[path = "support/golden.rs"]
mod golden;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use env::{RealClock, RealDisk};
use proto::raftpb::{Entry, HardState};
use proto::walpb::Snapshot;
use wal::{Error, Kind, Options, Sync, Wal};

fn options() -> Options {
    Options::new(Arc::new(RealClock::new()))
}

/// A fresh folder for one test.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("make a folder");
    dir
}

/// A log of the golden data and the independent dump of it, where there is one.
struct Log {
    name: String,
    dir: PathBuf,
    dump: Option<String>,
}

fn logs(folder: &str) -> Vec<Log> {
    let mut logs = Vec::new();
    for archive in golden::archives(folder) {
        let unpacked = golden::unpack(folder, &archive);
        let segments = golden::files(&unpacked, ".wal");
        let Some(first) = segments.first() else { continue };
        let dir = first.parent().expect("a file has a folder").to_path_buf();
        let name = format!("{folder}/{archive}");
        logs.push(Log { name, dir, dump: dump(folder, &archive, &unpacked) });
    }
    logs
}

/// The text that `dump.py` made of a log. Members of a cluster have theirs in an archive of their
/// own.
fn dump(folder: &str, archive: &str, unpacked: &Path) -> Option<String> {
    let path = match archive.rsplit_once("-m") {
        Some((cluster, member)) => golden::unpack(folder, &format!("{cluster}-expected"))
            .join(format!("expected/m{member}.wal.txt")),
        None => golden::files(unpacked, "/wal.txt").pop()?,
    };
    Some(fs::read_to_string(path).expect("read the dump"))
}

/// One line of a dump: `@80 len=110 pad=2 lenfield=820000000000006e entry crc=98815b84 ok ...`.
#[derive(Debug)]
struct Line<'a> {
    offset: u64,
    kind: Kind,
    crc: u32,
    rest: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.strip_prefix('@')?.splitn(8, ' ');
        let offset = words.next()?.parse().ok()?;
        let kind = match words.nth(3)? {
            "metadata" => Kind::Metadata,
            "entry" => Kind::Entry,
            "state" => Kind::State,
            "crc" => Kind::Crc,
            "snapshot" => Kind::Snapshot,
            other => panic!("a record of type {other}"),
        };
        let crc = words.next()?.strip_prefix("crc=")?;
        let crc = u32::from_str_radix(crc, 16).ok()?;
        assert_eq!(words.next(), Some("ok"), "{line}");
        Some(Self { offset, kind, crc, rest: words.next().unwrap_or_default() })
    }

    /// A number behind a name; one that is left out is 0.
    fn number(&self, name: &str) -> u64 {
        let digits = self.rest.split_once(name).map_or("", |(_, behind)| behind);
        let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().unwrap_or(0)
    }

    /// Term, index and type of an entry.
    fn entry(&self) -> (u64, u64, u64) {
        (self.number("term "), self.number("index "), self.number("type "))
    }

    fn hard_state(&self) -> HardState {
        let (term, vote) = (self.number("'term': "), self.number("'vote': "));
        HardState { term, vote, commit: self.number("'commit': ") }
    }

    fn snapshot(&self) -> (u64, u64) {
        (self.number("'index': "), self.number("'term': "))
    }
}

fn id(entry: &Entry) -> (u64, u64, u64) {
    (entry.term, entry.index, entry.entry_type as u64)
}

/// Each record, in order, with its place and its CRC, and with that its content.
fn check_records(log: &Log, lines: &[Line<'_>]) {
    let mut records = wal::records(&RealDisk, &log.dir).expect("open");
    for line in lines {
        let record = records.next().expect("read").expect("a record more");
        let read = (record.position.offset, record.kind, record.crc);
        assert_eq!(read, (line.offset, line.kind, line.crc), "{}", log.name);
        match record.kind {
            Kind::Entry => {
                let entry = Entry::decode(record.data).expect("an entry");
                assert_eq!(id(&entry), line.entry(), "{}", log.name);
            }
            Kind::State => {
                let state = HardState::decode(record.data).expect("a state");
                assert_eq!(state, line.hard_state(), "{}", log.name);
            }
            Kind::Snapshot => {
                let snapshot = Snapshot::decode(record.data).expect("a snapshot");
                assert_eq!((snapshot.index, snapshot.term), line.snapshot(), "{}", log.name);
            }
            Kind::Metadata | Kind::Crc => {}
        }
    }
    assert_eq!(records.next().expect("read"), None, "{}", log.name);
}

/// From each valid snapshot on: the entries and the state that the dump has behind it.
fn check_contents(log: &Log, lines: &[Line<'_>]) {
    let state = lines.iter().rev().find(|line| line.kind == Kind::State).map(Line::hard_state);
    let state = state.unwrap_or_default();
    let noted = lines.iter().filter(|line| line.kind == Kind::Snapshot).map(Line::snapshot);
    let expected: Vec<_> = noted.filter(|(index, _)| *index <= state.commit).collect();
    let valid = wal::valid_snapshot_entries(&RealDisk, &log.dir).expect("list the snapshots");
    let found: Vec<_> = valid.iter().map(|at| (at.index, at.term)).collect();
    assert_eq!(found, expected, "{}", log.name);
    for at in &valid {
        let mut entries: Vec<(u64, u64, u64)> = Vec::new();
        for entry in lines.iter().filter(|line| line.kind == Kind::Entry).map(Line::entry) {
            entries.retain(|kept| kept.1 < entry.1);
            if entry.1 > at.index {
                entries.push(entry);
            }
        }
        let contents = wal::read_only(&RealDisk, &log.dir, at);
        // A member that got a snapshot from its leader has none of the entries in between.
        if entries.iter().zip(at.index + 1..).any(|(entry, index)| entry.1 != index) {
            assert!(matches!(contents, Err(Error::Gap { .. })), "{} behind {}", log.name, at.index);
            continue;
        }
        let contents = contents.expect("read");
        assert_eq!(contents.hard_state, state, "{}", log.name);
        let found: Vec<_> = contents.entries.iter().map(id).collect();
        assert_eq!(found, entries, "{} behind {}", log.name, at.index);
        assert_eq!(wal::verify(&RealDisk, &log.dir, at).expect("verify"), state);
    }
}

/// Held while a log is open or a child is made: a child holds its parent's locks until it runs its
/// own program.
static LOCKS: Mutex<()> = Mutex::new(());

/// A copy of the log opens for writing, goes on, and opens again.
fn check_writing(log: &Log, scratch: &Path) {
    let _held = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = scratch.join("copy");
    let _ = fs::remove_dir_all(&dir);
    let mut copy = Command::new("cp");
    copy.args(["-r", "--sparse=always"]).arg(&log.dir).arg(&dir);
    assert!(copy.status().expect("run cp").success());
    let newest = wal::valid_snapshot_entries(&RealDisk, &dir).expect("list").pop().expect("one");
    let before = wal::read_only(&RealDisk, &dir, &newest).expect("read");

    let (mut wal, contents) =
        Wal::open(Arc::new(RealDisk), &dir, &newest, options()).expect("open");
    assert_eq!(contents, before, "{}", log.name);
    let index = wal.last_index().next().0;
    let term = contents.hard_state.term + 1;
    let entry = Entry { term, index, data: "more".into(), ..Entry::default() };
    let state = HardState { term, vote: 9, commit: contents.hard_state.commit };
    wal.append(Some(state), std::slice::from_ref(&entry)).expect("append");
    wal.flush(Sync::Skippable).expect("flush");
    wal.close().expect("close");

    let (_, again) = Wal::open(Arc::new(RealDisk), &dir, &newest, options()).expect("open again");
    assert_eq!(again.hard_state, state);
    assert_eq!(again.entries.split_last(), Some((&entry, &before.entries[..])), "{}", log.name);
}

/// What the log says, written by ours, is the same files: byte for byte where `exact`, else (3.7
/// leaves out fields that are zero) the same records.
fn check_rewriting(log: &Log, scratch: &Path, exact: bool) {
    let dir = scratch.join("again");
    let _ = fs::remove_dir_all(&dir);
    rewrite(log, &dir);
    let (theirs, ours) = (golden::files(&log.dir, ".wal"), golden::files(&dir, ".wal"));
    let name = |path: &PathBuf| path.file_name().expect("a name").to_owned();
    assert_eq!(
        ours.iter().map(name).collect::<Vec<_>>(),
        theirs.iter().map(name).collect::<Vec<_>>(),
        "{}",
        log.name
    );
    if exact {
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let same = fs::read(ours).expect("read") == fs::read(theirs).expect("read");
            assert!(same, "{}: {} differs", log.name, ours.display());
        }
        return;
    }
    let decoded = |dir: &Path| {
        let snapshots = wal::valid_snapshot_entries(&RealDisk, dir).expect("list");
        let contents: Vec<_> =
            snapshots.iter().map(|at| wal::read_only(&RealDisk, dir, at).ok()).collect();
        (snapshots, contents)
    };
    assert_eq!(decoded(&dir), decoded(&log.dir), "{}", log.name);
}

/// Appends to a new log what the records of another say.
fn rewrite(log: &Log, dir: &Path) {
    let mut records = wal::records(&RealDisk, &log.dir).expect("open");
    let mut writer: Option<Wal> = None;
    let mut entries: Vec<Entry> = Vec::new();
    // The records at the head of a segment are the writer's own business.
    let mut in_head = true;
    while let Some(record) = records.next().expect("read") {
        match (record.kind, &mut writer) {
            (Kind::Crc, None) => {}
            (Kind::Metadata, None) => {
                let disk = Arc::new(RealDisk);
                writer = Some(Wal::create(disk, dir, &record.data, options()).expect("create"));
            }
            (Kind::Crc, Some(wal)) => {
                wal.append(None, &std::mem::take(&mut entries)).expect("append");
                wal.flush(Sync::Skippable).expect("flush");
                in_head = true;
            }
            (Kind::Entry, _) => {
                entries.push(Entry::decode(record.data).expect("an entry"));
                in_head = false;
            }
            (Kind::State | Kind::Snapshot, _) if in_head => in_head = false,
            (Kind::State, Some(wal)) => {
                let state = HardState::decode(record.data).expect("a state");
                wal.append(Some(state), &std::mem::take(&mut entries)).expect("append");
                wal.flush(Sync::Skippable).expect("flush");
            }
            (Kind::Snapshot, Some(wal)) => {
                wal.append(None, &std::mem::take(&mut entries)).expect("append");
                let snapshot = Snapshot::decode(record.data).expect("a snapshot");
                wal.save_snapshot(&snapshot).expect("save");
            }
            (Kind::Metadata, Some(_)) => {}
            (kind, None) => panic!("{kind:?} before any metadata"),
        }
    }
    let mut writer = writer.expect("the log has metadata");
    writer.append(None, &entries).expect("append");
    writer.close().expect("close");
}

fn check_all(folder: &str, exact: bool, logs_min: usize) {
    let logs = logs(folder);
    assert!(logs.len() >= logs_min, "only {} logs in {folder:?}", logs.len());
    let scratch = scratch(&format!("wal-golden-{}", folder.replace('/', "_")));
    for log in &logs {
        if let Some(dump) = &log.dump {
            let lines: Vec<_> = dump.lines().filter_map(Line::parse).collect();
            assert!(lines.len() > 3, "{}: a dump of {} lines", log.name, lines.len());
            check_records(log, &lines);
            check_contents(log, &lines);
        }
        check_writing(log, &scratch);
        check_rewriting(log, &scratch, exact);
    }
    fs::remove_dir_all(scratch).expect("clean up");
}

#[test]
fn the_logs_of_3_5_1() {
    check_all("", true, 13);
}

#[test]
fn the_logs_of_3_6_14() {
    check_all("v3.6.14", true, 2);
}

#[test]
fn the_logs_of_3_7_1() {
    check_all("v3.7.1", false, 12);
}
