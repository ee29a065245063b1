//! Bad input to the listeners and on the command line: etcd's error, or a clean refusal, and the
//! same process serves afterwards.
//!
//! What a client may send, and where it is tried (`messages`, `wire` and `streams` are in
//! `support/bad_input`, the floods in `bad_streams.rs`):
//!
//! | class | tried by |
//! |---|---|
//! | no key; inverted range; zero byte as key or end; zero bytes, no text, 1.5 MiB in keys | `messages::ranges`, `writes`, `transactions`, `streams::watch_cases` |
//! | revision, limit, TTL, lease at the ends of their type | `messages::ranges`, `writes`, `transactions`, `leases` |
//! | watch id 0, twice, -1; any revision and filter | `streams::watch_cases`, `a_watch_from_before_the_beginning_is_refused` |
//! | unknown sort, filter, compare, alarm | `messages::ranges`, `transactions`, `cluster`, `streams::watch_cases` |
//! | nothing chosen where one of several is due | `messages::transactions`, `streams::watch_cases` |
//! | value or lease both kept and given | `messages::writes` |
//! | transactions: 128 operations, 2 to 5000 levels, both branches, a key twice, compare of a range | `messages::transactions` |
//! | unknown fields, huge numbers and lengths | `wire::messages` |
//! | compressed messages and bombs | `wire::frames` |
//! | content types, paths | `wire::paths` |
//! | tokens, long and binary metadata, `hasleader`, client version | `wire::headers` |
//! | deadlines of zero, below it, and malformed | `wire::headers` |
//! | half-closed streams | `streams_whose_sender_has_no_more_to_say`, `wire::frames` |
//! | watches that come by the thousand, that come and go, progress without end | `a_flood_of_watches_on_a_stream`, `a_storm_of_watches_that_come_and_go`, `a_flood_of_progress_requests_and_of_creates_without_a_reader` |
//! | renewals without end, snapshots that nobody reads, logins without end | `a_flood_of_renewals_without_a_reader`, `snapshots_that_nobody_reads`, `a_flood_of_logins` |
//!
//! Answers are those of the real etcd 3.5.16, which gets the same; where it dies or later versions
//! answer otherwise, the case names what is right.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/bad_input/mod.rs"]
mod bad_input;
mod support;

use bad_input::messages::{self, Case, Expect};
use bad_input::raw::send;
use bad_input::wire;
use support::{Member, reference_is_under_test, runtime, server_under_test};

/// How often the reference is asked again where its answer is another.
const REFERENCE_TRIES: usize = 5;

/// The member puts and gets, and its process is the one that was started.
async fn assert_serves(member: &Member, pid: u32, after: &str) {
    let api = member.api().await;
    let put = api.put(b"alive", after.as_bytes()).await;
    assert!(put.is_ok(), "no put after {after}: {put:?}");
    let range = api.all_at(0).await.unwrap();
    let alive = range.kvs.iter().find(|kv| kv.key == "alive");
    assert!(alive.is_some_and(|kv| kv.value == after), "no get after {after}");
    assert_eq!(member.server().pid(), pid);
}

fn fits(answer: &str, expected: &[String]) -> bool {
    expected.iter().any(|expected| match expected.strip_suffix('*') {
        Some(start) => answer.starts_with(start),
        None => answer == expected,
    })
}

/// Sends every case to the server under test, and to the reference where it knows best.
async fn compare(cases: Vec<Case>) {
    let program = harness::reference().unwrap().program("etcd");
    let real = Member::started("bad-input-real", program, &[]);
    let tested = Member::started("bad-input", server_under_test(), &[]);
    let pid = tested.server().pid();
    let (mut different, mut compared) = (Vec::new(), 0);
    for case in &cases {
        let tries = if matches!(case.expect, Expect::Same) { REFERENCE_TRIES } else { 0 };
        let mut expected: Vec<String> = match &case.expect {
            Expect::Deadly(_) if reference_is_under_test() => continue,
            Expect::Only(answers) | Expect::Deadly(answers) => {
                answers.iter().map(|&answer| answer.to_owned()).collect()
            }
            Expect::Same => vec![send(&real.endpoint(), &case.raw).await],
        };
        let found = send(&tested.endpoint(), &case.raw).await;
        compared += 1;
        // It has more than one answer where it resets the stream behind its answer: what is read of
        // that is then chance.
        for _ in 0..tries {
            if !fits(&found, &expected) {
                expected.push(send(&real.endpoint(), &case.raw).await);
            }
        }
        if !fits(&found, &expected) {
            different.push(format!("{}: expected {expected:?}, found {found:?}", case.name));
        }
        assert_serves(&tested, pid, &case.name).await;
    }
    println!("{compared} bad requests compared");
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn messages_out_of_range() {
    runtime().block_on(compare(messages::cases()));
}

#[test]
fn broken_frames_headers_and_paths() {
    runtime().block_on(compare(wire::cases()));
}
