//! A follower that does as it is told: it takes what a leader sends, and never stands for election.
//! It has the transport and no more of a member.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use env::{RealClock, RealDisk};
use harness::{Port, reference};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use membership::{InitialCluster, Member, ids};
use peer::{Event, Inbound, Options, SnapshotOutcome, Transport};
use proto::raftpb::{Entry, Message, MessageType};
use snap::Snapshots;
use telemetry::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use types::MemberId;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A follower that runs.
pub struct Follower {
    pub transport: Transport,
    pub registry: Registry,
    pub state: Arc<Mutex<State>>,
    pub ids: BTreeMap<String, MemberId>,
    _runtime: Runtime,
}

/// What it knows.
#[derive(Default)]
pub struct State {
    term: u64,
    leader: u64,
    /// Behind the last snapshot.
    log: BTreeMap<u64, Entry>,
    base: (u64, u64),
    pub commit: u64,
    /// Requests that were answered well, by path.
    pub served: BTreeMap<String, usize>,
    /// Messages by kind.
    pub received: BTreeMap<MessageType, usize>,
    pub snapshots: Vec<Message>,
    pub sent: Vec<SnapshotOutcome>,
    pub is_removed: bool,
}

impl State {
    pub fn last(&self) -> u64 {
        self.log.last_key_value().map_or(self.base.0, |(index, _)| *index)
    }

    /// The data of all entries.
    pub fn data(&self) -> Vec<Bytes> {
        self.log.values().map(|entry| entry.data.clone()).collect()
    }

    fn term_of(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        self.log.get(&index).map(|entry| entry.term)
    }

    /// Takes a message and gives the answer.
    fn step(&mut self, message: &Message) -> Option<Message> {
        *self.received.entry(message.message_type).or_default() += 1;
        if message.term > self.term && message.message_type != MessageType::PreVote {
            self.term = message.term;
        }
        let answer = |kind, term| Message {
            message_type: kind,
            from: message.to,
            to: message.from,
            term,
            ..Message::default()
        };
        match message.message_type {
            MessageType::PreVote => Some(answer(MessageType::PreVoteResp, message.term)),
            MessageType::Vote => Some(answer(MessageType::VoteResp, self.term)),
            MessageType::Heartbeat => {
                self.leader = message.from;
                self.commit = self.commit.max(message.commit.min(self.last()));
                let context = message.context.clone();
                Some(Message { context, ..answer(MessageType::HeartbeatResp, self.term) })
            }
            MessageType::App => {
                let (index, reject) = self.append(message);
                let (log_term, reject_hint) = match reject {
                    true => (self.term_of(self.last()).unwrap_or(0), self.last()),
                    false => (0, 0),
                };
                let answer = answer(MessageType::AppResp, self.term);
                Some(Message { index, reject, reject_hint, log_term, ..answer })
            }
            _ => None,
        }
    }

    /// The index to answer with, and whether that is a refusal.
    fn append(&mut self, message: &Message) -> (u64, bool) {
        if self.term_of(message.index) != Some(message.log_term) {
            return (message.index, true);
        }
        for entry in &message.entries {
            if self.term_of(entry.index) != Some(entry.term) {
                self.log.split_off(&entry.index);
                self.log.insert(entry.index, entry.clone());
            }
        }
        let last = message.index + message.entries.len() as u64;
        self.commit = self.commit.max(message.commit.min(last));
        (last, false)
    }

    /// Takes a snapshot and gives the answer.
    fn install(&mut self, message: Message) -> Message {
        let metadata = &message.snapshot.as_ref().expect("a snapshot message has one").metadata;
        self.base = (metadata.index, metadata.term);
        self.log.clear();
        self.commit = metadata.index;
        let answer = Message {
            message_type: MessageType::AppResp,
            from: message.to,
            to: message.from,
            term: self.term,
            index: metadata.index,
            ..Message::default()
        };
        self.snapshots.push(message);
        answer
    }
}

impl Follower {
    /// Starts a follower, one of the founders of a cluster.
    pub fn start(name: &str, initial_cluster: &str, port: &Port, folder: &Path) -> Self {
        let version = reference().unwrap().version;
        let initial: InitialCluster = initial_cluster.parse().unwrap();
        let members = initial.members("etcd-cluster").unwrap();
        let cluster = ids::cluster_id(&members);
        let ids: BTreeMap<_, _> =
            members.iter().map(|member| (member.attributes.name.clone(), member.id)).collect();
        let runtime = Runtime::new().unwrap();
        let _guard = runtime.enter();
        let registry = Registry::new();
        let clock = Arc::new(RealClock::new());
        let snapshots = Snapshots::new(Arc::new(RealDisk), Arc::clone(&clock) as _, folder);
        let local = ids[name];
        let (transport, inbound) = Transport::start(Options {
            advertised: vec![port.url()],
            level: version.parse().unwrap(),
            ..Options::new(local, cluster, snapshots, clock, registry.clone())
        });
        // The founders' entries, as every founder writes them.
        let founders = (1..=members.len() as u64)
            .map(|index| (index, Entry { term: 1, index, ..Entry::default() }));
        let state = State { term: 1, log: founders.collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port.number()))).unwrap();
        let answers = Answers {
            transport: transport.clone(),
            cluster: cluster.to_string(),
            members: Member::list_to_json(&members),
            version: format!(r#"{{"etcdserver":"{version}","etcdcluster":"3.5.0"}}"#),
            state: Arc::clone(&state),
        };
        runtime.spawn(listen(listener, answers));
        for member in members.iter().filter(|member| member.id != local) {
            transport.add_peer(member.id, &member.peer_urls);
        }
        runtime.spawn(follow(transport.clone(), inbound, Arc::clone(&state)));
        Self { transport, registry, state, ids, _runtime: runtime }
    }

    /// The member that leads, once there is one.
    pub fn leader(&self) -> MemberId {
        self.wait_until("there is a leader", |state| state.leader != 0);
        MemberId(self.state.lock().unwrap().leader)
    }

    /// Waits until the state is as it should be.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        wait_until(what, || is_so(&self.state.lock().unwrap()));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.transport.stop();
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn follow(transport: Transport, mut inbound: Inbound, state: Arc<Mutex<State>>) {
    while let Some(event) = inbound.next().await {
        let mut state = state.lock().unwrap();
        let answer = match event {
            Event::Message(message) => state.step(&message),
            Event::Snapshot(message) => Some(state.install(message)),
            Event::SnapshotStatus { outcome, .. } => {
                state.sent.push(outcome);
                None
            }
            Event::Removed => {
                state.is_removed = true;
                None
            }
            Event::Unreachable(_) => None,
        };
        transport.send(answer.into_iter().collect());
    }
}

/// What the listener answers from.
#[derive(Clone)]
struct Answers {
    transport: Transport,
    cluster: String,
    members: String,
    version: String,
    state: Arc<Mutex<State>>,
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn listen(listener: TcpListener, answers: Answers) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answers = answers.clone();
        let service = service_fn(move |request| answer(answers.clone(), request));
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    answers: Answers,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let text = match path.as_str() {
        "/members" => answers.members,
        "/version" => answers.version,
        "/downgrade/enabled" => "false".to_owned(),
        _ => {
            let reply = answers.transport.serve(request).await;
            if reply.status().is_success() {
                *answers.state.lock().unwrap().served.entry(path).or_default() += 1;
            }
            return Ok(reply.map(BodyExt::boxed_unsync));
        }
    };
    let mut reply = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    let cluster = answers.cluster.parse().unwrap();
    reply.headers_mut().insert("x-etcd-cluster-id", cluster);
    Ok(reply)
}
