//! Two and three transports over loopback.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use peer::{Event, Transport};
use proto::raftpb::MessageType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;
use types::MemberId;

use support::{CLUSTER, Member, PATIENCE, append, connect, eventually, message, serve_unix};

/// Sends one heartbeat and sees it arrive.
async fn exchange(from: &Transport, from_id: MemberId, to: &mut Member) {
    from.send(vec![message(MessageType::Heartbeat, from_id, to.id)]);
    let arrived = to.next_message().await;
    assert_eq!(arrived, message(MessageType::Heartbeat, from_id, to.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_kinds_arrive_in_order() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    let appends: Vec<_> = (1..=200).map(|index| append(one.id, two.id, index, 3000)).collect();
    one.transport.send(appends.clone());
    for append in appends {
        assert_eq!(two.next_message().await, append);
    }
    for kind in [
        MessageType::Heartbeat,
        MessageType::Vote,
        MessageType::AppResp,
        MessageType::ReadIndex,
        MessageType::Prop,
    ] {
        one.transport.send(vec![message(kind, one.id, two.id)]);
        assert_eq!(two.next_message().await.message_type, kind);
    }
    // None of them was posted.
    assert_eq!(two.served("/raft"), 0);
    // To nobody, and to a stranger.
    one.transport.send(vec![
        message(MessageType::App, one.id, MemberId(0)),
        message(MessageType::App, one.id, MemberId(99)),
    ]);
    exchange(&one.transport, one.id, &mut two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_streams_live_by_their_heartbeats() {
    let quick = |options: &mut peer::Options| options.read_timeout = Duration::from_secs(1);
    let one = Member::start_with(1, quick).await;
    let two = Member::start_with(2, quick).await;
    connect(&[&one, &two]).await;
    let since = (one.transport.active_since(two.id), two.transport.active_since(one.id));
    // Heartbeats of 26 and 1 bytes, three a second, until two timeouts have passed.
    let sent = "etcd_network_peer_sent_bytes_total{To=\"2\"}";
    let begin = one.metric(sent).unwrap();
    eventually(|| one.metric(sent).unwrap() >= begin + 6.0 * 27.0).await;
    let now = (one.transport.active_since(two.id), two.transport.active_since(one.id));
    assert_eq!(now, since);
    assert_eq!(one.metric("etcd_network_disconnected_peers_total{Local=\"1\",Remote=\"2\"}"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_come_back_after_a_restart_of_the_listener() {
    let (mut one, mut two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    two.stop_listening().await;
    let down = "etcd_network_disconnected_peers_total{Local=\"1\",Remote=\"2\"}";
    eventually(|| one.metric(down).is_some_and(|count| count >= 1.0)).await;
    two.listen_again().await;
    connect(&[&one, &two]).await;
    exchange(&one.transport.clone(), one.id, &mut two).await;
    exchange(&two.transport.clone(), two.id, &mut one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_urls_the_one_that_works_is_used() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let dead_url = format!("http://{}", dead.local_addr().unwrap());
    drop(dead);
    one.transport.add_peer(two.id, &[dead_url, two.url(), "not a URL".to_owned()]);
    two.transport.add_peer(one.id, &one.urls());
    eventually(|| one.transport.active_since(two.id).is_some()).await;
    exchange(&one.transport, one.id, &mut two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_moves_is_found() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    one.transport.add_peer(two.id, &["http://127.0.0.1:1".to_owned()]);
    one.transport.update_peer(two.id, &two.urls());
    two.transport.add_peer(one.id, &one.urls());
    eventually(|| one.transport.active_since(two.id).is_some()).await;
    exchange(&one.transport, one.id, &mut two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_and_unix_sockets_serve_as_well() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    let path = one.folder.path().join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    tokio::spawn(serve_unix(unix, two.transport.clone()));
    one.transport.add_peer(two.id, &[format!("unix://{}", path.display())]);
    exchange(&one.transport, one.id, &mut two).await;

    let six: peer::PeerUrl = "http://[::1]:2380".parse().unwrap();
    let Ok(listener) = TcpListener::bind(("::1", 0)).await else {
        // A machine without IPv6 still reads its URLs.
        return assert_eq!(six.host_header(), "[::1]:2380");
    };
    let port = listener.local_addr().unwrap().port();
    let accepted = tokio::spawn(async move { listener.accept().await.unwrap().1.is_ipv6() });
    one.transport.update_peer(two.id, &[format!("http://[::1]:{port}")]);
    two.stop_listening().await;
    one.transport.add_peer(MemberId(3), &[format!("http://[::1]:{port}")]);
    assert!(tokio::time::timeout(PATIENCE, accepted).await.unwrap().unwrap());
}

/// Opens a stream as the member `from`, and reads no more than its head.
async fn open_stream(to: &Member, from: MemberId, kind: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to.address).await.unwrap();
    let request = format!(
        "GET /raft/stream/{kind}/{from} HTTP/1.1\r\nHost: x\r\nX-Server-From: {from}\r\n\
         X-Server-Version: 3.5.16\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: {CLUSTER}\r\n\
         X-Raft-To: {}\r\n\r\n",
        to.id
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert!(head.contains("x-server-version: 3.7.1") && head.contains("x-etcd-cluster-id: c1"));
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_read_delays_no_other_and_is_reported() {
    let quick = |options: &mut peer::Options| options.write_timeout = Duration::from_millis(100);
    let mut one = Member::start_with(1, quick).await;
    let mut two = Member::start(2).await;
    connect(&[&one, &two]).await;
    // Member 3 opens its stream and never reads; nobody listens at its URL.
    let three = MemberId(3);
    one.transport.add_peer(three, &["http://127.0.0.1:1".to_owned()]);
    let mut stuck = open_stream(&one, three, "msgapp").await;
    // More than sockets and queue hold together.
    for index in 1..=6000 {
        one.transport
            .send(vec![append(one.id, three, index, 8000), append(one.id, two.id, index, 10)]);
        if index % 100 == 0 {
            for arrived in index - 99..=index {
                assert_eq!(two.next_message().await.entries[0].index, arrived);
            }
        }
    }
    one.wait_for(&Event::Unreachable(three)).await;
    let failures = "etcd_network_peer_sent_failures_total{To=\"3\"}";
    let while_full = one.metric(failures).unwrap();
    assert!(while_full > 0.0);
    // The stream is given up, with all that waited for it.
    eventually(|| one.metric(failures).unwrap() > while_full).await;
    let (mut rest, mut size) = (vec![0; 1 << 20], 0);
    while !rest[..size].ends_with(b"0\r\n\r\n") {
        let read = stuck.read(&mut rest);
        size = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    }
    exchange(&one.transport, one.id, &mut two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stream_takes_the_place_of_the_first() {
    let one = Member::start(1).await;
    let two = MemberId(2);
    one.transport.add_peer(two, &["http://127.0.0.1:1".to_owned()]);
    let mut first = open_stream(&one, two, "message").await;
    let mut second = open_stream(&one, two, "message").await;
    // The first ends as HTTP wants it, by a chunk of no bytes.
    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        rest.push(tokio::time::timeout(PATIENCE, first.read_u8()).await.unwrap().unwrap());
    }
    one.transport.send(vec![message(MessageType::Heartbeat, one.id, two)]);
    let size = tokio::time::timeout(PATIENCE, second.read_u8()).await.unwrap().unwrap();
    assert!(size.is_ascii_hexdigit());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_cannot_be_told_is_reported() {
    let mut one = Member::start(1).await;
    // Accepts connections and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let two = MemberId(2);
    one.transport.add_peer(two, &[url]);
    for _ in 0..100 {
        one.transport.send(vec![message(MessageType::Heartbeat, one.id, two)]);
    }
    assert_eq!(one.next().await, Event::Unreachable(two));
    let failures = one.metric("etcd_network_peer_sent_failures_total{To=\"2\"}").unwrap();
    assert!(failures >= 100.0 - 64.0 - 4.0, "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_told_so_by_its_streams() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    let known =
        |id| one.metric(&format!("etcd_network_known_peers{{Local=\"1\",Remote=\"{id}\"}}"));
    assert_eq!((known(1), known(2)), (Some(1.0), Some(1.0)));
    one.transport.remove_peer(two.id);
    assert_eq!((known(1), known(2)), (Some(1.0), Some(0.0)));
    assert_eq!(one.transport.active_since(two.id), None);
    two.wait_for(&Event::Removed).await;
    // It does not come back.
    one.transport.add_peer(two.id, &two.urls());
    one.transport.add_remote(two.id, &two.urls());
    one.transport.send(vec![message(MessageType::Heartbeat, one.id, two.id)]);
    assert_eq!(one.transport.active_since(two.id), None);
    let active = "etcd_network_active_peers{Local=\"1\",Remote=\"2\"}";
    assert_eq!(one.metric(active), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_remote_was_given_arrives_though_a_peer_takes_its_place() {
    let (one, mut two) = (Member::start(1).await, Member::start(2).await);
    one.transport.add_remote(two.id, &two.urls());
    // More than the remote posts at a time.
    let sent: Vec<_> = (1..=32).map(|index| append(one.id, two.id, index, 1000)).collect();
    one.transport.send(sent.clone());
    one.transport.add_peer(two.id, &two.urls());
    // Posts overtake each other.
    let mut arrived = Vec::new();
    for _ in &sent {
        arrived.push(two.next_message().await);
    }
    arrived.sort_by_key(|message| message.index);
    assert_eq!(arrived, sent);
    exchange(&one.transport, one.id, &mut two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_other_clusters_get_no_connection() {
    let one = Member::start(1).await;
    let mut two = Member::start_with(2, |options| options.cluster = types::ClusterId(0xc2)).await;
    one.transport.add_peer(two.id, &two.urls());
    two.transport.add_peer(one.id, &one.urls());
    two.transport.send(vec![message(MessageType::Vote, two.id, one.id)]);
    assert_eq!(two.next().await, Event::Unreachable(one.id));
    assert_eq!(one.transport.active_since(two.id), None);
    assert_eq!(two.transport.active_since(one.id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_sender_gets_answers_by_posts() {
    let (mut one, mut two) = (Member::start(1).await, Member::start(2).await);
    // One knows nothing of two, which tries to open streams and posts.
    two.transport.add_peer(one.id, &one.urls());
    exchange(&two.transport, two.id, &mut one).await;
    exchange(&one.transport, one.id, &mut two).await;
    // Once it is a peer, streams take over.
    one.transport.add_peer(two.id, &two.urls());
    eventually(|| one.transport.active_since(two.id).is_some()).await;
    exchange(&one.transport, one.id, &mut two).await;
}

/// Answers every request with a stream of these bytes.
async fn answer_with(listener: TcpListener, bytes: Vec<u8>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head =
                "HTTP/1.1 200 OK\r\nX-Server-Version: 3.5.16\r\nTransfer-Encoding: chunked\r\n\r\n";
            let size = format!("{:x}\r\n", bytes.len());
            let all = [head.as_bytes(), size.as_bytes(), &bytes, b"\r\n"].concat();
            let _ = stream.write_all(&all).await;
            // Kept open: the other end has to see by itself that this is no stream.
            let _ = stream.read(&mut request).await;
        });
    }
}

/// The head of a stream.
const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nX-Server-Version: 3.5.16\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Answers every request with the head of a stream; hands out those for messages unanswered.
async fn answer_with_silence(listener: TcpListener, streams: mpsc::Sender<TcpStream>) {
    let mut others = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        if request.starts_with(b"GET /raft/stream/message/") {
            let _ = streams.send(stream).await;
        } else {
            stream.write_all(STREAM_HEAD).await.unwrap();
            others.push(stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_replaced_before_it_counts_as_broken() {
    let quick = |options: &mut peer::Options| options.read_timeout = Duration::from_secs(2);
    let mut one = Member::start_with(1, quick).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut streams) = mpsc::channel(10);
    let peer = tokio::spawn(answer_with_silence(listener, sender));
    one.transport.add_peer(MemberId(2), &[url]);
    let mut next = async || tokio::time::timeout(PATIENCE, streams.recv()).await.unwrap().unwrap();
    let mut first = next().await;
    first.write_all(STREAM_HEAD).await.unwrap();
    let mut second = next().await;
    let mut byte = [0];
    let still_open = first.try_read(&mut byte).unwrap_err();
    assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
    second.write_all(STREAM_HEAD).await.unwrap();
    let sent = message(MessageType::Heartbeat, MemberId(2), one.id);
    let bytes = sent.encode_to_vec();
    let mut chunk = format!("{:x}\r\n", bytes.len() + 8).into_bytes();
    chunk.extend((bytes.len() as u64).to_be_bytes());
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    second.write_all(&chunk).await.unwrap();
    assert_eq!(one.next_message().await, sent);
    // The first is closed once the second is there.
    let closed = async {
        first.readable().await.unwrap();
        first.try_read(&mut byte).unwrap()
    };
    assert_eq!(tokio::time::timeout(PATIENCE, closed).await.unwrap(), 0);
    peer.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_the_wire_breaks_a_stream_and_nothing_else() {
    let (mut one, mut two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    let damaged: [&[u8]; 4] = [
        &[0xff; 64],
        &[2, 0, 0, 0, 0, 0, 0, 0, 3, 0x0f, 0x0f, 0x0f],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 2, 0x08, 0xff],
    ];
    for (position, bytes) in damaged.into_iter().enumerate() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(answer_with(listener, bytes.to_vec()));
        let bad = MemberId(10 + position as u64);
        one.transport.add_peer(bad, &[url]);
        let down = format!("etcd_network_disconnected_peers_total{{Local=\"1\",Remote=\"{bad}\"}}");
        // It is tried again, and breaks again.
        eventually(|| one.metric(&down).is_some_and(|count| count >= 2.0)).await;
    }
    exchange(&one.transport.clone(), one.id, &mut two).await;
    exchange(&two.transport.clone(), two.id, &mut one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_transport_ends_its_queue_and_its_connections() {
    let (mut one, two) = (Member::start(1).await, Member::start(2).await);
    connect(&[&one, &two]).await;
    one.transport.stop();
    while tokio::time::timeout(PATIENCE, one.inbound.next()).await.unwrap().is_some() {}
    assert_eq!(one.transport.active_since(two.id), None);
    eventually(|| two.transport.active_since(one.id).is_none()).await;
    one.transport.add_peer(MemberId(5), &two.urls());
    one.transport.send(vec![message(MessageType::Vote, one.id, two.id)]);
}
