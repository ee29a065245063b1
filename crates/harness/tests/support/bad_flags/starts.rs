//! Command lines that are refused only when the member starts, or not at all.

use std::time::{Duration, Instant};

use harness::{Folder, Port, Server, ServerOptions, reference};

use super::program::said;
use super::{Answer, Lists, WIDTH, judge};
use crate::support::in_parallel;
use crate::support::server_under_test;

/// How long a server may take to serve or to give up.
const DEADLINE: Duration = Duration::from_secs(30);

/// The code that stands for a server that serves.
const SERVES: i32 = -1;

/// Values of `--initial-cluster`; each is tried with both states.
const CLUSTERS: &[&str] = &[
    "",
    "m",
    "=",
    "m=",
    "m=junk",
    ",",
    "x=$PEER",
    "m=$PEER,m=$PEER",
    "m=$PEER,x=$PEER",
    "m=$PEER,",
    "m=http://127.0.0.1:1",
    "m=$PEER,m=http://127.0.0.1:1",
    "m=$PEER=x",
];

const LINES: &[&str] = &[
    "--listen-client-urls=$CLIENT,$CLIENT",
    "--listen-client-urls=http://localhost:$PORT,$CLIENT",
    "--listen-client-urls=$CLIENT/",
    "--listen-client-urls=unix://$FOLDER/socket",
    "--listen-client-urls=unix:///nowhere/socket",
    "--listen-client-urls=http://127.0.0.1:99999",
    "--listen-client-urls=$PEER",
    "--listen-client-urls=http://10.255.255.1:$PORT",
    "--listen-client-urls=http://[::1]:$PORT",
    "--listen-client-urls=http://[::]:$PORT",
    "--listen-client-urls=http://[::1]:$PORT,$CLIENT",
    "--listen-client-urls=https://127.0.0.1:$PORT",
    "--listen-peer-urls=$PEER,$PEER",
    "--listen-peer-urls=$CLIENT",
    "--initial-advertise-peer-urls=$PEER,$PEER",
    "--initial-advertise-peer-urls=unix://x:1",
    "--initial-advertise-peer-urls=http://127.0.0.1:1,http://127.0.0.1:2",
    "--advertise-client-urls=http://127.0.0.1:1,http://127.0.0.1:1",
    "--advertise-client-urls=http://example.invalid:1",
    "--listen-metrics-urls=$CLIENT",
    "--listen-metrics-urls=$PEER",
    "--listen-metrics-urls=https://127.0.0.1:0",
    "--listen-client-http-urls=$CLIENT",
    "--listen-client-http-urls=$PEER",
    "--listen-client-http-urls=https://127.0.0.1:0",
    "--name=",
    "--auto-compaction-retention=-1",
    "--auto-compaction-retention=junk",
    "--auto-compaction-retention=-1h",
    "--auto-compaction-retention=9223372036854775808",
    "--auto-compaction-retention=0x10",
    "--auto-compaction-retention=1 --auto-compaction-mode=revision",
    "--auto-compaction-retention=0x10 --auto-compaction-mode=revision",
    "--auth-token=",
    "--auth-token=simple,",
    "--auth-token=junk",
    "--auth-token=Simple",
    "--auth-token=,",
    "--auth-token=simple,a=b",
    "--auth-token=simple,a=b,a=c",
    "--auth-token=simple,a=b=c",
    "--quota-backend-bytes=-1",
    "--quota-backend-bytes=1",
    "--quota-backend-bytes=9223372036854775807",
    "--max-txn-ops=0",
    "--max-request-bytes=4294967295",
    "--max-request-bytes=9223372036854775807",
    "--max-request-bytes=18446744073709551615",
    "--max-concurrent-streams=0",
    "--snapshot-count=0",
    "--snapshot-count=18446744073709551615",
    "--max-wals=18446744073709551615",
    "--max-snapshots=0",
    "--backend-batch-limit=-1",
    "--backend-batch-interval=-1s",
    "--auth-token-ttl=0",
    "--auth-token-ttl=18446744073709551615",
    "--bcrypt-cost=32",
    "--experimental-max-learners=-1",
    "--grpc-keepalive-interval=-1s",
    "--experimental-corrupt-check-time=-1s",
    "--experimental-compaction-batch-limit=-1",
    "--experimental-compaction-sleep-interval=-1s",
    "--experimental-watch-progress-notify-interval=-1s",
    "--experimental-downgrade-check-time=-1s",
    "--experimental-warning-apply-duration=-1s",
    "--experimental-bootstrap-defrag-threshold-megabytes=18446744073709551615",
    "--metrics=junk",
    "--backend-bbolt-freelist-type=junk",
    "--initial-cluster-token=",
    "--data-dir=/proc/nowhere",
    "--strict-reconfig-check=0",
    "--peer-cert-file=nowhere",
    "--cert-file=nowhere",
];

/// Ports and folder of a start; both servers get the same, one after the other.
struct Place {
    client: Port,
    peer: Port,
}

impl Place {
    fn fill(&self, text: &str, folder: &str) -> String {
        text.replace("$CLIENT", &self.client.url())
            .replace("$PEER", &self.peer.url())
            .replace("$PORT", &self.client.number().to_string())
            .replace("$FOLDER", folder)
    }

    /// Starts a server and sees what becomes of it.
    fn start(&self, program: &std::path::Path, line: &str) -> Answer {
        let folder = Folder::new("bad-flags-start").unwrap();
        let path = folder.path().to_str().unwrap();
        let options = ServerOptions {
            program: program.to_owned(),
            name: "m".to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: line.split(' ').map(|argument| self.fill(argument, path)).collect(),
            variables: Vec::new(),
        };
        let mut server = Server::spawn(&options, &self.client, &self.peer).unwrap();
        let begin = Instant::now();
        let code = loop {
            if let Some(exit) = server.wait(Duration::from_millis(5)).unwrap() {
                break exit.code;
            }
            if server.log().contains("\"ready to serve client requests\"") {
                return Answer { code: SERVES, said: Vec::new() };
            }
            assert!(begin.elapsed() < DEADLINE, "{line}: neither here nor there\n{}", server.log());
        };
        let last = said(&server.log()).pop().unwrap_or_default();
        Answer { code, said: vec![last.replace(path, "$FOLDER")] }
    }
}

pub fn compare(lists: Lists) {
    let (real, tested) = (reference().unwrap().program("etcd"), server_under_test());
    let clusters = CLUSTERS.iter().flat_map(|value| {
        let line = format!("--initial-cluster={value}");
        [line.clone(), line + " --initial-cluster-state=existing"]
    });
    let lines: Vec<String> = LINES.iter().map(|&line| line.to_owned()).chain(clusters).collect();
    let pairs = in_parallel(&lines, WIDTH, |line| {
        let place = Place { client: Port::take().unwrap(), peer: Port::take().unwrap() };
        (place.start(&real, line), place.start(&tested, line))
    });
    judge("starts", lines.into_iter().zip(pairs).collect(), &lists);
}
