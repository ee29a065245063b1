//! The network between members, for the node: the transport and single requests to its peers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::Config;
use env::{Clock, Monotonic};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use node::Node;
use node::network::{
    Answer, Asking, Database, Identity, Incoming, Method, Network, Peers, Question, Resolving,
};
use peer::client::{Client, Request};
use peer::{Event, Inbound, SnapshotOutcome, Transport};
use proto::raftpb::Message;
use proto::version::Version;
use snap::Snapshots;
use telemetry::Registry;
use types::{ClusterId, MemberId};

/// How large another member's answer may be: all keys of a lease are in one.
const ANSWER_BYTES_MAX: usize = 100 << 20;
const CLUSTER_ID: &str = "x-etcd-cluster-id";

/// The network of a member.
pub struct PeerNetwork {
    client: Client,
    advertised: Vec<String>,
    dial_timeout: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    snapshots: Snapshots,
    clock: Arc<dyn Clock>,
    registry: Registry,
    entered: Mutex<Option<(Transport, Inbound)>>,
}

impl PeerNetwork {
    /// The network of the member that the flags describe.
    pub fn new(
        config: &Config,
        snapshots: Snapshots,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Self {
        Self {
            client: Client::default(),
            advertised: config.advertise_peer_urls.iter().map(ToString::to_string).collect(),
            dial_timeout: Duration::from_secs(1) + config.election,
            read_timeout: config.raft_read_timeout,
            write_timeout: config.raft_write_timeout,
            snapshots,
            clock,
            registry: registry.clone(),
            entered: Mutex::default(),
        }
    }

    /// The transport, once the member has entered the network; what it brings goes to the member
    /// from now on.
    ///
    /// # Panics
    /// Before the member has entered, and the second time.
    pub fn attach(&self, node: &Node) -> Transport {
        let entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (transport, inbound) = entered.expect("a member enters the network when it starts");
        tokio::spawn(bring(node.clone(), inbound));
        transport
    }
}

/// Takes what comes in to the member. Proposals wait while there is no leader for them.
async fn bring(node: Node, mut inbound: Inbound) {
    loop {
        let event = if node.has_leader() {
            inbound.next().await
        } else {
            tokio::select! {
                event = inbound.next_but_proposals() => event,
                () = node.leader_found() => continue,
            }
        };
        let Some(event) = event else { return };
        node.receive(incoming(event));
    }
}

fn incoming(event: Event) -> Incoming {
    match event {
        Event::Message(message) => Incoming::Message(Box::new(message)),
        Event::Snapshot(message) => Incoming::Snapshot(Box::new(message)),
        Event::Unreachable(member) => Incoming::Unreachable(member),
        Event::SnapshotStatus { to, outcome } => {
            Incoming::SnapshotSent { to, arrived: outcome == SnapshotOutcome::Finished }
        }
        Event::Removed => Incoming::Removed,
    }
}

impl Network for PeerNetwork {
    fn ask(&self, question: Question) -> Asking {
        let client = self.client.clone();
        Box::pin(async move { ask(&client, question).await })
    }

    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
            let failed = |error: std::io::Error| lookup_failure(name, &error.to_string());
            let mut found = tokio::net::lookup_host(&host).await.map_err(failed)?;
            let first = found.next().ok_or_else(|| lookup_failure(name, UNKNOWN_HOST))?;
            Ok(first.to_string())
        })
    }

    fn enter(&self, identity: &Identity) -> Arc<dyn Peers> {
        let (snapshots, clock) = (self.snapshots.clone(), Arc::clone(&self.clock));
        let registry = self.registry.clone();
        let usual =
            peer::Options::new(identity.member, identity.cluster, snapshots, clock, registry);
        let (transport, inbound) = Transport::start(peer::Options {
            advertised: self.advertised.clone(),
            level: identity.level,
            removed: identity.removed.clone(),
            dial_timeout: self.dial_timeout,
            read_timeout: self.read_timeout,
            write_timeout: self.write_timeout,
            ..usual
        });
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        *entered = Some((transport.clone(), inbound));
        Arc::new(Links(transport))
    }
}

/// What the system's resolver says of a name that does not exist.
const UNKNOWN_HOST: &str = "Name or service not known";

/// Why a name has no address: in Go's words where the name does not exist.
fn lookup_failure(name: &str, error: &str) -> String {
    let reason = error.rsplit(": ").next().unwrap_or(error);
    let reason = if reason == UNKNOWN_HOST { "no such host" } else { reason };
    format!("lookup {name}: {reason}")
}

async fn ask(client: &Client, question: Question) -> Result<Answer, String> {
    let url = question.url.parse().map_err(|error: peer::UrlError| error.to_string())?;
    let mut headers = HeaderMap::new();
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    if let Some(cluster) = question.cluster {
        headers.insert(CLUSTER_ID, value(&cluster.to_string())?);
    }
    if let Some(token) = &question.token {
        headers.insert(AUTHORIZATION, value(token)?);
    }
    let (content_type, body) = question.body.unzip();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let request = Request {
        method: match question.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        },
        url: &url,
        path: &question.path,
        headers,
        body: body.unwrap_or_default(),
        timeout: question.timeout,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    let cluster = answer.headers.get(CLUSTER_ID).and_then(|id| id.to_str().ok());
    Ok(Answer {
        status: answer.status.as_u16(),
        cluster: cluster.and_then(membership::ids::parse).map(ClusterId),
        content_type: None,
        body: answer.body,
    })
}

/// The transport as the node uses it.
struct Links(Transport);

impl Peers for Links {
    fn send(&self, messages: Vec<Message>) {
        self.0.send(messages);
    }

    fn send_snapshot(&self, message: Message, database: Database) {
        self.0.send_snapshot(message, database.size, database.content);
    }

    fn add_peer(&self, id: MemberId, urls: &[String]) {
        self.0.add_peer(id, urls);
    }

    fn update_peer(&self, id: MemberId, urls: &[String]) {
        self.0.update_peer(id, urls);
    }

    fn remove_peer(&self, id: MemberId) {
        self.0.remove_peer(id);
    }

    fn add_remote(&self, id: MemberId, urls: &[String]) {
        self.0.add_remote(id, urls);
    }

    fn active_since(&self, id: MemberId) -> Option<Monotonic> {
        self.0.active_since(id)
    }

    fn set_level(&self, level: Version) {
        self.0.set_level(level);
    }

    fn stop(&self) {
        self.0.stop();
    }
}
