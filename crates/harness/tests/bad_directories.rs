//! Directories that are damaged, that are no plain directories, or that are not this server's: it
//! serves all that was acknowledged, or it ends with a reason that names the place; nothing is lost
//! by the attempt, and nothing crashes.
//!
//! Ours makes a directory, a copy of it is changed in one place, and ours opens the copy. With
//! `OXETCD_DAMAGE=all` every damage is tried, not the fixed part that CI runs, and the real etcd
//! opens the same bytes: ours may refuse what it takes, and may never serve less than it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/damage/mod.rs"]
mod damage;
#[path = "support/golden/mod.rs"]
mod golden;
mod support;

use damage::cases::{self, Damage, May};
use damage::opened::{Opened, ended, open, open_by_go};
use damage::pages::{PAGE, Pages};
use damage::segment;
use damage::table::Table;
use damage::template::{DATABASE, End, SEGMENT, Template};
use proto::etcdserverpb::{CompactionRequest, DefragmentRequest, RangeRequest};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use support::{Api, Member, runtime, server_under_test};

/// A server that cannot read its database is gone within this time.
const END_MAX: Duration = Duration::from_secs(20);

/// Whether all is tried, and the real etcd, too.
fn all_is_tried() -> bool {
    std::env::var("OXETCD_DAMAGE").is_ok_and(|value| value == "all")
}

/// The version of the cluster: one that the real etcd opens, where it is asked.
fn level() -> &'static str {
    if all_is_tried() { "3.5" } else { "3.7" }
}

/// What a refusal has to name.
fn names_the_place(reason: &str) -> bool {
    let file = [".wal", "member/snap/db"].iter().any(|file| reason.contains(file));
    let place = ["offset ", "bucket ", "up to index "].iter().any(|place| reason.contains(place));
    file && place
}

/// Tries one of every few damages, or all of them.
fn try_all(title: &str, template: &Template, damages: &[Damage], every: usize) {
    let every = if all_is_tried() { 1 } else { every };
    let (mut table, mut tried) = (Table::default(), 0);
    for damage in damages.iter().step_by(every) {
        let mut member = template.member(server_under_test());
        let data = member.options.data_dir.clone();
        (damage.change)(&data);
        let log = std::fs::read(data.join(SEGMENT)).unwrap();
        let opened = open(&mut member, &template.expected);
        check(damage, &opened);
        if matches!(opened, Opened::Refused(_)) {
            let left = std::fs::read(data.join(SEGMENT)).unwrap();
            assert!(left == log, "{}: the log was changed by the attempt", damage.what);
        }
        table.add(&damage.class, &opened);
        if all_is_tried() {
            beside_go(template, damage, &opened, &mut table);
        }
        tried += 1;
    }
    table.print(title);
    assert!(tried * every >= damages.len() && tried >= 8, "{tried} of {}", damages.len());
}

/// What came of a damage is what may come of it.
fn check(damage: &Damage, opened: &Opened) {
    let what = format!("{}, {}: {opened:?}", damage.class, damage.what);
    let fits = match opened {
        Opened::Whole => damage.may != May::Refused,
        Opened::Refused(_) => damage.may != May::Whole,
        Opened::Other(_) => damage.may == May::Unseen,
        Opened::Failed(_) => false,
    };
    assert!(fits, "{what}");
    if let Opened::Refused(reason) = opened {
        assert!(names_the_place(reason), "{what}");
    }
}

/// The same bytes under the real etcd: it may serve less than ours, or nothing.
fn beside_go(template: &Template, damage: &Damage, ours: &Opened, table: &mut Table) {
    let mut go = template.member(harness::reference().unwrap().program("etcd"));
    (damage.change)(&go.options.data_dir);
    let opened = open_by_go(&mut go, &template.expected);
    table.add_beside(&damage.class, "etcd 3.5: ", &opened);
    if let Opened::Other(_) = ours {
        assert!(matches!(opened, Opened::Other(_)), "{}: {opened:?}", damage.what);
    }
}

#[test]
fn a_damaged_log() {
    let template = Template::new(level(), End::Killed);
    let damages = cases::of_log(&template.data());
    assert!(damages.len() > 120, "{}", damages.len());
    try_all("log", &template, &damages, 7);
}

#[test]
fn a_damaged_snapshot() {
    for level in ["3.5", "3.7"] {
        let template = Template::new(level, End::Terminated);
        let damages = cases::of_snapshots(&template.data());
        if level == "3.7" && all_is_tried() {
            // The real etcd that is asked does not know this version.
            for damage in &damages {
                let mut member = template.member(server_under_test());
                (damage.change)(&member.options.data_dir);
                let opened = open(&mut member, &template.expected);
                check(damage, &opened);
            }
        } else {
            try_all(&format!("snapshots at {level}"), &template, &damages, 3);
        }
    }
}

#[test]
fn a_damaged_database() {
    let template = Template::new(level(), End::Terminated);
    let damages = cases::of_database(&template.data());
    assert!(damages.len() > 120, "{}", damages.len());
    try_all("database", &template, &damages, 6);
}

/// A record torn inside of a sector, which no disk that writes sectors whole leaves behind: refused
/// by the real etcd and by ours, with the place. At its start, and where the file ends in it, it is
/// a write that was cut short.
#[test]
fn a_record_torn_inside_of_a_sector() {
    let template = Template::new("3.5", End::Terminated);
    let frames = segment::frames(&template.data().join(SEGMENT));
    let last = *frames.iter().rfind(|frame| frame.kind == segment::STATE).unwrap();
    let torn = |what: &str, may, from: usize, to: usize| {
        Damage::new("torn", what, may, move |data| {
            cases::overwrite(&data.join(SEGMENT), from, &vec![0; to - from]);
        })
    };
    let (at, end) = (last.at, last.end());
    let inside = at / segment::SECTOR == (end - 1) / segment::SECTOR;
    let may = if inside { May::Refused } else { May::Either };
    let damages = [
        torn("all of it is lost", May::Whole, at, end),
        torn("behind its type", may, at + 10, end),
        torn("its last bytes", may, end - last.padding - 3, end),
        Damage::new("torn", "the file ends in it", May::Whole, move |data| {
            cases::cut(&data.join(SEGMENT), at + 12);
        }),
    ];
    let mut table = Table::default();
    for damage in &damages {
        let mut ours = template.member(server_under_test());
        (damage.change)(&ours.options.data_dir);
        let opened = open(&mut ours, &template.expected);
        check(damage, &opened);
        let mut go = template.member(harness::reference().unwrap().program("etcd"));
        (damage.change)(&go.options.data_dir);
        let by_go = open_by_go(&mut go, &template.expected);
        assert_eq!(opened.name(), by_go.name(), "{}: {opened:?}, {by_go:?}", damage.what);
        table.add(&damage.what, &opened);
    }
    table.print("torn records, as etcd 3.5 has it");
}

/// What reads a page that was damaged while the server ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    Range,
    HashKv,
    /// Another member's question.
    PeerHashKv,
    Compaction,
    Defragmentation,
}

/// Its values are too long to be kept in memory.
const LONG: usize = 700_000;

/// Asks for something that reads the page with the record of this revision; what was answered.
async fn read_by(reader: Reader, member: &Member, api: &Api, revision: i64) -> Result<(), String> {
    let status = |status: tonic::Status| status.message().to_owned();
    match reader {
        Reader::Range => {
            let request = RangeRequest { key: "k".into(), revision, ..RangeRequest::default() };
            api.kv.clone().range(request).await.map(drop).map_err(status)
        }
        Reader::HashKv => api.hash_kv(0).await.map(drop).map_err(status),
        Reader::PeerHashKv => Err(peer_hash(member.peer_port())),
        Reader::Compaction => {
            let request = CompactionRequest { revision: revision + 1, physical: true };
            api.kv.clone().compact(request).await.map(drop).map_err(status)
        }
        Reader::Defragmentation => {
            let request = DefragmentRequest {};
            api.maintenance.clone().defragment(request).await.map(drop).map_err(status)
        }
    }
}

/// The answer may be lost: the process ends at once.
fn peer_hash(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(END_MAX)).unwrap();
    let request = "GET /members/hashkv HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                   Content-Length: 14\r\n\r\n{\"revision\":0}";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Damages the page with an older record and gives its revision.
fn damage_a_page(member: &Member) -> i64 {
    let database = member.options.data_dir.join(DATABASE);
    let pages = Pages::read(&database);
    for page in pages.leaves(pages.bucket("key").expect("the keys have pages of their own")) {
        for revision in 3..8 {
            if pages.holds(page, format!("value of {revision} ").as_bytes()) {
                // No page is of this kind.
                cases::flip(&database, page * PAGE + 8, 0x40);
                return revision;
            }
        }
    }
    panic!("no record is at the start of a page");
}

/// Whatever reads it first: nobody gets anything wrong, and the process ends with the place. Only a
/// defragmentation, which reads for a copy, leaves the server as it was.
#[test]
fn a_page_damaged_under_the_running_server() {
    for reader in [
        Reader::Range,
        Reader::HashKv,
        Reader::PeerHashKv,
        Reader::Compaction,
        Reader::Defragmentation,
    ] {
        let mut member = Member::started("damaged-page", server_under_test(), &[]);
        let runtime = runtime();
        runtime.block_on(async {
            let api = member.api().await;
            for revision in 2..10 {
                let mut value = format!("value of {revision} ").into_bytes();
                value.resize(LONG, b'.');
                api.put(b"k", &value).await.unwrap();
            }
        });
        // Only what is in the file is read from there.
        assert_eq!(member.terminate(), 128 + 15);
        member.start();
        let revision = damage_a_page(&member);
        runtime.block_on(async {
            let api = member.api().await;
            let answer = read_by(reader, &member, &api, revision).await;
            if reader == Reader::Defragmentation {
                let refusal = answer.unwrap_err();
                assert!(refusal.contains("is corrupted at offset"), "{refusal}");
                api.put(b"after", b"1").await.unwrap();
            } else if reader != Reader::Compaction {
                answer.unwrap_err();
            }
        });
        if reader == Reader::Defragmentation {
            member.kill();
        } else {
            let code = member.wait(END_MAX);
            assert_refused(&ended(&member, code), &format!("{reader:?}"));
            std::fs::remove_file(&member.options.log).unwrap();
            let code = member.start_and_fail(END_MAX);
            assert_refused(&ended(&member, code), &format!("{reader:?}, the next start"));
        }
    }
}

fn assert_refused(opened: &Opened, what: &str) {
    let Opened::Refused(reason) = opened else { panic!("{what}: {opened:?}") };
    assert!(names_the_place(reason), "{what}: {reason}");
}
