//! Makes faults in a cluster, mends them, and measures how soon clients are served again.

use super::fault::{Fault, Injection};
use crate::clusters::{Scene, wait_for_leader};
use checker::{Call, Outcome};
use harness::{ClusterOptions, Namespaces, Network, Proxies};
use load::Plan;
use proto::etcdserverpb::PutRequest;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long service may be away behind a fault before the test gives up.
const SERVICE_MAX: Duration = Duration::from_secs(60);

/// How long one try may take. A client with patience would hide how long it waited.
const TRY_MAX: Duration = Duration::from_millis(500);

const TRY_PAUSE: Duration = Duration::from_millis(20);

const FAIL_POINT_PORT: u16 = 22_381;

/// How long a member may take to answer there.
const FAIL_POINT_MAX: Duration = Duration::from_secs(10);

/// A cluster in a network of its own.
pub struct Stage {
    pub scene: Scene,
    network: Arc<Namespaces>,
    proxies: Proxies,
    members: usize,
    probes: u64,
    /// Syncs of logs that a slow disk held up.
    pub stalls: u64,
}

/// How long it took from a fault's end.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    /// Until some member acknowledged a write.
    pub first: Duration,
    /// Until every member had.
    pub all: Duration,
}

impl Back {
    pub const fn first(&self) -> Duration {
        self.first
    }

    pub const fn all(&self) -> Duration {
        self.all
    }
}

impl Stage {
    /// Starts a cluster of a program, and a load on it. The thread lives in the cluster's network
    /// from then on, and has to be the one that made the runtime.
    pub fn start(
        network: Arc<Namespaces>,
        program: &Path,
        members: usize,
        plan: impl FnOnce(Vec<String>) -> Plan,
    ) -> Self {
        let proxies = network.start_proxies(1).unwrap();
        let options = ClusterOptions {
            programs: vec![program.to_owned(); members],
            arguments: vec!["--snapshot-count=5000".to_owned()],
            network: Network::Namespaces(Arc::clone(&network)),
        };
        let scene = Scene::start_with(&options, plan, |member| {
            let address = SocketAddr::new(member.address.client.ip(), FAIL_POINT_PORT);
            member.options.variables.push(("GOFAIL_HTTP".to_owned(), address.to_string()));
        });
        Self { scene, network, proxies, members, probes: 0, stalls: 0 }
    }

    pub async fn leader(&self) -> usize {
        wait_for_leader(&self.scene.cluster).await
    }

    /// Makes a fault, and another one with it if there is one, waits, mends both, and waits until
    /// all members serve.
    pub async fn inject(&mut self, injections: &[Injection]) -> Back {
        for injection in injections {
            self.make(&injection.fault).await;
        }
        let hold = injections.iter().map(|injection| injection.hold).max().unwrap_or_default();
        self.hold(injections, hold).await;
        for injection in injections {
            self.mend(&injection.fault);
        }
        self.network.cuts().heal().unwrap();
        self.proxies.calm();
        let back = self.wait_for_service().await;
        for position in 0..self.members {
            let member = self.scene.cluster.member(position);
            tokio::task::block_in_place(|| member.wait_ready()).unwrap();
        }
        back
    }

    async fn make(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut(pairs) => self.network.cuts().set(pairs).unwrap(),
            Fault::Flap { .. } => {}
            Fault::Slow { pairs, delay, jitter } => {
                for &(from, to) in pairs {
                    self.proxies.weather(from, to).set(*delay, *jitter);
                }
            }
            Fault::Kill(members) => {
                for &member in members {
                    if self.scene.cluster.members()[member].is_running() {
                        self.scene.cluster.member(member).kill().unwrap();
                        self.scene.load.restarted(self.scene.number(member));
                    }
                }
            }
            Fault::Pause(members) => {
                for &member in members {
                    // One that another fault has killed can't be paused.
                    let _ = self.scene.cluster.members()[member].pause();
                }
            }
            Fault::SlowDisk { members, time } => {
                for &member in members {
                    let term = format!("sleep({})", time.as_millis());
                    self.fail_point(member, "PUT", "", &term);
                }
            }
        }
    }

    /// Lets faults last; flapping links go and come meanwhile.
    async fn hold(&self, injections: &[Injection], hold: Duration) {
        let until = Instant::now() + hold;
        let flapping = injections.iter().find_map(|injection| match &injection.fault {
            Fault::Flap { pairs, period } => Some((pairs, *period)),
            _ => None,
        });
        let Some((pairs, period)) = flapping else { return tokio::time::sleep(hold).await };
        let mut lost = false;
        while Instant::now() < until {
            lost = !lost;
            let pairs: &[_] = if lost { pairs } else { &[] };
            self.network.cuts().set(pairs).unwrap();
            tokio::time::sleep(period).await;
        }
    }

    fn mend(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut(_) | Fault::Flap { .. } | Fault::Slow { .. } => {}
            Fault::Kill(members) => {
                for &member in members {
                    if !self.scene.cluster.members()[member].is_running() {
                        self.scene.load.restarted(self.scene.number(member));
                        self.scene.cluster.member(member).spawn().unwrap();
                    }
                }
            }
            Fault::Pause(members) => {
                for &member in members {
                    let _ = self.scene.cluster.members()[member].resume();
                }
            }
            Fault::SlowDisk { members, .. } => {
                for &member in members {
                    let count = self.fail_point(member, "GET", "/count", "");
                    self.stalls += count.parse::<u64>().unwrap();
                    self.fail_point(member, "DELETE", "", "");
                }
            }
        }
    }

    /// Asks for, arms or clears the fail point in front of a running member's sync of its log.
    fn fail_point(&self, member: usize, method: &str, of_it: &str, term: &str) -> String {
        let address = self.scene.cluster.members()[member].address.client;
        let address = SocketAddr::new(address.ip(), FAIL_POINT_PORT);
        let stream = TcpStream::connect_timeout(&address, FAIL_POINT_MAX);
        let mut stream = stream.expect("the program has fail points");
        stream.set_read_timeout(Some(FAIL_POINT_MAX)).unwrap();
        let length = term.len();
        let request = format!(
            "{method} /walBeforeSync{of_it} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{term}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} of a fail point: {answer}");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Writes through each member until it is acknowledged.
    async fn wait_for_service(&mut self) -> Back {
        let start = Instant::now();
        self.probes += 1;
        let probes = (0..self.members).map(|member| self.wait_for_member(member, start));
        let times = join_all(probes.collect()).await;
        let first = times.iter().min().copied().unwrap_or_default();
        let all = times.iter().max().copied().unwrap_or_default();
        Back { first, all }
    }

    async fn wait_for_member(&self, member: usize, start: Instant) -> Duration {
        let number = self.scene.number(member);
        for attempt in 0_u32.. {
            let value = format!("probe {} of {member}, {attempt}", self.probes);
            let key = format!("probe/{member}").into();
            let put = PutRequest { key, value: value.into(), ..PutRequest::default() };
            let outcome = self.scene.load.call(number, Call::Put(put), TRY_MAX).await;
            if matches!(outcome, Some(Outcome::Done { .. })) {
                return start.elapsed();
            }
            assert!(start.elapsed() < SERVICE_MAX, "member {member} does not serve: {outcome:?}");
            tokio::time::sleep(TRY_PAUSE).await;
        }
        unreachable!("tries have no end")
    }
}

/// Runs futures side by side on this task.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
