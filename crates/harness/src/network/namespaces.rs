//! A network of a test's own: a namespace for each member and a hub that routes between them.
//!
//! Member i has 10.98.0.(11 + i). At the hub, 10.99.0.(11 + i) stands for it: there a proxy may
//! listen for what others send to member i, and connect to others as member i. A cut between two
//! members drops what goes between their addresses, the hub's for them included, so that it holds
//! with proxies and without.

use super::cuts::Cuts;
use super::proxy::{Proxy, Route, Weather};
use super::tool::{Tool, must};
use crate::server::Address;
use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fmt::Write as _;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where namespaces are named.
const NAMES: &str = "/run/netns";

/// Every name begins with this and the process id.
const PREFIX: &str = "oxetcd";

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The hub, as members see it.
const HUB: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);

/// How many members have addresses.
const MEMBERS_MAX: usize = 200;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network. Its namespaces are removed when this goes.
#[derive(Debug)]
pub struct Namespaces {
    ip: Tool,
    nft: Tool,
    hub: String,
    members: Vec<String>,
    proxied: bool,
}

impl Namespaces {
    /// Makes a network with places for some members.
    ///
    /// # Errors
    /// If the process is not root's, a tool can't be had, or the kernel refuses.
    pub fn new(places: usize) -> Result<Self> {
        Self::make(places, false)
    }

    /// Makes a network whose members reach each other through the hub's proxies only, which
    /// [`start_proxies`](Self::start_proxies) starts.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn proxied(places: usize) -> Result<Self> {
        Self::make(places, true)
    }

    fn make(places: usize, proxied: bool) -> Result<Self> {
        ensure!(places <= MEMBERS_MAX, "a network has {MEMBERS_MAX} places");
        ensure!(
            rustix::process::geteuid().is_root(),
            "tests in network namespaces need root: run them as root or in a container that is"
        );
        let (ip, nft) = (Tool::ip()?, Tool::nft()?);
        remove_left(&ip);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("{PREFIX}-{}-{number}-{what}", std::process::id());
        let members = (0..places).map(|member| name(&format!("m{member}"))).collect();
        let network = Self { ip, nft, hub: name("hub"), members, proxied };
        network.build()?;
        Ok(network)
    }

    fn build(&self) -> Result<()> {
        let mut outside = format!("netns add {}\n", self.hub);
        let mut hub = "link set lo up\n".to_owned();
        for (number, name) in self.members.iter().enumerate() {
            let (own, alias) = (own_address(number), alias_address(number));
            let _ = writeln!(outside, "netns add {name}");
            let _ = writeln!(
                outside,
                "link add h{number} netns {} type veth peer name eth0 netns {name}",
                self.hub
            );
            let _ = writeln!(hub, "address add {HUB}/32 dev h{number}\nlink set h{number} up");
            let _ = writeln!(hub, "route add {own}/32 dev h{number} src {HUB}");
            let _ = writeln!(hub, "address add {alias}/32 dev lo");
        }
        self.batch(None, &outside).context("make network namespaces")?;
        self.batch(Some(&self.hub), &hub).context("set up the hub's namespace")?;
        for (number, name) in self.members.iter().enumerate() {
            let own = own_address(number);
            let script = format!(
                "link set lo up\nlink set eth0 up\naddress add {own}/32 dev eth0\n\
                 route add {HUB}/32 dev eth0 src {own}\nroute add default via {HUB} dev eth0\n"
            );
            self.batch(Some(name), &script).context("set up a member's namespace")?;
        }
        let mut forward = std::process::Command::new("nsenter");
        forward.arg(format!("--net={NAMES}/{}", self.hub));
        forward.args(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        must(forward, "").context("let the hub route")?;
        self.cuts().prepare()
    }

    fn batch(&self, namespace: Option<&str>, script: &str) -> Result<()> {
        let mut command = self.ip.command(namespace);
        command.args(["-batch", "-"]);
        must(command, script).map(drop)
    }

    /// Moves this thread to the hub: it, the threads and the processes that it starts from now on
    /// reach the members.
    ///
    /// # Errors
    /// As the system says.
    pub fn enter(&self) -> Result<()> {
        let file = File::open(Path::new(NAMES).join(&self.hub)).context("open the hub")?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .context("enter the hub's namespace")
    }

    /// Starts a proxy in front of each member. The thread has to have entered.
    ///
    /// # Errors
    /// As the system says.
    pub fn start_proxies(&self, seed: u64) -> Result<Proxies> {
        let count = self.members.len();
        let weather: Vec<Arc<Weather>> = (0..count * count)
            .map(|pair| Arc::new(Weather::new(seed.wrapping_add(pair as u64))))
            .collect();
        let mut listeners = Vec::new();
        for to in 0..count {
            let weather = weather.clone();
            let route = move |source: SocketAddr| {
                let from = (0..count).find(|&from| source.ip() == own_address(from))?;
                Some(Route {
                    target: SocketAddr::from((own_address(to), PEER_PORT)),
                    source: IpAddr::from(alias_address(from)),
                    forward: Arc::clone(&weather[from * count + to]),
                    back: Arc::clone(&weather[to * count + from]),
                })
            };
            let listen = SocketAddr::from((alias_address(to), PEER_PORT));
            listeners.push(Proxy::start(listen, route)?);
        }
        Ok(Proxies { count, weather, _listeners: listeners })
    }

    /// The cuts between members. None is made at first.
    #[must_use]
    pub fn cuts(&self) -> Cuts<'_> {
        Cuts::new(&self.nft, &self.hub)
    }

    /// Where a member lives.
    ///
    /// # Errors
    /// If the network has no place for it.
    pub(crate) fn address(&self, member: usize) -> Result<Address> {
        let namespace = self.members.get(member);
        let namespace = namespace.with_context(|| format!("a network without place {member}"))?;
        let advertised = if self.proxied { alias_address(member) } else { own_address(member) };
        Ok(Address {
            client: SocketAddr::from((own_address(member), CLIENT_PORT)),
            peer: SocketAddr::from((own_address(member), PEER_PORT)),
            advertised_peer: SocketAddr::from((advertised, PEER_PORT)),
            initial_cluster: String::new(),
            namespace: Some(namespace.clone()),
        })
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let mut script = format!("netns delete {}\n", self.hub);
        for name in &self.members {
            let _ = writeln!(script, "netns delete {name}");
        }
        let mut command = self.ip.command(None);
        command.args(["-force", "-batch", "-"]);
        // What could not be removed is removed by a later process.
        let _ = must(command, &script);
    }
}

/// The proxies of a network.
#[derive(Debug)]
pub struct Proxies {
    count: usize,
    weather: Vec<Arc<Weather>>,
    _listeners: Vec<Proxy>,
}

impl Proxies {
    /// What happens to bytes that one member sends to another.
    #[must_use]
    pub fn weather(&self, from: usize, to: usize) -> &Weather {
        &self.weather[from * self.count + to]
    }

    /// Calms all links.
    pub fn calm(&self) {
        self.weather.iter().for_each(|weather| weather.calm());
    }
}

/// A member's own address.
pub fn own_address(member: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, 11 + u8::try_from(member).expect("MEMBERS_MAX is lower"))
}

/// What stands for a member at the hub.
pub fn alias_address(member: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, 11 + u8::try_from(member).expect("MEMBERS_MAX is lower"))
}

/// Removes the namespaces of processes that are gone.
fn remove_left(ip: &Tool) {
    for entry in std::fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        if parts.next() != Some(PREFIX) {
            continue;
        }
        let alive = parts.next().is_some_and(|id| Path::new("/proc").join(id).exists());
        if !alive {
            let mut command = ip.command(None);
            command.args(["netns", "delete", &name]);
            // Another process may do the same at this moment.
            let _ = must(command, "");
        }
    }
}
