//! Watches.

use api::{Replies, Requests, Service};
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{self as pb, WatchCreateRequest, WatchRequest};
use proto::mvccpb::Event;
use proto::mvccpb::event::EventType;
use proto::twin::WatchResponse;

use crate::running::{Running, nobody};

struct Watching {
    requests: Requests<WatchRequest>,
    replies: Replies<WatchResponse>,
}

impl Watching {
    async fn open(member: &Running) -> Self {
        let (requests, replies) = member.watch(&nobody()).await.unwrap();
        Self { requests, replies }
    }

    async fn ask(&self, request: RequestUnion) {
        assert!(self.requests.send(WatchRequest { request_union: Some(request) }).await);
    }

    async fn create(&mut self, create: WatchCreateRequest) -> WatchResponse {
        self.ask(RequestUnion::CreateRequest(create)).await;
        let response = self.next().await;
        assert!(response.created);
        response
    }

    async fn next(&mut self) -> WatchResponse {
        self.replies.next().await.unwrap().unwrap()
    }
}

fn on(key: &str, range_end: &str, start_revision: i64) -> WatchCreateRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    WatchCreateRequest { key, range_end, start_revision, ..WatchCreateRequest::default() }
}

fn events(response: &WatchResponse) -> Vec<Event> {
    response.events.iter().map(|event| proto::decode(event.clone()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_and_what_comes_is_told_in_order() {
    let member = Running::start("watch").await;
    member.set("a", "1").await;
    member.set("b", "1").await;
    let mut watching = Watching::open(&member).await;
    let created = watching.create(WatchCreateRequest { prev_kv: true, ..on("", "\0", 2) }).await;
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    assert_eq!(created.header, status.header);
    assert_eq!((created.watch_id, created.canceled), (0, false));
    let history = events(&watching.next().await);
    let keys: Vec<_> = history.iter().map(|event| event.kv.as_ref().unwrap().key.clone()).collect();
    assert_eq!(keys, ["a", "b"]);

    member.set("a", "2").await;
    let response = watching.next().await;
    assert_eq!(response.header.unwrap().revision, 4);
    assert_eq!(response.header.unwrap().member_id, status.leader);
    let event = &events(&response)[0];
    assert_eq!(event.kv.as_ref().unwrap().value, "2");
    assert_eq!(event.prev_kv.as_ref().unwrap().value, "1");
    let delete = pb::DeleteRangeRequest { key: "b".into(), ..Default::default() };
    member.delete_range(&nobody(), delete).await.unwrap();
    assert_eq!(events(&watching.next().await)[0].r#type(), EventType::Delete);

    watching.ask(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let progress = watching.next().await;
    assert_eq!((progress.watch_id, progress.header.unwrap().revision), (-1, 5));
    watching.ask(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 0 })).await;
    let canceled = watching.next().await;
    assert!(canceled.canceled && canceled.watch_id == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_cannot_be_is_refused_and_the_stream_goes_on() {
    let member = Running::start("refused-watch").await;
    for number in 0..5 {
        member.set("a", &number.to_string()).await;
    }
    member.compact_at(5).await.unwrap();
    let mut watching = Watching::open(&member).await;
    let negative = watching.create(on("a", "", -1)).await;
    assert_eq!((negative.watch_id, negative.canceled), (-1, true));
    let reason = "etcdserver: mvcc: required revision has been compacted";
    assert_eq!(negative.cancel_reason, reason);
    let empty = watching.create(on("b", "a", 0)).await;
    assert_eq!((empty.watch_id, empty.canceled), (-1, true));
    assert_eq!(empty.cancel_reason, "mvcc: watcher range is empty");
    let compacted = watching.create(on("a", "", 3)).await;
    assert!(!compacted.canceled);
    let compacted = watching.next().await;
    assert!(compacted.canceled && compacted.compact_revision == 5);
    assert_eq!(compacted.header.unwrap().revision, 0);
    let named = WatchCreateRequest { watch_id: 9, ..on("a", "", 6) };
    assert_eq!(watching.create(named.clone()).await.watch_id, 9);
    assert_eq!(events(&watching.next().await).len(), 1);
    let twice = watching.create(named).await;
    assert_eq!((twice.watch_id, twice.canceled), (-1, true));
    assert!(twice.cancel_reason.contains("duplicate watch ID"), "{}", twice.cancel_reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_watches_than_may_be_unanswered_are_all_made() {
    let member = Running::start("many-watches").await;
    let Watching { requests, mut replies } = Watching::open(&member).await;
    let making = tokio::spawn(async move {
        for number in 0..5000 {
            let create = on(&format!("k{}", number % 7), "", 0);
            let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
            assert!(requests.send(request).await);
        }
        requests
    });
    for number in 0..5000 {
        assert_eq!(replies.next().await.unwrap().unwrap().watch_id, number);
    }
    let _requests = making.await.unwrap();
    member.set("k3", "").await;
    let expected = (0..5000).filter(|number| number % 7 == 3).count();
    for _ in 0..expected {
        let response = replies.next().await.unwrap().unwrap();
        assert_eq!((response.watch_id % 7, response.events.len()), (3, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_misses_nothing() {
    let member = Running::start("slow").await;
    let mut watching = Watching::open(&member).await;
    watching.create(on("a", "", 0)).await;
    let value = "v".repeat(100_000);
    for _ in 0..150 {
        member.set("a", &value).await;
    }
    let mut next = 2;
    while next < 152 {
        for event in events(&watching.next().await) {
            assert_eq!(event.kv.unwrap().mod_revision, next);
            next += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_caller_or_its_member() {
    let member = Running::start("ends").await;
    let Watching { requests, replies } = Watching::open(&member).await;
    drop(replies);
    requests.closed().await;
    let mut watching = Watching::open(&member).await;
    watching.create(on("a", "", 0)).await;
    drop(member);
    let end = watching.replies.next().await.unwrap();
    assert_eq!(end.unwrap_err().message, "etcdserver: server stopped");
    assert!(watching.replies.next().await.is_none());
}
