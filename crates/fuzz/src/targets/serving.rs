//! A member's ends: gRPC calls, bytes on the clients' port, what other members ask and send.
//!
//! The member is a real one, alone in its cluster, in a folder of its own; it is made anew after so
//! many inputs, and a finding if it fails. Some answers take as long as they take: time is not looked
//! at closely here.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::Server;
use auth::password::Cost;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use httpd::{Address, Endpoints, Listener};
use hyper::body::Incoming;
use hyper::service::service_fn;
use node::network::{Alone, Network, Question};
use node::{Member, Options};
use peer::{Inbound, Transport};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::raftpb::{self, MessageType};
use rpc::Grpc;
use snap::Snapshots;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use types::{ClusterId, MemberId};

use crate::features::Features;
use crate::input::Input;
use crate::target::Target;

const HTTP: &[&str] = &[
    "GET ",
    "POST ",
    "/health",
    "/version",
    "/metrics",
    "/livez",
    "/readyz/data_corruption",
    "?serializable=true",
    "?exclude=NOSPACE",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n\r\n",
    "Host: a\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "Content-Type: application/grpc\r\n",
    "Expect: 100-continue\r\n",
    "%2e%2e",
    "//",
    "/../",
    "Upgrade: h2c\r\n",
    "3\r\nabc\r\n0\r\n\r\n",
];

/// An assertion of hyper 1.12's in builds for debugging: an answer is begun behind a body whose end is
/// malformed. Builds for release send the answer and close, as they should.
const HYPER: &[&str] = &["self.can_write_head()"];

pub(super) const TARGETS: &[Target] = &[
    Target::new("grpc", grpc, grpc_seeds, 200),
    Target::new("http-edge", http_edge, http_seeds, 150).with_words(HTTP).excuses(HYPER),
    Target::new("peer-questions", peer_questions, question_seeds, 300),
    Target::new("peer-requests", peer_requests, peer_seeds, 300),
];

/// After so many inputs the member is made anew.
const INPUTS_MAX: u32 = 4000;
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How much of a stream of answers is read.
const ANSWERS_MAX: usize = 4;
const CLUSTER: ClusterId = ClusterId(0xc1);

/// A member with everything in front of it.
struct Serving {
    runtime: Runtime,
    member: Option<Member>,
    grpc: Grpc<Server>,
    transport: Transport,
    socket: PathBuf,
    folder: PathBuf,
    inputs: u32,
    _stop: tokio::sync::watch::Sender<bool>,
}

static SERVING: Mutex<Option<Serving>> = Mutex::new(None);

impl Serving {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("oxetcd-fuzz-{}-{count}", std::process::id()));
        // A folder of an earlier process with this number.
        let _ = std::fs::remove_dir_all(&folder);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("threads can be made");
        let entered = runtime.enter();
        let registry = telemetry::Registry::new();
        let alone: Arc<dyn Network> = Arc::new(Alone);
        let (disk, clock) = (Arc::new(env::RealDisk), Arc::new(env::RealClock::new()));
        let options = options(folder.join("m1"));
        let member = node::start(disk, clock, &alone, &registry, &options);
        let member = member.expect("a new member starts");
        let server = Arc::new(Server::new(member.node().clone(), settings()));
        let slow_call = Duration::from_secs(10);
        let calls = rpc::Settings { request_bytes_max: 1 << 20, slow_call, handling_times: false };
        let grpc = Grpc::new(Arc::clone(&server), calls, &registry);
        let endpoints = Endpoints::new(server, registry.clone(), || "\"cmdline\": []".to_owned());
        let (transport, inbound) = Transport::start(transport(&folder, registry));
        let socket = folder.join("socket");
        let (stop, stopped) = tokio::sync::watch::channel(false);
        runtime.spawn(take(inbound));
        let listener = runtime.block_on(Listener::bind(&Address::Unix(socket.clone())));
        let listener = listener.expect("a socket in a new folder");
        runtime.spawn(listen(listener, grpc.clone(), endpoints, stopped));
        runtime.block_on(member.node().ready());
        drop(entered);
        let member = Some(member);
        Self { runtime, member, grpc, transport, socket, folder, inputs: 0, _stop: stop }
    }

    fn node(&self) -> &node::Node {
        self.member.as_ref().expect("it runs").node()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            let _entered = self.runtime.enter();
            member.stop();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Lets somebody ask the member, and looks whether it goes on.
fn serving<T>(ask: impl FnOnce(&Serving) -> T) -> T {
    // What panicked with it was the target, which is told already.
    let mut kept = SERVING.lock().unwrap_or_else(PoisonError::into_inner);
    let serving = kept.get_or_insert_with(Serving::start);
    serving.inputs += 1;
    let answer = ask(serving);
    let failure = serving.node().failure();
    if failure.is_some() || serving.inputs >= INPUTS_MAX {
        *kept = None;
    }
    drop(kept);
    assert!(failure.is_none(), "the member has failed: {failure:?}");
    answer
}

fn settings() -> api::Settings {
    api::Settings {
        txn_ops_max: 128,
        request_bytes_max: 1 << 20,
        bcrypt_cost: Cost::new(4).expect("the lowest cost"),
        election: Duration::from_secs(1),
    }
}

fn transport(folder: &std::path::Path, registry: telemetry::Registry) -> peer::Options {
    let clock: Arc<dyn env::Clock> = Arc::new(env::RealClock::new());
    let snapshots = Snapshots::new(Arc::new(env::RealDisk), Arc::clone(&clock), folder);
    peer::Options::new(MemberId(1), CLUSTER, snapshots, clock, registry)
}

fn options(data: PathBuf) -> Options {
    let tick = Duration::from_millis(100);
    Options {
        name: "m1".to_owned(),
        paths: node::data_dir::Paths::new(&data, None),
        initial_cluster: "m1=http://127.0.0.1:2380".to_owned(),
        peer_urls: vec!["http://127.0.0.1:2380".parse().expect("a URL")],
        initial_cluster_token: "etcd-cluster".to_owned(),
        cluster_state: node::ClusterState::New,
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
        tick,
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 1000,
        catchup_entries: 100,
        keep: node::log::Keep { wals: Some(2), snapshots: Some(2) },
        batch_interval: Duration::from_millis(100),
        batch_limit: 10_000,
        segment_bytes: 1 << 20,
        unsafe_no_fsync: true,
        retention: node::compactor::Retention::Off,
        compaction_batch: 1000,
        compaction_sleep: Duration::ZERO,
        watch_progress_interval: Duration::from_secs(600),
        auth_token: "simple".to_owned(),
        auth_token_ttl: Duration::from_secs(300),
        lease_checkpoints: false,
        persist_checkpoints: false,
        checks: node::Checks::default(),
        downgrade_check: None,
        force_new_cluster: false,
        skip_first_ticks: true,
        settings: node::Settings {
            request_timeout: Duration::from_secs(7),
            tick,
            election: 10 * tick,
            request_bytes_max: 1 << 20,
            quota: apply::Quota::Unlimited,
            strict_reconfig_check: true,
            learners_max: 1,
            max_cluster_version: node::MaxClusterVersion::Auto,
            warning_apply: Duration::from_secs(10),
        },
    }
}

/// Nobody is sent on what peers send: the member is alone.
async fn take(mut inbound: Inbound) {
    while inbound.next().await.is_some() {}
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The clients' port.
async fn listen(
    listener: Listener,
    grpc: Grpc<Server>,
    endpoints: Endpoints<Server>,
    stop: tokio::sync::watch::Receiver<bool>,
) {
    let limits = httpd::Limits { concurrent_streams_max: 100, connections: None };
    let service = move |remote: Option<api::Remote>| {
        let (grpc, endpoints) = (grpc.clone(), endpoints.clone());
        service_fn(move |request: Request<Incoming>| {
            let (grpc, endpoints, remote) = (grpc.clone(), endpoints.clone(), remote.clone());
            async move {
                let answer: Response<Body> = if rpc::is_grpc(&request) {
                    let Ok(answer) = grpc.call(request, remote.as_ref()).await;
                    answer.map(|body| {
                        body.map_err(|_| unreachable!("a body cannot fail")).boxed_unsync()
                    })
                } else {
                    let (parts, _) = request.into_parts();
                    endpoints.call(&parts).await.map(BodyExt::boxed_unsync)
                };
                Ok::<_, Infallible>(answer)
            }
        })
    };
    httpd::serve(listener, service, limits, stop).await;
}

/// Calls that take a message and give one.
const CALLS: &[&str] = &[
    "KV/Range",
    "KV/Put",
    "KV/DeleteRange",
    "KV/Txn",
    "KV/Compact",
    "Lease/LeaseGrant",
    "Lease/LeaseRevoke",
    "Lease/LeaseTimeToLive",
    "Lease/LeaseLeases",
    "Cluster/MemberList",
    "Cluster/MemberUpdate",
    "Cluster/MemberPromote",
    "Cluster/MemberRemove",
    "Maintenance/Alarm",
    "Maintenance/Status",
    "Maintenance/Hash",
    "Maintenance/HashKV",
    "Maintenance/Downgrade",
    "Maintenance/MoveLeader",
    "Maintenance/Defragment",
    "Auth/AuthStatus",
    "Auth/Authenticate",
    "Auth/UserAdd",
    "Auth/UserGet",
    "Auth/UserList",
    "Auth/UserDelete",
    "Auth/UserChangePassword",
    "Auth/UserGrantRole",
    "Auth/UserRevokeRole",
    "Auth/RoleAdd",
    "Auth/RoleGet",
    "Auth/RoleList",
    "Auth/RoleDelete",
    "Auth/RoleGrantPermission",
    "Auth/RoleRevokePermission",
    "KV/RangeStream",
    "Lease/LeaseKeepAlive",
    "Watch/Watch",
    "Maintenance/Snapshot",
    "Auth/AuthEnable",
    "Auth/AuthDisable",
];

/// A call: which, its metadata, and its body as it stands or as one message in its frame.
fn grpc(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let path = match input.below(24) {
        0 => format!("/{}", input.text()),
        1 => format!("/etcdserverpb.KV/{}", input.text()),
        _ => format!("/etcdserverpb.{}", CALLS[input.below(CALLS.len())]),
    };
    let mut request = Request::builder().method(Method::POST).uri(path.as_str());
    for _ in 0..input.below(3) {
        const NAMES: [&str; 7] = [
            "grpc-timeout",
            "grpc-encoding",
            "token",
            "authorization",
            "hasleader",
            "te",
            "client-api-version",
        ];
        const VALUES: [&str; 8] =
            ["1S", "0n", "99999999H", "gzip", "identity", "true", "trailers", "-1m"];
        let name = NAMES[input.below(7)];
        let value = if input.one_in(3) { input.text() } else { VALUES[input.below(8)].to_owned() };
        if let Ok(value) = HeaderValue::from_str(&value) {
            request = request.header(HeaderName::from_static(name), value);
        }
    }
    request = request.header("content-type", "application/grpc").header("te", "trailers");
    let is_raw = input.one_in(4);
    let bytes = input.rest();
    let body = if is_raw { Bytes::copy_from_slice(bytes) } else { framed(bytes) };
    let Ok(request) = request.body(Full::new(body)) else { return features.number() };
    serving(|serving| {
        let answering = async {
            let Ok(answer) = serving.grpc.call(request, None).await;
            let (head, mut body) = answer.into_parts();
            let mut told = head.headers.get("grpc-status").cloned();
            let mut size = 0;
            for _ in 0..ANSWERS_MAX {
                let Some(Ok(frame)) = body.frame().await else { break };
                match frame.into_data() {
                    Ok(data) => size += data.len(),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        told = trailers.get("grpc-status").cloned();
                    }
                }
            }
            (told, size)
        };
        let answered =
            serving.runtime.block_on(async { tokio::time::timeout(PATIENCE, answering).await });
        match answered {
            Ok((status, size)) => {
                let status = status.map(|status| status.as_bytes().to_vec());
                let call = path.strip_prefix("/etcdserverpb.").unwrap_or_default();
                features.note(CALLS.iter().position(|known| *known == call).unwrap_or(99) as u64);
                status.unwrap_or_default().iter().for_each(|byte| features.note(u64::from(*byte)));
                features.size(size);
            }
            Err(_) => features.note(99),
        }
    });
    features.number()
}

fn framed(message: &[u8]) -> Bytes {
    let length = (message.len() as u32).to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

fn grpc_seeds() -> Vec<Vec<u8>> {
    let all = pb::RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
    let put = pb::PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
    let txn = super::decode::request().txn.unwrap_or_default();
    let user =
        pb::AuthUserAddRequest { name: "u".into(), password: "p".into(), ..Default::default() };
    let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
    let union = pb::watch_request::RequestUnion::CreateRequest(create);
    let watch = pb::WatchRequest { request_union: Some(union) };
    let messages = [
        all.encode_to_vec(),
        put.encode_to_vec(),
        txn.encode_to_vec(),
        pb::LeaseGrantRequest { ttl: 60, id: 7 }.encode_to_vec(),
        user.encode_to_vec(),
        watch.encode_to_vec(),
        pb::CompactionRequest { revision: 1, physical: true }.encode_to_vec(),
    ];
    let calls = 0..CALLS.len() as u8;
    // A call by name, no metadata, one message.
    let mut seeds: Vec<Vec<u8>> = calls
        .flat_map(|call| {
            messages.iter().map(move |message| [&[2, call, 0, 0][..], message].concat())
        })
        .collect();
    seeds.push([&[2, 0, 0, 1][..], &framed(&messages[0])].concat());
    seeds
}

/// Bytes on the clients' port, up to their end.
fn http_edge(input: &[u8]) -> u64 {
    let mut features = Features::default();
    serving(|serving| {
        let talking = async {
            let mut stream = UnixStream::connect(&serving.socket).await.expect("it listens");
            // It may close before it has read everything.
            let _ = stream.write_all(input).await;
            let _ = stream.shutdown().await;
            let mut answer = vec![0; 4096];
            let mut length = 0;
            while let Ok(read @ 1..) = stream.read(&mut answer[length..]).await {
                length += read;
            }
            answer.truncate(length);
            answer
        };
        let answer = serving
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, talking).await.unwrap_or_default() });
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line.iter().take(40).for_each(|byte| features.note(u64::from(*byte)));
        features.size(answer.len());
    });
    features.number()
}

fn http_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        ["/health?serializable=true", "/version", "/livez", "/debug/vars"]
            .iter()
            .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes())
            .collect();
    seeds.push(
        b"POST /etcdserverpb.KV/Range HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\
          Transfer-Encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n0\r\n\r\n"
            .to_vec(),
    );
    // Preface, empty settings, and a request whose head stands in the static table:
    // GET, http, / with an authority.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let headers = [&[0, 0, 6, 1, 5, 0, 0, 0, 1][..], &head].concat();
    seeds.push([&preface[..], &settings, &headers].concat());
    // The same as a call of gRPC, with its path and type written out and a frame behind.
    let mut head = vec![0x83, 0x86, 0x04, 25];
    head.extend(b"/etcdserverpb.KV/Range\0\0\0");
    head.extend([0x41, 1, b'a', 0x0f, 0x10, 16]);
    head.extend(b"application/grpc");
    let headers = [&[0, 0, head.len() as u8, 1, 4, 0, 0, 0, 1][..], &head].concat();
    let data = [&[0, 0, 5, 0, 1, 0, 0, 0, 1][..], &[0; 5]].concat();
    seeds.push([&preface[..], &settings, &headers, &data].concat());
    seeds
}

const QUESTIONS: [&str; 9] = [
    "/members",
    "/members/promote/5",
    "/members/promote/",
    "/members/hashkv",
    "/version",
    "/downgrade/enabled",
    "/leases",
    "/leases/internal",
    "/nothing",
];

/// What members ask each other.
fn peer_questions(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let mut path = QUESTIONS[input.below(QUESTIONS.len())].to_owned();
    if input.one_in(4) {
        path.push_str(&input.text());
    }
    let Some(method) = node::endpoints::method(&path) else { return 1 };
    let cluster = input.one_in(3).then(|| ClusterId(input.number()));
    let token = input.one_in(6).then(|| input.text());
    let body = Some(("", Bytes::copy_from_slice(input.rest())));
    let url = String::new();
    let question =
        Question { url, method, path: path.clone(), cluster, token, body, timeout: PATIENCE };
    serving(|serving| {
        let answered = serving.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, serving.node().answer(question)).await
        });
        if let Ok(answer) = answered {
            features.note(u64::from(answer.status));
            features.size(answer.body.len());
        }
    });
    features.note(QUESTIONS.iter().position(|known| *known == path).unwrap_or(9) as u64);
    features.number()
}

fn question_seeds() -> Vec<Vec<u8>> {
    let with = |path: u8, body: &[u8]| [&[path, 0, 0, 0][..], body].concat();
    let inner = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    let asked = proto::leasepb::LeaseInternalRequest { lease_time_to_live_request: Some(inner) };
    vec![
        with(0, b""),
        with(1, b""),
        with(3, br#"{"revision":1}"#),
        with(4, b""),
        with(5, b""),
        with(6, &pb::LeaseKeepAliveRequest { id: 7 }.encode_to_vec()),
        with(7, &asked.encode_to_vec()),
    ]
}

/// What members send each other: messages, snapshots with a database behind, streams.
fn peer_requests(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let (method, mut path) = match input.below(6) {
        0 | 1 => (Method::POST, "/raft".to_owned()),
        2 | 3 => (Method::POST, "/raft/snapshot".to_owned()),
        4 => (Method::GET, "/raft/probing".to_owned()),
        _ => (Method::GET, format!("/raft/stream/{}/2", ["message", "msgapp"][input.below(2)])),
    };
    if input.one_in(10) {
        path.extend(input.text().chars().filter(char::is_ascii_graphic));
    }
    let method = if input.one_in(12) { Method::PUT } else { method };
    let mut request = Request::builder().method(method).uri(path.as_str());
    for (name, sound) in [
        ("x-etcd-cluster-id", "c1"),
        ("x-server-from", "2"),
        ("x-server-version", "3.7.1"),
        ("x-min-cluster-version", "3.0.0"),
        ("x-raft-to", "1"),
        ("x-peerurls", "http://127.0.0.1:1"),
    ] {
        let value = if input.one_in(10) { input.text() } else { sound.to_owned() };
        if let Ok(value) = HeaderValue::from_str(&value) {
            request = request.header(name, value);
        }
    }
    let body = Full::new(Bytes::copy_from_slice(input.rest()));
    let Ok(request) = request.body(body) else { return 1 };
    serving(|serving| {
        let answered = serving.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, serving.transport.serve(request)).await
        });
        if let Ok(answer) = answered {
            features.note(u64::from(answer.status().as_u16()));
        }
    });
    features.size(path.len());
    features.number()
}

fn peer_seeds() -> Vec<Vec<u8>> {
    let message = super::raft_message().encode_to_vec();
    let metadata = raftpb::SnapshotMetadata { index: 9, term: 2, ..Default::default() };
    let snapshot = raftpb::Snapshot { data: Bytes::new(), metadata };
    let snapshot = raftpb::Message {
        message_type: MessageType::Snap,
        entries: Vec::new(),
        snapshot: Some(Box::new(snapshot)),
        ..super::raft_message()
    };
    let snapshot = snapshot.encode_to_vec();
    let length = (snapshot.len() as u64).to_be_bytes();
    // No second path, method or header of the input's own.
    let sound = [0; 8];
    vec![
        [&[0][..], &sound, &message].concat(),
        [&[2][..], &sound, &length, &snapshot, b"database"].concat(),
        [&[4][..], &sound].concat(),
        [&[5, 0][..], &sound].concat(),
        [&[5, 1][..], &sound].concat(),
    ]
}
