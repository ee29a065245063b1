//! The damages: which bytes are changed, and what may come of it.

use super::pages::{HEADER, PAGE, Pages};
use super::segment::{self, Frame, SECTOR};
use super::template::{DATABASE, SEGMENT};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the format lets a server see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum May {
    /// Nothing that was acknowledged depends on it.
    Whole,
    /// Something is missing that can't be made up for.
    Refused,
    /// One of the two.
    Either,
    /// Nothing shows it, such as a changed byte of a row in the database, which has no checksum: the
    /// real etcd serves less than all, too. Still nothing crashes.
    Unseen,
}

/// One change of a directory.
pub struct Damage {
    /// For the table.
    pub class: String,
    pub what: String,
    pub change: Box<dyn Fn(&Path)>,
    pub may: May,
}

impl Damage {
    pub fn new(
        class: impl Into<String>,
        what: impl Into<String>,
        may: May,
        change: impl Fn(&Path) + 'static,
    ) -> Self {
        Self { class: class.into(), what: what.into(), change: Box::new(change), may }
    }
}

/// Writes over bytes of a file.
pub fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// Changes bits of one byte of a file.
pub fn flip(file: &Path, at: usize, bits: u8) {
    let mut byte = [0];
    File::open(file).unwrap().read_exact_at(&mut byte, at as u64).unwrap();
    overwrite(file, at, &[byte[0] ^ bits]);
}

/// Cuts a file off.
pub fn cut(file: &Path, len: usize) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(len as u64).unwrap();
}

fn flipped(class: &str, what: String, file: &str, at: usize, bits: u8, may: May) -> Damage {
    let file = file.to_owned();
    Damage::new(class, what, may, move |data| flip(&data.join(&file), at, bits))
}

fn overwritten(class: &str, what: String, file: &str, at: usize, bytes: &[u8], may: May) -> Damage {
    let (file, bytes) = (file.to_owned(), bytes.to_vec());
    Damage::new(class, what, may, move |data| overwrite(&data.join(&file), at, &bytes))
}

/// The first, the middle and the last of what was found.
fn some<T: Copy>(all: &[T]) -> Vec<T> {
    let mut picked: Vec<usize> = vec![0, all.len() / 2, all.len() - 1];
    picked.dedup();
    picked.into_iter().map(|number| all[number]).collect()
}

/// Each class of byte in the log.
pub fn of_log(data: &Path) -> Vec<Damage> {
    let frames = segment::frames(&data.join(SEGMENT));
    let mut damages = Vec::new();
    for (kind, name) in [
        (segment::METADATA, "metadata"),
        (segment::ENTRY, "entry"),
        (segment::STATE, "state"),
        (segment::CRC, "segment's head"),
        (segment::SNAPSHOT, "snapshot record"),
    ] {
        let all: Vec<Frame> = frames.iter().copied().filter(|frame| frame.kind == kind).collect();
        assert!(!all.is_empty(), "the log has no {name}");
        for frame in some(&all) {
            of_record(&mut damages, &frame, name);
        }
    }
    let last = frames.last().unwrap();
    let end = last.end();
    for (what, at, bytes) in
        [("a one", end, &[1][..]), ("a sector of ones", end + SECTOR, &[0x55; SECTOR])]
    {
        let what = format!("{what} at {at}");
        damages.push(overwritten("behind the log's end", what, SEGMENT, at, bytes, May::Either));
    }
    let middle = frames[frames.len() / 2];
    // A commit index may be lost; an entry that the file ends in is one that was never synced.
    let may_be_cut = if last.kind == segment::STATE { May::Whole } else { May::Unseen };
    for (len, may) in [
        (0, May::Refused),
        (7, May::Refused),
        (100, May::Refused),
        (middle.at / 2, May::Refused),
        (last.at + 12, may_be_cut),
        (end, May::Whole),
    ] {
        let change = move |data: &Path| cut(&data.join(SEGMENT), len);
        damages.push(Damage::new("a log that is cut off", format!("at {len}"), may, change));
    }
    damages
}

fn of_record(damages: &mut Vec<Damage>, frame: &Frame, name: &str) {
    let at = frame.at;
    // What the first record of a log says is said by the second, too; what an old entry or state
    // says, by the database.
    let mut add = |class: &str, what: &str, offset: usize, bits: u8, may: May| {
        let what = format!("{name} at {at}: {what}");
        damages.push(flipped(&format!("log: {class}"), what, SEGMENT, at + offset, bits, may));
    };
    add("length", "shorter or longer by one", 0, 1, May::Refused);
    add("length", "by 256", 1, 1, May::Refused);
    add("length", "by 64 KiB", 2, 1, May::Refused);
    add("length", "by 64 TiB", 5, 0x40, May::Refused);
    add("padding", "in the length", 7, 1, May::Refused);
    add("padding", "the mark in the length", 7, 0x80, May::Refused);
    add("type", "its key", 8, 0x10, May::Refused);
    add("type", "the next kind", 9, 1, May::Either);
    add("type", "none", 9, 8, May::Refused);
    // The CRC of a log's first record is what the second one shows to be wrong.
    add("crc", "its first byte", 11, 1, May::Refused);
    if frame.kind != segment::CRC {
        add("payload", "its last byte", 7 + frame.len, 1, May::Refused);
        add("payload", "its middle", 8 + frame.len - frame.len / 4, 0x20, May::Refused);
    }
    if frame.padding > 0 {
        add("padding", "its first byte", 8 + frame.len, 1, May::Whole);
    }
    if !(at + 8).is_multiple_of(SECTOR) {
        let what = format!("{name} at {at}: zero");
        damages.push(overwritten("log: length", what, SEGMENT, at, &[0; 8], May::Refused));
    }
}

/// Each way for a snapshot's file to be of no use: there is an older one, or the database has all.
pub fn of_snapshots(data: &Path) -> Vec<Damage> {
    let mut names: Vec<String> = std::fs::read_dir(data.join("member/snap"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".snap"))
        .collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    let all: Vec<String> = names.iter().map(|name| format!("member/snap/{name}")).collect();
    let newest = all.last().unwrap().clone();
    let len = std::fs::metadata(data.join(&newest)).unwrap().len() as usize;
    let mut damages = Vec::new();
    let mut add = |class: &str, what: String, change: Box<dyn Fn(&Path)>| {
        let class = format!("snapshot: {class}");
        damages.push(Damage { class, what, change, may: May::Whole });
    };
    for at in [0, 1, 3, 6, 7, 8, 20, len / 2, len - 1] {
        let file = newest.clone();
        let change = move |data: &Path| flip(&data.join(&file), at, 1);
        add("a changed byte", format!("{at} of {len}"), Box::new(change));
    }
    for short in [0, 1, 10, len / 2, len - 1] {
        let file = newest.clone();
        let change = move |data: &Path| cut(&data.join(&file), short);
        add("cut off", format!("{short} of {len}"), Box::new(change));
    }
    for count in [1, all.len()] {
        let files = all.clone();
        let change = move |data: &Path| {
            files.iter().rev().take(count).for_each(|file| flip(&data.join(file), 20, 1));
        };
        add("damaged ones", format!("the newest {count}"), Box::new(change));
        let files = all.clone();
        let change = move |data: &Path| {
            let newest = files.iter().rev().take(count);
            newest.for_each(|file| std::fs::remove_file(data.join(file)).unwrap());
        };
        add("missing ones", format!("the newest {count}"), Box::new(change));
    }
    for name in
        ["0000000000000002-00000000000fffff.snap", "0000000000000009-0000000000000001.snap", "x"]
    {
        let file = newest.clone();
        let change = move |data: &Path| {
            std::fs::rename(data.join(&file), data.join("member/snap").join(name)).unwrap();
        };
        add("another name", name.to_owned(), Box::new(change));
    }
    for name in [
        "tmp.1.0",
        "db.tmp.9",
        "0000000000000099.snap.db",
        "00000000000000ff-00000000000000ff.snap",
        "0000000000000002-0000000000000002.snap.broken",
    ] {
        let change = move |data: &Path| {
            std::fs::write(data.join("member/snap").join(name), "left over").unwrap();
        };
        add("left over", name.to_owned(), Box::new(change));
    }
    damages
}

/// Each class of byte in the database.
pub fn of_database(data: &Path) -> Vec<Damage> {
    let pages = Pages::read(&data.join(DATABASE));
    let mut damages = Vec::new();
    of_metas(&mut damages, &pages);
    let keys = pages.bucket("key").expect("the keys have pages of their own");
    assert!(pages.is_branch(keys), "the keys have several pages");
    let leaves = pages.leaves(keys);
    let mut tree = vec![("buckets", pages.root()), ("a branch", keys)];
    tree.extend(some(&leaves).into_iter().map(|leaf| ("a leaf", leaf)));
    for (name, page) in tree {
        of_page(&mut damages, &pages, name, page);
    }
    if let Some(list) = pages.freelist() {
        for byte in [0, 8, 10, 12, 16, 20] {
            let (what, at) = (format!("byte {byte} of page {list}"), list * PAGE + byte);
            damages.push(flipped("list of free pages", what, DATABASE, at, 1, May::Either));
        }
    }
    let end = pages.end();
    for len in [1, 100, PAGE, PAGE + 1, 2 * PAGE, 4 * PAGE, end / 2, end - 1] {
        let change = move |data: &Path| cut(&data.join(DATABASE), len);
        let class = "a database that is cut off";
        damages.push(Damage::new(class, format!("at {len}"), May::Refused, change));
    }
    for content in [&b""[..], b"no database\n", &[0xa5; 100_000]] {
        let change = move |data: &Path| std::fs::write(data.join(DATABASE), content).unwrap();
        let what = format!("{} other bytes", content.len());
        damages.push(Damage::new("no database", what, May::Refused, change));
    }
    damages
}

fn of_metas(damages: &mut Vec<Damage>, pages: &Pages) {
    let newest = pages.newest_meta();
    for (what, byte) in [
        ("id", 0),
        ("flags", 8),
        ("magic", 16),
        ("version", 20),
        ("page size", 24),
        ("root", 32),
        ("free pages", 48),
        ("high water", 56),
        ("transaction", 64),
        ("checksum", 72),
    ] {
        for (which, page) in [("newer", newest), ("older", 1 - newest)] {
            let what = format!("{which}: {what}");
            let at = page * PAGE + byte;
            // An older state that is in order is one to go on from: the log has the rest.
            damages.push(flipped("one meta page", what, DATABASE, at, 1, May::Whole));
        }
        let change = move |data: &Path| {
            for page in 0..2 {
                flip(&data.join(DATABASE), page * PAGE + byte, 1);
            }
        };
        damages.push(Damage::new("both meta pages", what, May::Refused, change));
    }
}

fn of_page(damages: &mut Vec<Damage>, pages: &Pages, name: &str, page: usize) {
    let start = page * PAGE;
    let elements = HEADER + 16 * pages.count(page);
    let mut add = |what: &str, byte: usize, bits: u8, may: May| {
        let what = format!("{what} of page {page}");
        damages.push(flipped(name, what, DATABASE, start + byte, bits, may));
    };
    add("id", 0, 1, May::Refused);
    add("kind", 8, 1, May::Refused);
    add("kind", 9, 1, May::Refused);
    add("count", 10, 1, May::Refused);
    add("count", 11, 1, May::Refused);
    add("overflow", 15, 1, May::Refused);
    let position = if pages.is_branch(page) { HEADER } else { HEADER + 4 };
    add("position of a key", position, 1, May::Refused);
    add("position of a key", position + 2, 1, May::Refused);
    add("length of a key", position + 4, 1, May::Refused);
    add("length of a key", position + 7, 1, May::Refused);
    if pages.is_branch(page) {
        add("child", HEADER + 8, 1, May::Refused);
        add("child", HEADER + 12, 1, May::Refused);
    } else {
        add("flags of an element", HEADER, 1, May::Refused);
        add("flags of an element", HEADER + 2, 1, May::Refused);
        add("length of a value", HEADER + 12, 1, May::Refused);
        add("length of a value", HEADER + 15, 1, May::Refused);
    }
    add("first byte of a key", elements, 1, May::Either);
    let whole = format!("page {page} full of zeros");
    damages.push(overwritten(name, whole, DATABASE, start, &[0; PAGE], May::Refused));
    if name == "a leaf" {
        for byte in [elements + 40, PAGE / 2] {
            let (what, at) = (format!("byte {byte} of page {page}"), start + byte);
            damages.push(flipped("a row's bytes", what, DATABASE, at, 1, May::Unseen));
        }
        let behind = start + PAGE - 1;
        if pages.last_value_end(page) < behind {
            let what = format!("behind the rows of page {page}");
            damages.push(flipped("unused bytes", what, DATABASE, behind, 1, May::Whole));
        }
    }
}
