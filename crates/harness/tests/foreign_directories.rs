//! Directories that are no plain ones, that others own, that are of another version or of another
//! member: served as the real etcd serves them, or refused with the reason and left as they are.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/damage/mod.rs"]
mod damage;
#[path = "support/golden/mod.rs"]
mod golden;
mod support;

use damage::cases::{cut, flip, overwrite};
use damage::opened::{Opened, open};
use damage::pages::{PAGE, Pages};
use damage::segment;
use damage::template::{DATABASE, End, SEGMENT, Template, copy};
use golden::archive::{Archive, Unpacked};
use harness::read_log;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Member, Start, script, server_under_test};

/// A server serves or ends within this time.
const DECIDED_MAX: Duration = Duration::from_secs(30);

/// A change of a directory, and what the refusal says; `None` if it is served whole.
type Case = (&'static str, fn(&Path), Option<&'static str>);

fn try_cases(template: &Template, cases: &[Case]) {
    for (what, change, refusal) in cases {
        let mut member = template.member(server_under_test());
        change(&member.options.data_dir);
        let opened = open(&mut member, &template.expected);
        match (refusal, &opened) {
            (None, Opened::Whole) => {}
            (Some(part), Opened::Refused(reason)) => {
                let data = member.options.data_dir.display().to_string();
                assert!(reason.contains(part), "{what}: {reason}");
                assert!(reason.contains(&data) || reason.contains("datadir"), "{what}: {reason}");
            }
            _ => panic!("{what}: {opened:?}"),
        }
    }
}

/// Moves something beside the directory, and leaves a link in its place.
fn link_outside(data: &Path, name: &str) {
    let inside = if name.is_empty() { data.to_owned() } else { data.join(name) };
    let outside = data.with_file_name(format!("outside-{}", name.replace('/', "-")));
    fs::rename(&inside, &outside).unwrap();
    symlink(&outside, &inside).unwrap();
}

fn replace_by_file(path: &Path) {
    fs::remove_dir_all(path).unwrap();
    fs::write(path, "a file").unwrap();
}

fn replace_by_folder(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

const LINKS: [Case; 7] = [
    ("the directory is a link", |data| link_outside(data, ""), None),
    ("its member's is one", |data| link_outside(data, "member"), None),
    ("the log's is one", |data| link_outside(data, "member/wal"), None),
    ("the database is one", |data| link_outside(data, DATABASE), None),
    ("a segment is one", |data| link_outside(data, SEGMENT), None),
    (
        "database and segment have a second name",
        |data| {
            for name in [DATABASE, SEGMENT] {
                let inside = data.join(name);
                fs::hard_link(&inside, data.with_file_name(inside.file_name().unwrap())).unwrap();
            }
        },
        None,
    ),
    (
        "a link that leads nowhere",
        |data| {
            fs::remove_dir_all(data).unwrap();
            symlink(data.with_file_name("nowhere"), data).unwrap();
        },
        Some("File exists"),
    ),
];

const SHAPES: [Case; 13] = [
    ("a file in its place", |data| replace_by_file(data), Some("not a directory")),
    ("a file for the member", |data| replace_by_file(&data.join("member")), Some("Not a dir")),
    ("a file for the log", |data| replace_by_file(&data.join("member/wal")), Some("Not a dir")),
    ("a file for snapshots", |data| replace_by_file(&data.join("member/snap")), Some("exists")),
    ("a folder for the db", |data| replace_by_folder(&data.join(DATABASE)), Some("a directory")),
    ("a folder for a segment", |data| replace_by_folder(&data.join(SEGMENT)), Some("a directory")),
    (
        "a database without a log",
        |data| fs::remove_dir_all(data.join("member/wal")).unwrap(),
        Some("there is no log in"),
    ),
    (
        "a database with an empty folder for a log",
        |data| fs::remove_file(data.join(SEGMENT)).unwrap(),
        Some("there is no log in"),
    ),
    (
        "snapshots without a database",
        |data| fs::remove_file(data.join(DATABASE)).unwrap(),
        Some("failed to find database snapshot file (snap: snapshot file doesn't exist)"),
    ),
    (
        "a proxy's",
        |data| fs::rename(data.join("member"), data.join("proxy")).unwrap(),
        Some("v2 http proxy has already been deprecated in 3.6"),
    ),
    (
        "a proxy's and a member's",
        |data| fs::create_dir(data.join("proxy")).unwrap(),
        Some("invalid datadir; both member and proxy directories exist"),
    ),
    ("something else in it", |data| fs::write(data.join("lost+found"), "x").unwrap(), None),
    (
        "a log that was never finished",
        |data| {
            fs::create_dir(data.join("member/wal.tmp")).unwrap();
            fs::write(data.join("member/wal.tmp/x"), "x").unwrap();
        },
        None,
    ),
];

#[test]
fn links_are_followed() {
    try_cases(&Template::new("3.7", End::Terminated), &LINKS);
}

#[test]
fn other_things_in_the_place_of_files_and_folders() {
    try_cases(&Template::new("3.7", End::Terminated), &SHAPES);
}

fn rename_segment(data: &Path, name: &str) {
    fs::rename(data.join(SEGMENT), data.join("member/wal").join(name)).unwrap();
}

const NAMES: [Case; 5] = [
    (
        "another sequence number",
        |data| rename_segment(data, "0000000000000001-0000000000000000.wal"),
        None,
    ),
    (
        "a later first entry",
        |data| rename_segment(data, "0000000000000000-00000000000000ff.wal"),
        Some("wal: file not found which matches the snapshot index"),
    ),
    ("no name of a segment", |data| rename_segment(data, "x.wal"), Some("wal: file not found")),
    (
        "a segment that is set aside",
        |data| rename_segment(data, "0000000000000000-0000000000000000.wal.broken"),
        Some("there is no log in"),
    ),
    (
        "a segment behind one that is missing",
        |data| {
            let name = "member/wal/0000000000000002-00000000000000ff.wal";
            fs::copy(data.join(SEGMENT), data.join(name)).unwrap();
        },
        Some("expected the segment behind sequence number 0"),
    ),
];

#[test]
fn names_of_segments() {
    try_cases(&Template::new("3.7", End::Terminated), &NAMES);
}

/// A log of three segments that the real etcd made.
#[test]
fn a_log_of_several_segments() {
    let archive = Archive { path: "segments-sigkill", made_by: "3.5" };
    let folder = harness::Folder::new("damaged-segments").unwrap();
    let unpacked: Unpacked = archive.unpack(folder.path());
    let (name, flags) = unpacked.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut names: Vec<String> = fs::read_dir(unpacked.data_dir().join("member/wal"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".wal"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    type Change = Box<dyn Fn(&Path)>;
    let end = segment::frames(&unpacked.data_dir().join("member/wal").join(&names[1]));
    let last = *end.last().unwrap();
    let cases: [(&str, usize, Change, &str); 4] = [
        ("the middle one is missing", 1, Box::new(|file| fs::remove_file(file).unwrap()), "behind"),
        ("the middle one is empty", 1, Box::new(|file| cut(file, 0)), "crc"),
        ("the middle one's head", 1, Box::new(|file| flip(file, 11, 1)), "crc"),
        (
            "the end of the middle one is gone",
            1,
            Box::new(move |file| overwrite(file, last.at, &[0; 64])),
            "crc",
        ),
    ];
    for (what, number, change, part) in cases {
        let mut member = Member::new(&name, server_under_test(), &flags);
        copy(&unpacked.data_dir(), &member.options.data_dir);
        let wal = member.options.data_dir.join("member/wal");
        change(&wal.join(&names[number]));
        let Start::Ended(code) = member.start_within(DECIDED_MAX) else {
            panic!("{what}: the server does not end");
        };
        let log = read_log(&member.options.log);
        let fatal: Vec<_> = log.iter().filter(|line| line.level == "fatal").collect();
        let reason = fatal[0].fields["error"].as_str().unwrap();
        assert_eq!((code, fatal.len()), (1, 1), "{what}: {reason}");
        assert!(reason.contains(part) && reason.contains("wal"), "{what}: {reason}");
    }
}

/// A member whose program runs as root without any of its privileges.
fn without_privileges(member: &mut Member) {
    let drop = "setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all";
    let program = member.options.program.display();
    let text = format!("#!/bin/sh\nexec {drop} {program} \"$@\"\n");
    let path = member.folder().join("etcd-without-privileges");
    member.options.program = script(&path, &text);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn directories_that_may_not_be_written() {
    let template = Template::new("3.7", End::Terminated);
    let of_others = |path: PathBuf| std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: [(&str, Change<'_>); 5] = [
        ("the directory is another user's", Box::new(|data| of_others(data.to_owned()))),
        (
            "the database is",
            Box::new(|data| {
                set_mode(&data.join(DATABASE), 0o600);
                of_others(data.join(DATABASE));
            }),
        ),
        ("the database may not be written", Box::new(|data| set_mode(&data.join(DATABASE), 0o400))),
        ("a segment may not be written", Box::new(|data| set_mode(&data.join(SEGMENT), 0o400))),
        ("the log's folder may not be", Box::new(|data| set_mode(&data.join("member/wal"), 0o000))),
    ];
    for (what, change) in cases {
        let mut member = template.member(server_under_test());
        without_privileges(&mut member);
        change(&member.options.data_dir);
        let opened = open(&mut member, &template.expected);
        let Opened::Refused(reason) = &opened else { panic!("{what}: {opened:?}") };
        let data = member.options.data_dir.display().to_string();
        let reason = reason.to_lowercase();
        assert!(reason.contains("permission denied") && reason.contains(&data), "{what}: {reason}");
    }
}

/// A warning that names the directory, as the real etcd gives it.
#[test]
fn directories_that_others_may_enter() {
    let template = Template::new("3.7", End::Terminated);
    for mode in [0o700, 0o755, 0o777] {
        let mut member = template.member(server_under_test());
        set_mode(&member.options.data_dir, mode);
        assert_eq!(open(&mut member, &template.expected), Opened::Whole);
        let data = member.options.data_dir.display().to_string();
        let warned = read_log(&member.options.log)
            .iter()
            .filter(|line| line.level == "warn" && line.fields.to_string().contains(&data))
            .filter(|line| line.fields.to_string().contains("recommended permission"))
            .count();
        assert_eq!(warned, usize::from(mode != 0o700), "{mode:o}");
    }
}

/// Writes over a text wherever it stands in the database's pages; they have no checksums.
fn replace_in_database(data: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let path = data.join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    let end = Pages::read(&path).end();
    let found: Vec<usize> = (2 * PAGE..end).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn databases_of_other_versions() {
    let template = Template::new("3.7", End::Terminated);
    let stored = b"storageVersion3.7.0";
    for (version, refusal) in [
        (&b"storageVersion3.8.0"[..], Some("version \"3.8.0\" is not supported")),
        (b"storageVersion4.0.0", Some("changing major storage version is not supported")),
        (b"storageVersion3.6.0", None),
        // Not told: as by 3.5, whose members are in the snapshot's document.
        (b"storageVersioX3.7.0", None),
    ] {
        let mut member = template.member(server_under_test());
        replace_in_database(&member.options.data_dir, stored, version);
        let before = fs::read(member.options.data_dir.join(SEGMENT)).unwrap();
        match (refusal, open(&mut member, &template.expected)) {
            (None, Opened::Whole) => {}
            (Some(refusal), Opened::Refused(reason)) => {
                assert_eq!(reason, refusal);
                assert!(fs::read(member.options.data_dir.join(SEGMENT)).unwrap() == before);
            }
            (_, opened) => panic!("{}: {opened:?}", String::from_utf8_lossy(version)),
        }
    }
}

/// Leaves the log's own records of its snapshots to go by.
fn remove_snapshots(data: &Path) {
    for entry in fs::read_dir(data.join("member/snap")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snap") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Files of two members in one directory.
#[test]
fn files_of_another_member() {
    let mine = Template::new("3.7", End::Terminated);
    let other = Template::of_cluster("another", "3.7", End::Terminated);
    assert_ne!(mine.expected.members, other.expected.members);
    for name in [DATABASE, SEGMENT] {
        let mut member = mine.member(server_under_test());
        let data = &member.options.data_dir;
        fs::copy(other.data().join(name), data.join(name)).unwrap();
        remove_snapshots(data);
        let opened = open(&mut member, &mine.expected);
        let Opened::Refused(reason) = &opened else { panic!("another {name}: {opened:?}") };
        assert!(reason.contains("member/snap/db"), "another {name}: {reason}");
    }
    let mut member = mine.member(server_under_test());
    let segment = member.options.data_dir.join(SEGMENT);
    let me = mine.expected.members[0].0;
    // The same ids: the log can be rewritten without harm.
    segment::set_identity(&segment, me, 1);
    assert_eq!(open(&mut member, &mine.expected), Opened::Whole, "another cluster's id");
}

/// Flags that found a cluster mean nothing to a directory that is there.
#[test]
fn flags_of_another_cluster() {
    let template = Template::new("3.7", End::Terminated);
    for flags in [
        &["--initial-cluster-token=other", "--initial-cluster-state=existing"][..],
        &["--initial-cluster=template=http://127.0.0.1:1,x=http://127.0.0.1:2"],
    ] {
        let mut member = template.member(server_under_test());
        member.options.arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        assert_eq!(open(&mut member, &template.expected), Opened::Whole, "{flags:?}");
    }
}
