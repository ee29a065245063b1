//! The files: the log, snapshots, the database. Whatever their bytes, they are read, repaired,
//! refused, and written on.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::Disk;
use proto::raftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use proto::walpb;
use simenv::{SimClock, SimDisk};
use snap::Snapshots;
use wal::{Sync, Wal};

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[
    Target::new("log", log, log_seeds, 300),
    Target::new("log-records", log_records, choices, 300),
    Target::new("snap", snap_file, snap_seeds, 1000),
    Target::new("v2store", v2store, v2store_seeds, 1000).with_words(&[
        "members",
        "removed_members",
        "nodes",
        "children",
        "null",
        "[",
        "{",
        "\"",
    ]),
    Target::new("database", database, database_seeds, 60),
];

const SEGMENT_BYTES: u64 = 1024;

fn wal_options() -> wal::Options {
    wal::Options { segment_bytes: SEGMENT_BYTES, ..wal::Options::new(Arc::new(SimClock::new())) }
}

/// A log's segments, with a byte behind each that cannot be in a length field's place.
fn log_seeds() -> Vec<Vec<u8>> {
    let disk = SimDisk::new();
    let dir = Path::new("/wal");
    let created = Wal::create(Arc::new(disk.clone()), dir, b"meta", wal_options());
    let mut wal = created.expect("a new log");
    for index in 1..=12 {
        let data = Bytes::from(vec![index as u8; index as usize * 13 % 200]);
        let entry = Entry { term: 1, index, data, ..Entry::default() };
        let state = HardState { term: 1, vote: 1, commit: index - 1 };
        wal.append(Some(state), &[entry]).expect("append");
        wal.flush(Sync::Required).expect("flush");
        if index == 5 {
            let conf_state = Some(ConfState { voters: vec![1, 2], ..ConfState::default() });
            wal.save_snapshot(&walpb::Snapshot { index, term: 1, conf_state }).expect("save");
        }
    }
    drop(wal);
    let content = |path: &std::path::PathBuf| disk.content(path).expect("it is there");
    let segments: Vec<Vec<u8>> = disk
        .files()
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".wal"))
        .map(|path| trimmed(content(path)))
        .collect();
    let mut seeds: Vec<Vec<u8>> = segments.iter().map(|one| [&[0][..], one].concat()).collect();
    // Two of them: the first byte says where the second begins, in units of 16 bytes.
    if let [one, two, ..] = &segments[..] {
        let mut padded = one.clone();
        padded.resize(one.len().next_multiple_of(16), 0);
        let second = (padded.len() / 16) as u8;
        seeds.push([&[second][..], &padded, two].concat());
    }
    seeds
}

/// Without most of the zeros that a segment ends with.
fn trimmed(mut content: Vec<u8>) -> Vec<u8> {
    let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    content.truncate(used.next_multiple_of(8) + 16);
    content
}

/// Segments as they stand: the first byte says where the second begins, 0 for nowhere.
fn log(input: &[u8]) -> u64 {
    let Some((second, content)) = input.split_first() else { return 0 };
    let at = (usize::from(*second) * 16).min(content.len());
    let (one, two) = if *second == 0 {
        (content, None)
    } else {
        content.split_at_checked(at).map_or((content, None), |(one, two)| (one, Some(two)))
    };
    let disk = SimDisk::new();
    disk.put_file(Path::new("/wal/0000000000000000-0000000000000000.wal"), one);
    if let Some(two) = two {
        // The name says the first index behind the first segment, as its entries have it.
        let last = last_index(&disk).unwrap_or(6);
        let name = format!("/wal/0000000000000001-{:016x}.wal", last.wrapping_add(1));
        disk.put_file(Path::new(&name), two);
    }
    let mut features = Features::default();
    use_log(&disk, &mut features);
    features.number()
}

fn last_index(disk: &SimDisk) -> Option<u64> {
    let contents = wal::read_only(disk, Path::new("/wal"), &walpb::Snapshot::default());
    contents.ok()?.entries.last().map(|entry| entry.index)
}

/// Records with sums that are right, in any order and with anything in them.
fn log_records(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let (mut crc, mut index, mut term) = (0, 1, 1);
    let mut segments = vec![Vec::new()];
    let mut firsts = vec![0];
    put_record(segments.last_mut().expect("one"), 4, &mut crc, &[]);
    put_record(segments.last_mut().expect("one"), 1, &mut crc, b"meta");
    while !input.is_empty() {
        let segment = segments.last_mut().expect("there is always one");
        match input.below(12) {
            0..5 => {
                term += u64::from(input.one_in(4));
                if input.one_in(8) {
                    index = input.number();
                }
                let entry = Entry { term, index, data: input.shared(), ..Entry::default() };
                put_record(segment, 2, &mut crc, &entry.encode_to_vec());
                index = index.wrapping_add(1);
            }
            5 | 6 => {
                let commit = if input.one_in(4) { input.number() } else { index.wrapping_sub(1) };
                let state = HardState { term, vote: 1, commit };
                put_record(segment, 3, &mut crc, &state.encode_to_vec());
            }
            7 => {
                let at = if input.one_in(3) { input.number() } else { index.saturating_sub(1) };
                let snapshot = walpb::Snapshot { index: at, term, conf_state: None };
                let mut bytes = Vec::new();
                snapshot.encode(&mut bytes);
                put_record(segment, 5, &mut crc, &bytes);
            }
            8 => {
                let kind = input.number() as i64;
                put_record(segment, kind, &mut crc, input.bytes());
            }
            9 => {
                // A whole segment begins.
                let mut next = Vec::new();
                put_record(&mut next, 4, &mut crc, &[]);
                put_record(&mut next, 1, &mut crc, b"meta");
                segments.push(next);
                firsts.push(index);
            }
            10 => segment.extend_from_slice(input.bytes()),
            _ => {
                let cut = segment.len().saturating_sub(input.below(40));
                segment.truncate(cut);
            }
        }
    }
    let disk = SimDisk::new();
    for (number, (content, first)) in segments.iter().zip(&firsts).enumerate().take(4) {
        let name = format!("/wal/{number:016x}-{first:016x}.wal");
        disk.put_file(Path::new(&name), content);
    }
    let mut features = Features::default();
    use_log(&disk, &mut features);
    features.number()
}

/// A frame with a record; one of type 4 tells the sum so far.
fn put_record(segment: &mut Vec<u8>, record_type: i64, crc: &mut u32, data: &[u8]) {
    if record_type != 4 {
        *crc = crc32c::crc32c_append(*crc, data);
    }
    let data = (record_type != 4).then(|| Bytes::copy_from_slice(data));
    let record = walpb::Record { record_type, crc: *crc, data };
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    let padding = (8 - bytes.len() % 8) % 8;
    let marked = if padding == 0 { 0 } else { (0x80 | padding as u64) << 56 };
    segment.extend((bytes.len() as u64 | marked).to_le_bytes());
    segment.append(&mut bytes);
    segment.resize(segment.len() + padding, 0);
}

fn consecutive(contents: &wal::Contents) -> bool {
    let mut entries = contents.entries.iter();
    entries
        .try_fold(contents.before.index.get(), |last, entry| {
            (entry.index == last.wrapping_add(1)).then_some(entry.index)
        })
        .is_some()
}

/// Reads, repairs and opens a log, and writes on what opens.
fn use_log(disk: &SimDisk, features: &mut Features) {
    let dir = Path::new("/wal");
    let positions = wal::valid_snapshot_entries(disk, dir);
    features.outcome(positions.as_ref().map(Vec::len));
    let newest = positions.ok().and_then(|positions| positions.last().cloned());
    let at = newest.unwrap_or_default();
    let read = wal::read_only(disk, dir, &at);
    if let Ok(contents) = &read {
        assert!(consecutive(contents));
    }
    features.outcome(read.map(|contents| contents.entries.len()));
    features.outcome(wal::verify(disk, dir, &at).map(|state| state.commit as usize));
    if let Ok(mut records) = wal::records(disk, dir) {
        while let Ok(Some(_)) = records.next() {}
    }
    let whole = disk.crash(disk.operations()).everything();
    features.outcome(wal::repair(&whole, dir).map(|repaired| usize::from(repaired.is_some())));
    let opened = Wal::recover(Arc::new(disk.clone()), dir, &at, wal_options());
    let (mut wal, contents) = match opened {
        Ok((wal, contents, _)) => (wal, contents),
        Err(error) => return features.text(&error.to_string()),
    };
    assert!(consecutive(&contents));
    let last = contents.before.index.get() + contents.entries.len() as u64;
    if wal.last_index().get() != last || last == u64::MAX {
        return;
    }
    let entry = Entry { term: u64::MAX, index: last + 1, ..Entry::default() };
    wal.append(None, std::slice::from_ref(&entry)).expect("what opens takes entries");
    wal.flush(Sync::Required).expect("what opens can be written");
    drop(wal);
    let again = Wal::open(Arc::new(disk.clone()), dir, &at, wal_options());
    let (_, again) = again.expect("what was written on opens again");
    assert_eq!(again.entries.last(), Some(&entry));
}

fn snapshot() -> Snapshot {
    let conf_state = ConfState { voters: vec![1, 2], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: 9, term: 2 };
    Snapshot { data: Bytes::from_static(b"{}"), metadata }
}

fn snap_seeds() -> Vec<Vec<u8>> {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/snap"));
    let snapshots =
        Snapshots::new(Arc::new(disk.clone()), Arc::new(SimClock::new()), Path::new("/snap"));
    let saved = snapshots.save(&snapshot()).expect("save");
    // What the sum is over, which is then made right.
    let framed = snapshot().encode_to_vec();
    vec![
        [&[0][..], &disk.content(&saved.path).expect("it is there")].concat(),
        [&[1][..], &framed].concat(),
    ]
}

/// A snapshot file as it stands, or with a sum that is right.
fn snap_file(input: &[u8]) -> u64 {
    let Some((kind, content)) = input.split_first() else { return 0 };
    let content = if kind % 2 == 0 {
        content.to_vec()
    } else {
        let crc = crc32c::crc32c(content);
        let data = Bytes::copy_from_slice(content);
        proto::snappb::Snapshot { crc, data }.encode_to_vec()
    };
    let disk = SimDisk::new();
    let dir = Path::new("/snap");
    disk.put_file(&dir.join("0000000000000002-0000000000000009.snap"), &content);
    let snapshots = Snapshots::new(Arc::new(disk.clone()), Arc::new(SimClock::new()), dir);
    let mut features = Features::default();
    let loaded = snapshots.load_newest().expect("the disk is sound");
    match (&loaded.snapshot, &loaded.broken[..]) {
        (Some(snapshot), []) => features.size(snapshot.data.len()),
        (None, [broken]) => features.text(&broken.reason.to_string()),
        other => panic!("a file is a snapshot or broken: {other:?}"),
    }
    let names = disk.list(dir).expect("the disk is sound");
    assert_eq!(names[0].name.ends_with(".broken"), loaded.snapshot.is_none());
    features.number()
}

fn v2store_seeds() -> Vec<Vec<u8>> {
    let member = |number: u64| snap::v2store::Member {
        id: types::MemberId(number),
        peer_urls: vec!["http://127.0.0.1:2380".to_owned()],
        is_learner: number == 2,
        name: "m1".to_owned(),
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
    };
    let membership = snap::v2store::Membership {
        members: vec![member(1), member(2)],
        removed: vec![types::MemberId(3)],
        version: Some("3.5.0".to_owned()),
    };
    let whole = snap::v2store::encode(&membership).to_vec();
    // The queue of events is long and says nothing.
    let short = br#"{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{"Children":{
        "raftAttributes":{"Value":"{\"peerURLs\":[\"http://a:1\"]}"},
        "attributes":{"Value":"{\"name\":\"m\"}"}}}}},"removed_members":{"Children":{"3":{}}},
        "version":{"Value":"3.5.0"}}},"1":{"Children":{}}}}}"#;
    vec![whole, short.to_vec()]
}

fn v2store(input: &[u8]) -> u64 {
    let mut features = Features::default();
    let read = snap::v2store::decode(input);
    if let Ok(stored) = &read {
        features.size(stored.membership.members.len());
        features.size(stored.membership.removed.len());
        features.note(u64::from(stored.custom_content));
        let written = snap::v2store::encode(&stored.membership);
        let again = snap::v2store::decode(&written).expect("what was written can be read");
        assert_eq!(again.membership.members.len(), stored.membership.members.len());
    }
    features.outcome(read.map(|_| 0));
    features.number()
}

const PAGE: usize = 1024;
const DATABASE: &str = "/db";

fn bolt_options() -> bolt::Options {
    bolt::Options { page_size: PAGE, cache_bytes: 100_000, ..bolt::Options::default() }
}

fn database_key(number: usize) -> Bytes {
    Bytes::from(format!("{number:020}"))
}

/// Files with branches, overflow pages, inline buckets and free pages.
fn database_seeds() -> Vec<Vec<u8>> {
    [12, 60]
        .into_iter()
        .map(|rows| {
            let disk = SimDisk::new();
            let (mut writer, _) =
                bolt::open(&disk, Path::new(DATABASE), &bolt_options()).expect("a new file");
            for name in [&b"inline"[..], b"key"] {
                writer.create_bucket(name).expect("a bucket");
            }
            writer.put(b"inline", "a".into(), "b".into()).expect("a row");
            for round in 0..2 {
                for number in 0..rows {
                    let value = vec![number as u8; if number == 7 { 1500 } else { 40 }];
                    if number % 3 == round {
                        writer.delete(b"key", database_key(number)).expect("a row less");
                    } else {
                        writer.put(b"key", database_key(number), value.into()).expect("a row");
                    }
                }
                writer.commit().expect("commit");
            }
            let used = writer.view().size_bytes() as usize;
            drop(writer);
            let mut content = disk.content(Path::new(DATABASE)).expect("it is there");
            content.truncate(used);
            content
        })
        .collect()
}

/// An error that damage may bring.
fn noticed<T>(result: bolt::Result<T>, features: &mut Features) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(matches!(error, bolt::Error::Corrupted { .. }), "{error}");
            features.text(&error.to_string());
            None
        }
    }
}

/// The rows of a file forward and backward.
fn walk(view: &bolt::View) -> bolt::Result<(usize, usize)> {
    let (mut forward, mut backward) = (0, 0);
    for name in view.bucket_names() {
        let mut cursor = view.cursor(name)?;
        while cursor.next()?.is_some() {
            forward += 1;
        }
        let mut cursor = view.cursor(name)?;
        let mut more = cursor.last()?.is_some();
        while more {
            backward += 1;
            more = cursor.prev()?.is_some();
        }
    }
    Ok((forward, backward))
}

fn write_on(writer: &mut bolt::Writer) -> bolt::Result<()> {
    writer.create_bucket(b"key")?;
    for number in (0..60).step_by(7) {
        writer.put(b"key", database_key(number), vec![1; 100].into())?;
        writer.delete(b"key", database_key(number + 1))?;
    }
    writer.commit()?;
    for number in 0..60 {
        writer.delete(b"key", database_key(number))?;
    }
    writer.commit()?;
    Ok(())
}

/// A database file as it stands.
fn database(input: &[u8]) -> u64 {
    let mut features = Features::default();
    let disk = SimDisk::new();
    disk.set_len_max(8 << 20);
    disk.put_file(Path::new(DATABASE), input);
    let path = Path::new(DATABASE);
    if let Some(view) = noticed(bolt::open_read_only(&disk, path, &bolt_options()), &mut features) {
        let problems = bolt::check(&view).expect("the disk is sound");
        features.size(problems.len());
        if let Some(first) = problems.first() {
            features.text(&first.text);
        }
        if let Some((forward, backward)) = noticed(walk(&view), &mut features) {
            assert_eq!(forward, backward);
            features.size(forward);
        }
        for number in (0..60).step_by(11) {
            if view.has_bucket(b"key") {
                noticed(view.get(b"key", &database_key(number)), &mut features);
            }
        }
    }
    let opened = bolt::open(&disk, path, &bolt_options());
    if let Some((mut writer, _)) = noticed(opened, &mut features) {
        noticed(writer.find_free_pages(), &mut features);
        noticed(write_on(&mut writer), &mut features);
    }
    features.number()
}
