//! A network in memory: members reach each other by their peer URLs, and connections can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use env::{Monotonic, RealClock, RealDisk};
use node::Node;
use node::network::{
    Answer, Asking, Database, Identity, Incoming, Network, Peers, Question, Resolving,
};
use proto::raftpb::Message;
use proto::version::Version;
use snap::Snapshots;
use types::{Index, MemberId};

/// The network.
#[derive(Default)]
pub struct Wire {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who listens at a URL, and where it keeps snapshots.
    members: BTreeMap<String, (Node, PathBuf)>,
    /// How many snapshots have arrived.
    snapshots: usize,
    /// Who was removed, in the eyes of whom.
    removed: BTreeSet<(String, MemberId)>,
    /// Who cannot send to whom.
    cuts: BTreeSet<(String, String)>,
}

/// A member's end of it.
struct End {
    wire: Arc<Wire>,
    url: String,
}

impl Wire {
    /// The end of the member at a URL.
    pub fn end(self: &Arc<Self>, url: &str) -> Arc<dyn Network> {
        Arc::new(End { wire: Arc::clone(self), url: url.to_owned() })
    }

    /// The member at a URL listens now.
    pub fn listen(&self, url: &str, node: &Node, snapshots: PathBuf) {
        self.lock().members.insert(url.to_owned(), (node.clone(), snapshots));
    }

    /// The member at a URL listens no more.
    pub fn leave(&self, url: &str) {
        self.lock().members.remove(url);
    }

    /// Cuts a member off from all others.
    pub fn isolate(&self, url: &str) {
        let mut state = self.lock();
        let others: Vec<String> = state.members.keys().cloned().collect();
        for other in others {
            state.cuts.insert((url.to_owned(), other.clone()));
            state.cuts.insert((other, url.to_owned()));
        }
    }

    /// How many snapshots have arrived.
    pub fn snapshots(&self) -> usize {
        self.lock().snapshots
    }

    /// Mends everything.
    pub fn heal(&self) {
        self.lock().cuts.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn reach(&self, from: &str, to: &str) -> Option<(Node, PathBuf)> {
        let state = self.lock();
        if state.cuts.contains(&(from.to_owned(), to.to_owned())) {
            return None;
        }
        state.members.get(to).cloned()
    }
}

impl Network for End {
    fn ask(&self, question: Question) -> Asking {
        let found = self.wire.reach(&self.url, &question.url);
        Box::pin(async move {
            let (node, _) = found.ok_or_else(|| "connection refused".to_owned())?;
            let timeout = question.timeout;
            let answer: Result<Answer, _> =
                tokio::time::timeout(timeout, node.answer(question)).await;
            answer.map_err(|_| "time-out".to_owned())
        })
    }

    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { Ok(host) })
    }

    fn enter(&self, identity: &Identity) -> Arc<dyn Peers> {
        Arc::new(Links {
            wire: Arc::clone(&self.wire),
            me: identity.member,
            url: self.url.clone(),
            known: Mutex::default(),
        })
    }
}

struct Links {
    wire: Arc<Wire>,
    me: MemberId,
    url: String,
    known: Mutex<BTreeMap<MemberId, String>>,
}

impl Links {
    fn url_of(&self, id: MemberId) -> Option<String> {
        self.known.lock().unwrap().get(&id).cloned()
    }

    /// Tells this member something.
    fn report(&self, incoming: Incoming) {
        let me = self.wire.lock().members.get(&self.url).cloned();
        if let Some((node, _)) = me
            && node.ids().1 == self.me
        {
            node.receive(incoming);
        }
    }

    fn know(&self, id: MemberId, urls: &[String]) {
        self.known.lock().unwrap().insert(id, urls[0].clone());
    }
}

impl Peers for Links {
    fn send(&self, messages: Vec<Message>) {
        for message in messages {
            let to = MemberId(message.to);
            let Some(url) = self.url_of(to) else { continue };
            if self.wire.lock().removed.contains(&(url.clone(), self.me)) {
                self.report(Incoming::Removed);
                continue;
            }
            match self.wire.reach(&self.url, &url) {
                Some((node, _)) => node.receive(Incoming::Message(Box::new(message))),
                None => self.report(Incoming::Unreachable(to)),
            }
        }
    }

    fn send_snapshot(&self, message: Message, mut database: Database) {
        let to = MemberId(message.to);
        let found = self.url_of(to).and_then(|url| self.wire.reach(&self.url, &url));
        let Some((node, folder)) = found else {
            self.report(Incoming::SnapshotSent { to, arrived: false });
            return;
        };
        let (wire, url, me) = (Arc::clone(&self.wire), self.url.clone(), self.me);
        std::thread::spawn(move || {
            let clock = Arc::new(RealClock::new());
            let snapshots = Snapshots::new(Arc::new(RealDisk), clock, &folder);
            let index = Index(message.snapshot.as_ref().unwrap().metadata.index);
            let mut writer = snapshots.receive(index).unwrap();
            let mut block = vec![0; 64 << 10];
            let mut received = 0;
            loop {
                let read = database.content.read(&mut block).unwrap();
                if read == 0 {
                    break;
                }
                received += read as u64;
                writer.write(&block[..read]).unwrap();
            }
            assert_eq!(received, database.size);
            writer.finish().unwrap();
            node.receive(Incoming::Snapshot(Box::new(message)));
            wire.lock().snapshots += 1;
            let links = Links { wire, me, url, known: Mutex::default() };
            links.report(Incoming::SnapshotSent { to, arrived: true });
        });
    }

    fn add_peer(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn update_peer(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn remove_peer(&self, id: MemberId) {
        self.known.lock().unwrap().remove(&id);
        self.wire.lock().removed.insert((self.url.clone(), id));
    }

    fn add_remote(&self, id: MemberId, urls: &[String]) {
        self.know(id, urls);
    }

    fn active_since(&self, id: MemberId) -> Option<Monotonic> {
        let url = self.url_of(id)?;
        self.wire.reach(&self.url, &url).map(|_| Monotonic(0))
    }

    fn set_level(&self, _: Version) {}

    fn stop(&self) {}
}
