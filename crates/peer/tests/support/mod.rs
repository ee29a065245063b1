//! Members with nothing but a transport, each behind a listener on loopback.

#![allow(dead_code, reason = "each test file uses another part")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use env::{RealClock, RealDisk};
use harness::Folder;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use peer::client::{Answer, Client, Request};
use peer::{Event, Inbound, Options, PeerUrl, Transport};
use proto::raftpb::{Entry, Message, MessageType};
use snap::Snapshots;
use telemetry::Registry;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, JoinSet};
use types::{ClusterId, MemberId};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const CLUSTER: ClusterId = ClusterId(0xc1);

pub type Served = Arc<Mutex<Vec<String>>>;

/// A member: a transport behind a listener.
pub struct Member {
    pub id: MemberId,
    pub transport: Transport,
    pub inbound: Inbound,
    pub registry: Registry,
    pub folder: Folder,
    pub address: SocketAddr,
    /// Paths that were answered well, in order.
    pub served: Served,
    listener: Option<JoinHandle<()>>,
}

impl Member {
    pub async fn start(id: u64) -> Self {
        Self::start_with(id, |_| {}).await
    }

    pub async fn start_with(id: u64, change: impl FnOnce(&mut Options)) -> Self {
        let folder = Folder::new("peer").unwrap();
        let clock = Arc::new(RealClock::new());
        let snapshots = Snapshots::new(Arc::new(RealDisk), Arc::clone(&clock) as _, folder.path());
        let registry = Registry::new();
        let id = MemberId(id);
        let mut options = Options::new(id, CLUSTER, snapshots, clock, registry.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        options.advertised = vec![format!("http://{address}")];
        change(&mut options);
        let (transport, inbound) = Transport::start(options);
        let served = Served::default();
        let task = tokio::spawn(serve_tcp(listener, transport.clone(), Arc::clone(&served)));
        let listener = Some(task);
        Self { id, transport, inbound, registry, folder, address, served, listener }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn urls(&self) -> Vec<String> {
        vec![self.url()]
    }

    /// Closes the listener and all its connections.
    pub async fn stop_listening(&mut self) {
        if let Some(task) = self.listener.take() {
            task.abort();
            let _ = task.await;
        }
        self.served.lock().unwrap().clear();
    }

    /// How often a path was answered well.
    pub fn served(&self, path: &str) -> usize {
        self.served.lock().unwrap().iter().filter(|served| *served == path).count()
    }

    /// Listens where it did before.
    pub async fn listen_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let served = Arc::clone(&self.served);
        self.listener = Some(tokio::spawn(serve_tcp(listener, self.transport.clone(), served)));
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.inbound.next()).await;
        event.expect("an event in time").expect("the transport is not stopped")
    }

    /// The next message; reports are passed over.
    pub async fn next_message(&mut self) -> Message {
        loop {
            if let Event::Message(message) = self.next().await {
                return message;
            }
        }
    }

    /// Waits for an event.
    pub async fn wait_for(&mut self, wanted: &Event) {
        while self.next().await != *wanted {}
    }

    /// A metric's value.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.registry.render();
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.transport.stop();
        if let Some(task) = &self.listener {
            task.abort();
        }
    }
}

/// Makes members peers of each other.
pub async fn connect(members: &[&Member]) {
    for one in members {
        for other in members {
            if one.id != other.id {
                one.transport.add_peer(other.id, &other.urls());
            }
        }
    }
    for one in members {
        for other in members {
            if one.id != other.id {
                eventually(|| has_streams(one, other.id)).await;
                eventually(|| one.transport.active_since(other.id).is_some()).await;
            }
        }
    }
}

/// Whether a peer has both of its streams from a member.
pub fn has_streams(member: &Member, peer: MemberId) -> bool {
    let kinds = ["msgapp", "message"];
    kinds.iter().all(|kind| member.served(&format!("/raft/stream/{kind}/{peer}")) > 0)
}

/// Waits until something is so.
pub async fn eventually(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it is not so in time");
}

async fn serve_tcp(listener: TcpListener, transport: Transport, served: Served) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve_connection(stream, transport.clone(), Arc::clone(&served)));
    }
}

/// Serves a transport on a unix socket.
pub async fn serve_unix(listener: UnixListener, transport: Transport) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve_connection(stream, transport.clone(), Served::default()));
    }
}

async fn serve_connection(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    transport: Transport,
    served: Served,
) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (transport, served) = (transport.clone(), Arc::clone(&served));
        let path = request.uri().path().to_owned();
        async move {
            let answer = transport.serve(request).await;
            if answer.status().is_success() {
                served.lock().unwrap().push(path);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // A test sees what it sees from the other end.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

/// A message.
pub fn message(kind: MessageType, from: MemberId, to: MemberId) -> Message {
    Message { message_type: kind, from: from.get(), to: to.get(), term: 1, ..Message::default() }
}

/// An append of one entry.
pub fn append(from: MemberId, to: MemberId, index: u64, size: usize) -> Message {
    let data = Bytes::from(vec![index as u8; size]);
    let entries = vec![Entry { term: 1, index, data, ..Entry::default() }];
    let (log_term, index) = (1, index - 1);
    Message { log_term, index, entries, ..message(MessageType::App, from, to) }
}

/// The headers that a member of the cluster sends.
pub fn headers(from: MemberId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    set(&mut headers, "x-server-from", &from.to_string());
    set(&mut headers, "x-server-version", "3.7.1");
    set(&mut headers, "x-min-cluster-version", "3.0.0");
    set(&mut headers, "x-etcd-cluster-id", &CLUSTER.to_string());
    headers
}

pub fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

/// Asks a member.
pub async fn ask(
    member: &Member,
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: impl Into<Bytes>,
) -> Answer {
    let url: PeerUrl = member.url().parse().unwrap();
    let (body, timeout, answer_bytes_max) = (body.into(), PATIENCE, 1 << 20);
    let request = Request { method, url: &url, path, headers, body, timeout, answer_bytes_max };
    Client::default().send(request).await.unwrap()
}
