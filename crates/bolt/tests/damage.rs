//! Damaged files: whatever the bytes, every call comes back, with what it read or with an error.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::Path;
use std::time::Instant;

use bolt::{Error, Options, View, Writer};
use bytes::Bytes;
use env::{Rng, SeededRng};
use simenv::SimDisk;
use support::{fill, read_all, scale, scan_all};

const PATH: &str = "/db";
const PAGE: usize = 1024;

fn options() -> Options {
    Options { page_size: PAGE, cache_bytes: 300_000, ..Options::default() }
}

/// A file with three levels, overflow pages, inline buckets and free pages.
fn sound_file() -> Vec<u8> {
    let disk = SimDisk::new();
    disk.set_len_max(1 << 30);
    let (mut writer, _) = bolt::open(&disk, Path::new(PATH), &options()).unwrap();
    let mut rng = SeededRng::new(5);
    for name in [&b"inline"[..], b"key", b"none"] {
        writer.create_bucket(name).unwrap();
    }
    writer.put(b"inline", Bytes::from("a"), Bytes::from("b")).unwrap();
    for round in 0..4 {
        for number in 0..900 {
            let key = Bytes::from(format!("{number:020}"));
            match number % 4 == round {
                true => writer.delete(b"key", key).unwrap(),
                false => {
                    let len = if number % 100 == 7 { 3000 } else { 40 };
                    writer.put(b"key", key, fill(&mut rng, len)).unwrap();
                }
            }
        }
        writer.commit().unwrap();
    }
    let len = writer.view().size_bytes() as usize;
    drop(writer);
    let mut content = disk.content(Path::new(PATH)).unwrap();
    content.truncate(len);
    content
}

/// Whether an error is one that damage may bring.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupted { .. })
}

fn expect_damage<T>(result: bolt::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(is_damage(&error), "{error}");
            None
        }
    }
}

fn backward(view: &View) -> bolt::Result<usize> {
    let mut rows = 0;
    for name in view.bucket_names() {
        let mut cursor = view.cursor(name)?;
        let mut more = cursor.last()?.is_some();
        while more {
            rows += 1;
            more = cursor.prev()?.is_some();
        }
    }
    Ok(rows)
}

fn write_on(writer: &mut Writer) -> bolt::Result<()> {
    for number in (0..1000).step_by(37) {
        let key = Bytes::from(format!("{number:020}"));
        writer.create_bucket(b"key")?;
        match number % 2 {
            0 => writer.put(b"key", key, Bytes::from(vec![1; 100]))?,
            _ => writer.delete(b"key", key)?,
        }
    }
    writer.commit()?;
    for number in 0..900 {
        writer.delete(b"key", Bytes::from(format!("{number:020}")))?;
    }
    writer.commit()?;
    writer.delete_bucket(b"key")?;
    writer.commit()?;
    Ok(())
}

/// Tries everything; returns whether any call noticed the damage.
fn use_all(content: Vec<u8>) -> bool {
    let size = content.len();
    let disk = SimDisk::new();
    disk.set_len_max(8 << 20);
    disk.put_file(Path::new(PATH), &content);
    let opened = bolt::open(&disk, Path::new(PATH), &options());
    let Some((mut writer, view)) = expect_damage(opened) else { return true };
    let problems = bolt::check(&view).unwrap();
    let read = expect_damage(read_all(&view));
    let scanned = expect_damage(scan_all(&view));
    if let (Some(read), Some(scanned)) = (&read, &scanned) {
        assert_eq!(read, scanned);
        assert_eq!(expect_damage(backward(&view)), Some(read.values().map(|r| r.len()).sum()));
    }
    for number in (0..1000).step_by(53) {
        expect_damage(view.get(b"key", format!("{number:020}").as_bytes()));
    }
    let mut image = view.image();
    let mut copy = vec![0; size + PAGE];
    let mut at = 0;
    while let Ok(count @ 1..) = image.read(&mut copy[at..]) {
        at += count;
    }
    let aside = Path::new("/copy");
    let compacted = bolt::compact_to(&view, &disk, aside, &options());
    if let Some((_, copy)) = expect_damage(compacted) {
        assert_eq!(Some(read_all(&copy).unwrap()), scanned);
    }
    let found = expect_damage(writer.find_free_pages()).is_none();
    let written = expect_damage(write_on(&mut writer)).is_none();
    found || written || !problems.is_empty() || read.is_none()
}

#[test]
fn flipped_bytes_never_panic() {
    let sound = sound_file();
    assert!(!use_all(sound.clone()));
    let pages = (sound.len() / PAGE) as u64;
    let mut noticed = 0;
    let rounds = 200 * scale();
    let started = Instant::now();
    for seed in 0..rounds {
        let mut rng = SeededRng::new(seed);
        let mut content = sound.clone();
        for _ in 0..=rng.below(4) {
            let page = rng.below(pages) as usize * PAGE;
            // Most of what can go wrong is in the headers and elements.
            let bound = if rng.below(4) == 0 { PAGE } else { 80 };
            let at = page + rng.below(bound as u64) as usize;
            content[at] = match rng.below(3) {
                0 => content[at] ^ (1 << rng.below(8)),
                1 => rng.below(4) as u8,
                _ => rng.next_u64() as u8,
            };
        }
        println!("seed {seed}");
        noticed += u64::from(use_all(content));
    }
    assert!(noticed > rounds / 4, "{noticed} of {rounds}");
    assert!(started.elapsed().as_secs() < 60 * scale(), "some damage sent a reader in circles");
}

#[test]
fn pages_in_wrong_places_never_panic() {
    let sound = sound_file();
    let pages = (sound.len() / PAGE) as u64;
    for seed in 0..100 * scale() {
        let mut rng = SeededRng::new(seed);
        let mut content = sound.clone();
        for _ in 0..=rng.below(3) {
            let from = rng.below(pages) as usize * PAGE;
            let to = (2 + rng.below(pages - 2)) as usize;
            match rng.below(3) {
                0 => content[to * PAGE..(to + 1) * PAGE].fill(0),
                kind => {
                    content.copy_within(from..from + PAGE, to * PAGE);
                    if kind == 1 {
                        content[to * PAGE..to * PAGE + 8].copy_from_slice(&to.to_le_bytes());
                    }
                }
            }
        }
        println!("seed {seed}");
        use_all(content);
    }
}

/// Points children of branches at other pages: cycles, pages with two parents.
#[test]
fn crossed_links_never_send_a_reader_in_circles() {
    let sound = sound_file();
    let pages = (sound.len() / PAGE) as u64;
    let branches: Vec<usize> = (2..pages as usize)
        .filter(|page| sound[page * PAGE + 8..page * PAGE + 10] == [1, 0])
        .collect();
    assert!(branches.len() > 3);
    for seed in 0..150 * scale() {
        let mut rng = SeededRng::new(seed);
        let mut content = sound.clone();
        for _ in 0..=rng.below(3) {
            let branch = branches[rng.below(branches.len() as u64) as usize];
            let count = u64::from(content[branch * PAGE + 10]);
            let child = branch * PAGE + 16 + 16 * rng.below(count) as usize + 8;
            let target = match rng.below(2) {
                0 => branches[rng.below(branches.len() as u64) as usize] as u64,
                _ => rng.below(pages),
            };
            content[child..child + 8].copy_from_slice(&target.to_le_bytes());
        }
        println!("seed {seed}");
        use_all(content);
    }
}

#[test]
fn a_branch_below_itself_ends_in_an_error() {
    let sound = sound_file();
    let mut noticed = 0;
    for page in 2..sound.len() / PAGE {
        if sound[page * PAGE + 8] != 1 {
            continue;
        }
        // One child, the branch itself: its keys keep to their range at every level.
        let mut content = sound.clone();
        content[page * PAGE + 10..page * PAGE + 12].copy_from_slice(&1u16.to_le_bytes());
        let child = page * PAGE + 24;
        content[child..child + 8].copy_from_slice(&(page as u64).to_le_bytes());
        noticed += usize::from(use_all(content));
    }
    assert!(noticed > 3);
}

/// A page that counts one element too few, or whose last value is too short, hides what was stored:
/// a branch that lost its last child lost all of the newest rows.
#[test]
fn a_wrong_count_or_length_of_elements_is_noticed() {
    let sound = sound_file();
    let (mut counts, mut lengths) = (0, 0);
    for page in 2..sound.len() / PAGE {
        let at = page * PAGE;
        let count = u16::from_le_bytes([sound[at + 10], sound[at + 11]]);
        let mut content = sound.clone();
        // Whether the page is in use at all.
        content[at] ^= 1;
        if count < 2 || !use_all(content) {
            continue;
        }
        let mut content = sound.clone();
        content[at + 10..at + 12].copy_from_slice(&(count - 1).to_le_bytes());
        assert!(use_all(content), "page {page} with one element less");
        counts += 1;
        if sound[at + 8] == 2 {
            let mut content = sound.clone();
            // The length of the first value.
            content[at + 28] ^= 1;
            assert!(use_all(content), "page {page} with another length");
            lengths += 1;
        }
    }
    assert!(counts > 20 && lengths > 20 && counts > lengths, "{counts} counts, {lengths} lengths");
}

#[test]
fn every_truncation_is_noticed() {
    let sound = sound_file();
    for len in (0..sound.len()).step_by(509) {
        let mut content = sound.clone();
        content.truncate(len);
        let disk = SimDisk::new();
        disk.set_len_max(8 << 20);
        disk.put_file(Path::new(PATH), &content);
        let opened = bolt::open(&disk, Path::new(PATH), &options());
        match opened {
            Ok((_, view)) => assert!(len == 0 && view.bucket_names().next().is_none(), "{len}"),
            Err(error) => assert!(is_damage(&error), "{len}: {error}"),
        }
    }
}

#[test]
fn an_error_names_the_file_and_the_place() {
    let mut content = sound_file();
    for page in content.chunks_mut(PAGE).skip(4) {
        if page[8] == 2 && page[10] > 3 {
            page[16] = 9;
        }
    }
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), &content);
    let named = Options { reported_path: Some("/data/member/snap/db".into()), ..options() };
    let view = bolt::open_read_only(&disk, Path::new(PATH), &named).unwrap();
    let problems = bolt::check(&view).unwrap();
    assert!(problems.len() > 10);
    for problem in problems {
        let offset = problem.page.0 * PAGE as u64 + 16;
        let place = format!("/data/member/snap/db is corrupted at offset {offset}: expected ");
        assert!(problem.text.starts_with(&place), "{problem}");
    }
}

#[test]
fn a_damaged_meta_page_leaves_the_other_one() {
    let sound = sound_file();
    let newest = (0..2).max_by_key(|page| sound[page * PAGE + 64]).unwrap();
    for (page, txid) in [(newest, 4), (1 - newest, 5)] {
        let mut content = sound.clone();
        content[page * PAGE + 40] ^= 1;
        let disk = SimDisk::new();
        disk.put_file(Path::new(PATH), &content);
        let view = bolt::open_read_only(&disk, Path::new(PATH), &options()).unwrap();
        assert_eq!(view.txid().0, txid);
    }
    let mut content = sound;
    content[40] ^= 1;
    content[PAGE + 40] ^= 1;
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), &content);
    let opened = bolt::open_read_only(&disk, Path::new(PATH), &options());
    assert!(opened.is_err_and(|error| is_damage(&error)));
}
