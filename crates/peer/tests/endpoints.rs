//! What a transport answers, request by request, and the client for other endpoints.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use peer::client::{Client, Error, Request};
use peer::{Event, PeerUrl};
use proto::raftpb::{Message, MessageType};
use proto::version::Version;
use support::{Member, PATIENCE, ask, headers, message, set};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use types::MemberId;

/// Status and body of an answer.
async fn reply(member: &Member, method: Method, path: &str, headers: HeaderMap) -> (u16, String) {
    let answer = ask(member, method, path, headers, Bytes::new()).await;
    (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
}

fn line(status: u16, text: &str) -> (u16, String) {
    (status, format!("{text}\n"))
}

#[tokio::test]
async fn streams_are_refused_as_etcd_does_it() {
    let one = Member::start_with(1, |options| options.removed = vec![MemberId(0xdead)]).await;
    one.transport.add_peer(MemberId(2), &["http://127.0.0.1:1".to_owned()]);
    let two = headers(MemberId(2));
    let to = |to: &str| {
        let mut headers = two.clone();
        set(&mut headers, "x-raft-to", to);
        headers
    };
    let cases = [
        ("/raft/stream/nonsense/2", to("1"), line(404, "invalid path")),
        ("/raft/stream/message", to("1"), line(404, "invalid path")),
        ("/raft/stream/message/2/3", to("1"), line(404, "invalid path")),
        ("/raft/stream/message/x", to("1"), line(404, "invalid from")),
        ("/raft/stream/message/dead", to("1"), line(410, "removed member")),
        ("/raft/stream/message/3", to("1"), line(404, "error sender not found")),
        ("/raft/stream/msgapp/2", to("3"), line(412, "to field mismatch")),
        ("/raft/stream/msgapp/2", two.clone(), line(412, "to field mismatch")),
        ("/raft/nonsense", to("1"), line(404, "404 page not found")),
        ("/raftx", to("1"), line(404, "404 page not found")),
    ];
    for (path, headers, expected) in cases {
        assert_eq!(reply(&one, Method::GET, path, headers).await, expected, "{path}");
    }
    let answer = ask(&one, Method::GET, "/raft/stream/message/dead", to("1"), Bytes::new()).await;
    assert_eq!(answer.headers["x-etcd-cluster-id"], "c1");
    assert_eq!(answer.headers["x-server-version"], "3.7.1");
    one.transport.set_level(Version::new(3, 5, 33));
    let answer = ask(&one, Method::GET, "/raft/stream/message/dead", to("1"), Bytes::new()).await;
    assert_eq!(answer.headers["x-server-version"], "3.5.33");
}

#[tokio::test]
async fn methods_are_checked() {
    let one = Member::start(1).await;
    let cases = [
        ("/raft", Method::GET, "POST"),
        ("/raft/snapshot", Method::GET, "POST"),
        ("/raft/stream/message/2", Method::POST, "GET"),
    ];
    for (path, method, allowed) in cases {
        let answer = ask(&one, method, path, headers(MemberId(2)), Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers["allow"], allowed);
        assert_eq!(answer.body, "Method Not Allowed\n");
    }
}

#[tokio::test]
async fn versions_and_clusters_are_checked_everywhere() {
    let one = Member::start_with(1, |options| options.level = Version::new(3, 5, 33)).await;
    let with = |name, value: Option<&str>| {
        let mut headers = headers(MemberId(2));
        headers.remove(name);
        if let Some(value) = value {
            set(&mut headers, name, value);
        }
        headers
    };
    let cases = [
        (with("x-server-version", Some("2.3.8")), "incompatible version"),
        (with("x-server-version", Some("nonsense")), "incompatible version"),
        (with("x-server-version", None), "incompatible version"),
        (with("x-min-cluster-version", Some("3.6.0")), "incompatible version"),
        (with("x-min-cluster-version", Some("")), "incompatible version"),
        (with("x-etcd-cluster-id", Some("c2")), "cluster ID mismatch"),
        (with("x-etcd-cluster-id", None), "cluster ID mismatch"),
    ];
    for (headers, expected) in cases {
        for (method, path) in [
            (Method::POST, "/raft"),
            (Method::POST, "/raft/snapshot"),
            (Method::GET, "/raft/stream/message/2"),
        ] {
            let answer = ask(&one, method, path, headers.clone(), Bytes::new()).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{path}");
            assert_eq!(answer.body, format!("{expected}\n"), "{path}");
            assert_eq!(answer.headers["x-etcd-cluster-id"], "c1");
        }
    }
    // Other patches, later minors and pre-releases go together.
    for version in ["3.5.1", "3.7.1", "3.8.0-alpha.0"] {
        let headers = with("x-server-version", Some(version));
        let body = message(MessageType::Vote, MemberId(2), one.id).encode_to_vec();
        let answer = ask(&one, Method::POST, "/raft", headers, body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{version}");
    }
}

#[tokio::test]
async fn posted_messages_are_taken_or_refused() {
    let mut one = Member::start_with(1, |options| options.removed = vec![MemberId(0xdead)]).await;
    let two = MemberId(2);
    let post = async |one: &Member, body: Vec<u8>| {
        let answer = ask(one, Method::POST, "/raft", headers(two), body).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let vote = message(MessageType::Vote, two, one.id);
    assert_eq!(post(&one, vote.encode_to_vec()).await, (204, String::new()));
    assert_eq!(one.next().await, Event::Message(vote.clone()));

    let garbage = post(&one, vec![0xff; 10]).await;
    assert_eq!(garbage, line(400, "error unmarshalling raft message"));
    let removed = message(MessageType::Vote, MemberId(0xdead), one.id).encode_to_vec();
    // Go's members end at an answer 403.
    let unprocessed = line(500, "error processing raft message");
    assert_eq!(post(&one, removed).await, unprocessed);
    let other = message(MessageType::Vote, two, MemberId(9)).encode_to_vec();
    assert_eq!(post(&one, other).await, unprocessed);
    let bare = message(MessageType::Snap, two, one.id).encode_to_vec();
    assert_eq!(post(&one, bare).await, line(400, "wrong raft message type"));

    one.transport.stop();
    assert_eq!(post(&one, vote.encode_to_vec()).await, unprocessed);
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_at_once() {
    let one = Member::start(1).await;
    let mut stream = tokio::net::TcpStream::connect(one.address).await.unwrap();
    let request = "POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-From: 2\r\nX-Server-Version: 3.5.1\r\n\
        X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c1\r\nContent-Length: 536870913\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let size = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..size]);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn probing_tells_the_time() {
    let one = Member::start(1).await;
    let answer = ask(&one, Method::GET, "/raft/probing", HeaderMap::new(), Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.starts_with("{\"OK\":true,\"Now\":\"20") && body.ends_with("Z\"}\n"), "{body}");
}

#[tokio::test]
async fn strangers_are_remembered_up_to_a_bound() {
    let one = Member::start(1).await;
    for id in 100..100 + 2 * peer::limits::REMOTES_MAX as u64 {
        let mut headers = headers(MemberId(id));
        set(&mut headers, "x-peerurls", "http://127.0.0.1:1,nonsense");
        let body = message(MessageType::Vote, MemberId(id), one.id).encode_to_vec();
        let answer = ask(&one, Method::POST, "/raft", headers, body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    // Whoever is remembered is sent to, and the failure is counted.
    let messages: Vec<Message> = (100..100 + 2 * peer::limits::REMOTES_MAX as u64)
        .map(|id| message(MessageType::VoteResp, one.id, MemberId(id)))
        .collect();
    one.transport.send(messages);
    let count = || one.registry.render().matches("peer_sent_failures_total{To=").count();
    support::eventually(|| count() == peer::limits::REMOTES_MAX).await;
}

/// Answers one request with these bytes, and gives what was asked.
async fn answer_once(bytes: Vec<u8>) -> (PeerUrl, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let mut size = 0;
        while !asked[..size].ends_with(b"}") {
            size += stream.read(&mut asked[size..]).await.unwrap();
        }
        stream.write_all(&bytes).await.unwrap();
        String::from_utf8_lossy(&asked[..size]).to_lowercase()
    });
    (url, asked)
}

fn hash_request(url: &PeerUrl) -> Request<'_> {
    let mut headers = HeaderMap::new();
    set(&mut headers, "x-etcd-cluster-id", "c1");
    Request {
        method: Method::GET,
        url,
        path: "/members/hashkv",
        headers,
        body: Bytes::from_static(b"{\"revision\":7}"),
        timeout: PATIENCE,
        answer_bytes_max: 20,
    }
}

#[tokio::test]
async fn the_client_sends_bodies_with_get_and_reads_the_whole_answer() {
    let answer = b"HTTP/1.1 412 Precondition Failed\r\nX-A: b\r\nContent-Length: 20\r\n\r\n\
        cluster ID mismatch\n";
    let (url, asked) = answer_once(answer.to_vec()).await;
    let answer = Client::default().send(hash_request(&url)).await.unwrap();
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(answer.headers["x-a"], "b");
    assert_eq!(answer.body, "cluster ID mismatch\n");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("get /members/hashkv http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nhost: {}\r\n", url.host_header())), "{asked}");
    assert!(asked.contains("\r\nx-etcd-cluster-id: c1\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"revision\":7}"), "{asked}");
}

#[tokio::test]
async fn the_client_bounds_size_and_time() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n123456789012345678901";
    let (url, _asked) = answer_once(answer.to_vec()).await;
    let outcome = Client::default().send(hash_request(&url)).await;
    assert!(matches!(outcome, Err(Error::Body(_))), "{outcome:?}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: PeerUrl = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let short = Duration::from_millis(50);
    let outcome = Client::default().send(Request { timeout: short, ..hash_request(&url) }).await;
    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");

    drop(silent);
    let outcome = Client::default().send(hash_request(&url)).await;
    assert!(matches!(outcome, Err(Error::Connect { .. })), "{outcome:?}");

    let secure: PeerUrl = "https://127.0.0.1:1".parse().unwrap();
    let outcome = Client::default().send(hash_request(&secure)).await;
    assert!(outcome.unwrap_err().to_string().contains("no TLS"));
}
