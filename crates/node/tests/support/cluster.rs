//! Several members with a network in memory between them.

use std::sync::Arc;
use std::time::Duration;

use membership::Change;
use node::{ClusterState, Member, Options};
use proto::error::Error as Known;
use types::MemberId;

use super::stall::{StallingDisk, Switch};
use super::wire::Wire;
use super::{Folder, options, start_on, stop, until};

/// A cluster, with each member's options by which it is started again.
pub struct Cluster {
    folder: Folder,
    pub wire: Arc<Wire>,
    pub options: Vec<Options>,
    pub members: Vec<Option<Member>>,
    /// Of each member's disk.
    pub switches: Vec<Arc<Switch>>,
}

pub fn url(number: usize) -> String {
    format!("http://10.0.0.{number}:2380")
}

impl Cluster {
    pub fn found(name: &str, size: usize) -> Self {
        let initial: Vec<String> =
            (1..=size).map(|number| format!("m{number}={}", url(number))).collect();
        let folder = Folder::new(name);
        let mut cluster = Self {
            folder,
            wire: Arc::default(),
            options: Vec::new(),
            members: Vec::new(),
            switches: Vec::new(),
        };
        for number in 1..=size {
            let options = cluster.options_of(number, &initial.join(","));
            cluster.options.push(options);
            cluster.members.push(None);
            cluster.switches.push(Arc::default());
        }
        for number in 1..=size {
            cluster.start(number).unwrap();
        }
        cluster
    }

    pub fn options_of(&self, number: usize, initial: &str) -> Options {
        let data = self.folder.0.join(format!("m{number}"));
        Options {
            name: format!("m{number}"),
            initial_cluster: initial.to_owned(),
            peer_urls: vec![url(number).parse().unwrap()],
            client_urls: vec![format!("http://10.0.0.{number}:2379")],
            ..options(&data)
        }
    }

    pub fn start(&mut self, number: usize) -> Result<(), node::Error> {
        let options = &self.options[number - 1];
        let disk = Arc::new(StallingDisk(Arc::clone(&self.switches[number - 1])));
        let member = start_on(disk, options, &self.wire.end(&url(number)))?;
        self.wire.listen(&url(number), member.node(), options.paths.snap.clone());
        self.members[number - 1] = Some(member);
        Ok(())
    }

    pub fn stop(&mut self, number: usize) {
        self.wire.leave(&url(number));
        stop(self.members[number - 1].take().unwrap());
    }

    pub fn node(&self, number: usize) -> &node::Node {
        self.members[number - 1].as_ref().unwrap().node()
    }

    pub fn running(&self) -> impl Iterator<Item = &node::Node> {
        self.members.iter().flatten().map(Member::node)
    }

    /// The number of the leader that all running members agree on.
    pub async fn leader(&self) -> usize {
        let agreed = || {
            let mut leaders = self.running().map(|node| node.raft().leader);
            let first = leaders.next().unwrap();
            first != MemberId(0) && leaders.all(|leader| leader == first)
        };
        until("a leader that all agree on", agreed).await;
        let is_leader = |member: &Option<Member>| {
            member.as_ref().is_some_and(|member| member.node().raft().is_leader)
        };
        until("the leader knows it", || self.members.iter().any(is_leader)).await;
        self.members.iter().position(is_leader).unwrap() + 1
    }

    /// A number that is not the leader's.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        (1..=self.members.len())
            .find(|number| *number != leader && self.members[number - 1].is_some())
            .unwrap()
    }

    /// Adds a learner and starts it.
    pub async fn add_learner(&mut self) -> usize {
        let number = self.add(true).await;
        self.start(number).unwrap();
        number
    }

    /// Adds a member that is not started yet.
    pub async fn add(&mut self, is_learner: bool) -> usize {
        let number = self.members.len() + 1;
        let peer_urls: Vec<membership::Url> = vec![url(number).parse().unwrap()];
        let added = membership::Member {
            id: membership::ids::added_member_id(&peer_urls, env::WallTime(number as u64)),
            peer_urls: vec![url(number)],
            is_learner,
            ..membership::Member::default()
        };
        let leader = self.leader().await;
        // Connections have to be five seconds old, which strict checks ask for.
        let unhealthy = Err(Known::Unhealthy.into());
        let add = async || self.node(leader).change_members(Change::Add(added.clone())).await;
        let mut all = add().await;
        while all == unhealthy {
            tokio::time::sleep(Duration::from_millis(50)).await;
            all = add().await;
        }
        assert_eq!(all.unwrap().len(), number);
        let initial: Vec<String> =
            (1..=number).map(|number| format!("m{number}={}", url(number))).collect();
        let options = Options {
            cluster_state: ClusterState::Existing,
            ..self.options_of(number, &initial.join(","))
        };
        self.options.push(options);
        self.members.push(None);
        self.switches.push(Arc::default());
        number
    }

    /// As if nobody had ever been started.
    pub fn stop_all_and_wipe(&mut self) {
        for number in 1..=self.members.len() {
            self.stop(number);
            std::fs::remove_dir_all(&self.options[number - 1].paths.data).unwrap();
        }
    }

    pub fn stop_all(mut self) {
        for number in 1..=self.members.len() {
            if self.members[number - 1].is_some() {
                self.stop(number);
            }
        }
    }
}
