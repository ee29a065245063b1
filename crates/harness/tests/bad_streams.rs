//! Streams that no client should make: answered as the real etcd does, and bounded where their
//! sender does not care; others are served meanwhile and afterwards, by the same process.
//!
//! `OXETCD_FLOOD` sets how many messages a flood has (100000 for the full run).
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/bad_input/streams.rs"]
mod streams;
mod support;

use proto::etcdserverpb::{
    AuthEnableRequest, AuthUserAddRequest, AuthUserGrantRoleRequest, AuthenticateRequest,
    LeaseGrantRequest, LeaseKeepAliveRequest, SnapshotRequest, WatchCreateRequest,
};
use std::time::Duration;
use streams::{Watches, cancel, create, in_words, on_key, progress, renewals, watch_cases};
use support::{Api, Member, count, runtime, server_under_test};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A client that behaves is answered within this time, whatever others do.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What a flood may make a server hold on to, in KiB.
const MEMORY_MAX: u64 = 192 << 10;

/// How many messages a flood has.
fn flood() -> u64 {
    count("OXETCD_FLOOD", 5_000)
}

/// The same for the reference and for the server under test, which are to answer the same.
fn both(test: impl AsyncFn(&Member) -> Vec<String>) {
    let reference = harness::reference().unwrap().program("etcd");
    let runtime = runtime();
    let [expected, found] =
        [("streams-real", reference), ("streams", server_under_test())].map(|(name, program)| {
            let member = Member::started(name, program, &[]);
            runtime.block_on(test(&member))
        });
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn watches_with_any_id_range_and_revision() {
    both(async |member| {
        let api = member.api().await;
        let mut watches = Watches::open(&api).await;
        let mut answers = Vec::new();
        for (name, request) in watch_cases() {
            for response in watches.answers(request).await {
                answers.push(format!("{name}: {}", in_words(&response)));
            }
        }
        // All of them stand, and none gets what is not its own.
        api.put(b"id", b"v").await.unwrap();
        let events = watches.answers(cancel(999)).await;
        let mut events: Vec<String> = events.iter().map(in_words).collect();
        // Watches of one key are told in any order.
        events.sort_unstable();
        answers.extend(events);
        answers
    });
}

/// The real etcd before 3.5.22 takes such a watch for one of all that ever was.
#[test]
fn a_watch_from_before_the_beginning_is_refused() {
    let member = Member::started("streams-negative", server_under_test(), &[]);
    runtime().block_on(async {
        let mut watches = Watches::open(&member.api().await).await;
        for start_revision in [-1, i64::MIN] {
            let request = WatchCreateRequest { start_revision, ..on_key("a") };
            let answers = watches.answers(create(request)).await;
            assert!(
                answers.iter().all(|answer| answer.canceled && !answer.cancel_reason.is_empty())
            );
            assert_eq!(answers.len(), 1);
        }
    });
}

#[test]
fn streams_whose_sender_has_no_more_to_say() {
    both(async |member| {
        let api = member.api().await;
        let mut answers = Vec::new();
        let mut watches = Watches::open(&api).await;
        assert!(watches.send(create(on_key("key"))).await);
        answers.push(in_words(&watches.next().await.unwrap()));
        let mut responses = watches.half_close();
        api.put(b"key", b"v").await.unwrap();
        let event = timeout(ANSWER_MAX, responses.message()).await.unwrap().unwrap().unwrap();
        answers.push(in_words(&event));
        let granted = LeaseGrantRequest { ttl: 1000, id: 77 };
        api.lease.clone().lease_grant(granted).await.unwrap();
        for answer in renewals(&api, &[77, 0, -1, i64::MIN, i64::MAX, 77]).await.unwrap() {
            answers.push(format!("lease {}: {}", answer.id, answer.ttl));
        }
        answers.push(format!("{:?}", renewals(&api, &[]).await.map_err(|status| status.code())));
        answers
    });
}

/// A server under a flood, and a client that behaves.
struct Flooded {
    member: Member,
    before: u64,
}

impl Flooded {
    fn start(name: &str) -> Self {
        let member = Member::started(name, server_under_test(), &["--log-level=warn"]);
        let before = memory(member.server().pid());
        Self { member, before }
    }

    async fn assert_serves(&self) {
        let serve = async {
            let api = self.member.api().await;
            api.put(b"behaves", b"well").await.unwrap();
            let kvs = api.all_at(0).await.unwrap().kvs;
            assert!(kvs.iter().any(|kv| kv.key == "behaves" && kv.value == "well"));
        };
        timeout(ANSWER_MAX, serve).await.expect("others are served");
    }

    /// The flood is over, and all that it took is given back or bounded.
    async fn assert_over(&self, what: &str) {
        self.assert_serves().await;
        let after = memory(self.member.server().pid());
        println!("{what}: {} KiB before, {after} KiB after", self.before);
        assert!(after < self.before + MEMORY_MAX, "{what}: {} KiB became {after}", self.before);
    }
}

/// The resident memory of a process in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_flood_of_watches_on_a_stream() {
    let flooded = Flooded::start("flood-watches");
    runtime().block_on(async {
        let mut watches = Watches::open(&flooded.member.api().await).await;
        for number in 0..flood() {
            assert!(watches.send(create(on_key(&format!("key {}", number % 100)))).await);
            assert!(watches.next().await.unwrap().created);
        }
        flooded.assert_serves().await;
        // One event for many watches.
        flooded.member.api().await.put(b"key 5", b"v").await.unwrap();
        for _ in 0..flood() / 100 {
            assert_eq!(watches.next().await.unwrap().events.len(), 1);
        }
        drop(watches);
        flooded.assert_over("watches").await;
    });
}

#[test]
fn a_storm_of_watches_that_come_and_go() {
    let flooded = Flooded::start("flood-storm");
    runtime().block_on(async {
        let mut watches = Watches::open(&flooded.member.api().await).await;
        for number in 0..flood() as i64 {
            let watch_id = 10 + number;
            let request = WatchCreateRequest { watch_id, ..on_key("stormy") };
            assert!(watches.send(create(request)).await && watches.send(cancel(watch_id)).await);
            let (created, canceled) =
                (watches.next().await.unwrap(), watches.next().await.unwrap());
            assert!(created.created && canceled.canceled && canceled.watch_id == watch_id);
        }
        drop(watches);
        flooded.assert_over("storm").await;
    });
}

/// Nobody reads what is asked for: the stream may end, and nothing else does.
#[test]
fn a_flood_of_progress_requests_and_of_creates_without_a_reader() {
    let flooded = Flooded::start("flood-progress");
    runtime().block_on(async {
        for request in [
            progress(),
            create(on_key("key")),
            cancel(999),
            create(WatchCreateRequest { watch_id: 1, ..on_key("refused") }),
        ] {
            let watches = Watches::open(&flooded.member.api().await).await;
            let sending = async {
                for _ in 0..flood() * 10 {
                    if !watches.send(request.clone()).await {
                        break;
                    }
                }
            };
            // A server that takes no more is as good as one that ends the stream.
            let _ = timeout(Duration::from_secs(3), sending).await;
            flooded.assert_serves().await;
        }
        flooded.assert_over("progress").await;
    });
}

#[test]
fn a_flood_of_renewals_without_a_reader() {
    let flooded = Flooded::start("flood-renewals");
    runtime().block_on(async {
        let api = flooded.member.api().await;
        let granted = LeaseGrantRequest { ttl: 1000, id: 77 };
        api.lease.clone().lease_grant(granted).await.unwrap();
        let requests = (0..flood() * 10).map(|_| LeaseKeepAliveRequest { id: 77 });
        let stream = tokio_stream::iter(requests.collect::<Vec<_>>());
        let unread = api.lease.clone().lease_keep_alive(stream).await.unwrap();
        flooded.assert_serves().await;
        let ids = vec![77; flood() as usize];
        let answers = renewals(&flooded.member.api().await, &ids).await.unwrap();
        assert!(answers.len() == ids.len() && answers.iter().all(|answer| answer.ttl == 1000));
        drop(unread);
        flooded.assert_over("renewals").await;
    });
}

#[test]
fn snapshots_that_nobody_reads() {
    let flooded = Flooded::start("flood-snapshots");
    runtime().block_on(async {
        let api = flooded.member.api().await;
        for number in 0..16 {
            api.put(format!("big {number}").as_bytes(), &vec![b'v'; 1 << 20]).await.unwrap();
        }
        let mut unread = Vec::new();
        for _ in 0..50 {
            let api = flooded.member.api().await;
            let snapshot = api.maintenance.clone().snapshot(SnapshotRequest {}).await.unwrap();
            unread.push(snapshot);
        }
        for number in 0..16 {
            api.put(format!("big {number}").as_bytes(), &vec![b'w'; 1 << 20]).await.unwrap();
        }
        flooded.assert_over("snapshots").await;
        // The one that is read at last is whole.
        let mut last = unread.pop().unwrap().into_inner();
        let mut received = 0;
        while let Some(part) = last.message().await.unwrap() {
            received += part.blob.len();
        }
        assert!(received > 16 << 20);
    });
}

/// Wrong passwords cost a core each: so many wait, the others are refused, and whoever has a token
/// is served.
#[test]
fn a_flood_of_logins() {
    let flooded = Flooded::start("flood-logins");
    runtime().block_on(async {
        let api = flooded.member.api().await;
        let mut auth = api.auth.clone();
        let (name, password) = ("root".to_owned(), "right".to_owned());
        let user = AuthUserAddRequest { name: name.clone(), password, ..<_>::default() };
        auth.user_add(user).await.unwrap();
        let role = AuthUserGrantRoleRequest { user: name, role: "root".to_owned() };
        auth.user_grant_role(role).await.unwrap();
        auth.auth_enable(AuthEnableRequest {}).await.unwrap();
        let login = |password: &str| AuthenticateRequest {
            name: "root".to_owned(),
            password: password.to_owned(),
        };
        let token = auth.authenticate(login("right")).await.unwrap().into_inner().token;
        let friend = Api::connect(&flooded.member.endpoint(), Some(token)).await;
        let mut logins = JoinSet::new();
        for _ in 0..2000 {
            let (mut auth, login) = (api.auth.clone(), login("wrong"));
            logins.spawn(async move { auth.authenticate(login).await.unwrap_err() });
        }
        let serve = async {
            for number in 0..20 {
                friend.put(format!("key {number}").as_bytes(), b"v").await.unwrap();
            }
        };
        timeout(ANSWER_MAX, serve).await.expect("whoever has a token is served");
        let mut refused = 0;
        while refused < 900 {
            let status = timeout(ANSWER_MAX, logins.join_next()).await.unwrap().unwrap().unwrap();
            let wrong = "etcdserver: authentication failed, invalid user ID or password";
            let texts = [wrong, "etcdserver: too many requests"];
            assert!(texts.contains(&status.message()), "{status:?}");
            refused += 1;
        }
        logins.shutdown().await;
        let again = timeout(ANSWER_MAX, auth.authenticate(login("right"))).await;
        assert!(again.unwrap().is_ok(), "a login is possible again");
        let after = memory(flooded.member.server().pid());
        assert!(after < flooded.before + MEMORY_MAX);
    });
}
