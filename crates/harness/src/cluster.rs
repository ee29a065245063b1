//! Clusters of real servers on this machine: each member with a program of its own, which may be
//! another one at its next start.
//!
//! Knows nothing of what clients do; a member's place in the membership is the test's to change.
//!
//! Invariants: members are called m1, m2, ... and keep name, addresses and folder over restarts; a
//! member's log is one file over all its starts.

mod member;

pub use member::Member;

use crate::folder::Folder;
use crate::network::Namespaces;
use crate::port::Port;
use crate::server::{Address, ServerOptions};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where members live.
#[derive(Clone, Debug)]
pub enum Network {
    /// On ports of 127.0.0.1.
    Loopback,
    /// Each in a network namespace. The thread that uses the cluster has to have entered the
    /// network ([`Namespaces::enter`]).
    Namespaces(Arc<Namespaces>),
}

/// What a cluster begins with.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The `etcd` of each member.
    pub programs: Vec<PathBuf>,
    /// More flags of every member.
    pub arguments: Vec<String>,
    /// Where members live.
    pub network: Network,
}

/// A cluster. Its servers are killed, and its folder removed, when this goes.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    options: ClusterOptions,
    /// Members that ever were, which gives the next name.
    named: usize,
    folder: Folder,
}

impl Cluster {
    /// A cluster none of whose members runs yet.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(options: &ClusterOptions) -> Result<Self> {
        let folder = Folder::new("cluster")?;
        let options = options.clone();
        let mut cluster = Self { members: Vec::new(), options, named: 0, folder };
        for program in cluster.options.programs.clone() {
            let member = cluster.make_member(program)?;
            cluster.members.push(member);
        }
        let initial = cluster.initial_cluster();
        for member in &mut cluster.members {
            member.address.initial_cluster.clone_from(&initial);
        }
        Ok(cluster)
    }

    /// A cluster that serves.
    ///
    /// # Errors
    /// If a member can't be started or does not serve in time; shows the end of its log.
    pub fn started(options: &ClusterOptions) -> Result<Self> {
        let mut cluster = Self::new(options)?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Starts every member that does not run, and waits until all serve.
    ///
    /// # Errors
    /// If a member can't be started or does not serve in time; shows the end of its log.
    pub fn start(&mut self) -> Result<()> {
        for member in &mut self.members {
            if !member.is_running() {
                member.spawn()?;
            }
        }
        self.members.iter_mut().try_for_each(Member::wait_ready)
    }

    /// Makes a member that joins when it is started, and gives its position. Its peer URL has to be
    /// a member of the cluster by then.
    ///
    /// # Errors
    /// As the system says.
    pub fn add(&mut self, program: PathBuf) -> Result<usize> {
        let mut member = self.make_member(program)?;
        member.options.arguments.push("--initial-cluster-state=existing".to_owned());
        self.members.push(member);
        let initial = self.initial_cluster();
        let last = self.members.len() - 1;
        self.members[last].address.initial_cluster = initial;
        Ok(last)
    }

    /// Ends a member for good, with SIGKILL if it still runs. The positions behind it move up.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&mut self, position: usize) -> Result<()> {
        let member = self.members.remove(position);
        drop(member.end()?);
        Ok(())
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One of them, to start or end it.
    pub fn member(&mut self, position: usize) -> &mut Member {
        &mut self.members[position]
    }

    /// Where clients reach the members.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::endpoint).collect()
    }

    /// For the test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `--initial-cluster` of a member that joins now has to be.
    #[must_use]
    pub fn initial_cluster(&self) -> String {
        let pair = |member: &Member| format!("{}={}", member.options.name, member.peer_url());
        self.members.iter().map(pair).collect::<Vec<_>>().join(",")
    }

    fn make_member(&mut self, program: PathBuf) -> Result<Member> {
        self.named += 1;
        let name = format!("m{}", self.named);
        let folder = self.folder.path().join(&name);
        std::fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        let options = ServerOptions {
            program,
            data_dir: folder.join("data"),
            log: folder.join("log"),
            name,
            arguments: self.options.arguments.clone(),
            variables: Vec::new(),
        };
        let (address, ports) = match &self.options.network {
            Network::Loopback => on_loopback()?,
            Network::Namespaces(network) => (network.address(self.named - 1)?, Vec::new()),
        };
        Ok(Member::new(options, address, ports))
    }
}

fn on_loopback() -> Result<(Address, Vec<Port>)> {
    let ports = vec![Port::take()?, Port::take()?];
    let at = |port: &Port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let address = Address {
        client: at(&ports[0]),
        peer: at(&ports[1]),
        advertised_peer: at(&ports[1]),
        initial_cluster: String::new(),
        namespace: None,
    };
    Ok((address, ports))
}
