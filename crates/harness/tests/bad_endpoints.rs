//! Bad requests to the small HTTP endpoints, on the listeners of clients, metrics and peers: the
//! answers are those of the real etcd 3.5.16, and nobody else waits for them.
//!
//! | class | tried by |
//! |---|---|
//! | methods, odd paths and escapes, `exclude`, `serializable`, `verbose`, single checks | `answers_are_the_same` |
//! | what is no HTTP, HTTP/1.0, pipelines, bodies and chunks that are none, long heads and paths | `answers_are_the_same` |
//! | debug pages and the log level's | `debug_pages_are_not_there_unasked` |
//! | half-open connections by the thousand, readers that do not read, or a byte at a time | `slow_readers_delay_nobody` |
//! | client versions, methods and user agents that are made up | `metrics_do_not_grow_with_what_clients_say` |
//! | no quorum | `a_member_without_a_quorum_answers` |
//!
//! What is answered otherwise by intent is in `testdata/endpoints-otherwise.txt` with the reason; a
//! line there that does not differ any more is a failure. `OXETCD_SLOW=5000` makes more slow ones.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/bad_endpoints/mod.rs"]
mod bad_endpoints;
#[path = "support/bad_input/raw.rs"]
mod raw;
mod support;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bad_endpoints::cases::{self, Case};
use bad_endpoints::http::{Listener, get, get_within, send};
use harness::{Cluster, ClusterOptions, Network, Port};
use raw::Raw;
use support::{Member, count, in_parallel, reference_is_under_test, runtime, server_under_test};

/// How long an answer may take beside slow readers.
const PROMPT: Duration = Duration::from_secs(5);

/// A member with a listener for metrics.
struct Served {
    member: Member,
    metrics: Port,
}

impl Served {
    fn started(name: &str, program: PathBuf, arguments: &[&str]) -> Self {
        let metrics = Port::take().unwrap();
        let listen = format!("--listen-metrics-urls={}", metrics.url());
        let arguments = [&[listen.as_str()], arguments].concat();
        Self { member: Member::started(name, program, &arguments), metrics }
    }

    fn port(&self, listener: Listener) -> u16 {
        match listener {
            Listener::Clients => self.member.client_port(),
            Listener::Metrics => self.metrics.number(),
            Listener::Peers => self.member.peer_port(),
        }
    }
}

/// The cases that are known to be answered otherwise.
fn otherwise() -> BTreeSet<&'static str> {
    let text = include_str!("../testdata/endpoints-otherwise.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('\t').expect("`case<tab>reason`").0).collect()
}

#[test]
fn answers_are_the_same() {
    let real = harness::reference().unwrap().program("etcd");
    let real = Served::started("bad-endpoints", real, &[]);
    let tested = Served::started("bad-endpoints", server_under_test(), &[]);
    let pid = tested.member.server().pid();
    let (listed, all) = (otherwise(), cases::all());
    let ask = |case: &Case| {
        let at = |served: &Served| send(served.port(case.listener), case);
        (at(&real), at(&tested))
    };
    let pairs = in_parallel(&all, bad_endpoints::WIDTH, ask);
    let (mut different, mut idle) = (Vec::new(), Vec::new());
    for (case, (expected, found)) in all.iter().zip(pairs) {
        let is_listed = listed.contains(case.name.as_str());
        if expected != found && !is_listed {
            let text = format!("{}\n    expected {expected}\n    found    {found}", case.name);
            different.push(text);
        } else if expected == found && is_listed && !reference_is_under_test() {
            idle.push(case.name.clone());
        }
    }
    println!("{} requests compared, {} otherwise as listed", all.len(), listed.len());
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert!(idle.is_empty(), "listed, but equal:\n{}", idle.join("\n"));
    assert_eq!(tested.member.server().pid(), pid);
    assert_eq!(get(tested.member.client_port(), "/readyz").status, 200);
}

#[test]
fn debug_pages_are_not_there_unasked() {
    // The real etcd opens its profiles to everybody at this log level.
    let served =
        Served::started("bad-endpoints-debug", server_under_test(), &["--log-level=debug"]);
    let pages = [
        "/debug/pprof/",
        "/debug/pprof/profile",
        "/debug/pprof/heap",
        "/debug/requests",
        "/debug/events",
        "/config/local/log",
    ];
    for listener in [Listener::Clients, Listener::Metrics, Listener::Peers] {
        for page in pages {
            let is_open = reference_is_under_test() && listener == Listener::Clients;
            let status = get(served.port(listener), page).status;
            assert!(status == 404 || is_open, "{listener:?} {page}: {status}");
        }
    }
    let put = "PUT /config/local/log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
               Content-Length: 17\r\n\r\n{\"Level\":\"DEBUG\"}";
    let case = Case::new("put", Listener::Clients, put);
    assert!(send(served.member.client_port(), &case).starts_with("404"));
}

/// How much memory a process has in RAM, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn connect(port: u16, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(first).unwrap();
    stream
}

#[test]
fn slow_readers_delay_nobody() {
    /// Who asks for 50 pages and reads none: making them is work that others feel.
    const DEAF: usize = 4;
    let slow = usize::try_from(count("OXETCD_SLOW", 400)).unwrap();
    let served = Served::started("bad-endpoints-slow", server_under_test(), &[]);
    let pid = served.member.server().pid();
    let listeners = [Listener::Clients, Listener::Metrics, Listener::Peers];
    let (before, memory) = (descriptors(pid), resident(pid));

    let starts: [&[u8]; 4] =
        [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: a\r\nA: ", b"PRI * "];
    let ports: Vec<u16> = listeners.iter().map(|listener| served.port(*listener)).collect();
    let halves: Vec<TcpStream> =
        (0..slow).map(|number| connect(ports[number % 3], starts[number % starts.len()])).collect();
    let page = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let deaf: Vec<TcpStream> =
        (0..DEAF).map(|number| connect(ports[number % 2], &page.repeat(50))).collect();
    let mut drop_by_drop = connect(ports[0], page);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let mut byte = [0];
        drop_by_drop.read_exact(&mut byte).unwrap();
        for listener in [Listener::Clients, Listener::Metrics] {
            for path in ["/health", "/readyz", "/metrics"] {
                let start = Instant::now();
                assert_eq!(get_within(served.port(listener), path, PROMPT).status, 200);
                assert!(start.elapsed() < PROMPT, "{path} took {:?}", start.elapsed());
            }
        }
        assert_eq!(get_within(served.port(Listener::Peers), "/version", PROMPT).status, 200);
    }
    let grown = resident(pid).saturating_sub(memory);
    let allowed = (32 << 20) + (slow as u64) * (64 << 10) + (deaf.len() as u64) * (512 << 10);
    println!("{slow} half-open, {} deaf readers: {} KiB more", deaf.len(), grown >> 10);
    assert!(grown < allowed || reference_is_under_test(), "{grown} bytes more than {memory}");

    // Who never finishes a head, or begins none, is sent away.
    for number in (0..slow).filter(|_| !reference_is_under_test()) {
        let mut half = &halves[number];
        half.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let end = half.read(&mut [0; 1024]);
        let is_timeout = end.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(!is_timeout, "{:?} is waited for", starts[number % starts.len()]);
    }
    drop((deaf, drop_by_drop, halves));
    let end = Instant::now() + Duration::from_secs(30);
    while descriptors(pid) > before + 8 {
        assert!(Instant::now() < end, "{} descriptors, {before} before", descriptors(pid));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(get(served.member.client_port(), "/readyz").status, 200);
}

#[test]
fn metrics_do_not_grow_with_what_clients_say() {
    const CALLS: usize = 1500;
    /// What the page may grow by, in bytes: up to 2048 short values of a label are kept apart.
    const GROWN_MAX: usize = 128 << 10;
    if reference_is_under_test() {
        // It keeps every client version apart.
        return;
    }
    let served =
        Served::started("bad-endpoints-labels", server_under_test(), &["--metrics=extensive"]);
    let endpoint = served.member.endpoint();
    let page = || get(served.metrics.number(), "/metrics").body;
    let before = page();
    runtime().block_on(async {
        for number in 0..CALLS {
            let (path, version) = match number % 3 {
                0 => ("/etcdserverpb.KV/Range".to_owned(), format!("made-up-{number}")),
                1 => (format!("/etcdserverpb.KV/MadeUp{number}"), "3.7".to_owned()),
                _ => (format!("/made.Up{number}/Range"), "made-up-long".repeat(200)),
            };
            let call = Raw::call(&path, b"\x0a\x01k")
                .header("client-api-version", version.as_bytes())
                .header("user-agent", format!("made-up-{number}").as_bytes());
            raw::send(&endpoint, &call).await;
        }
        let long = Raw::call("/etcdserverpb.KV/Range", b"\x0a\x01k")
            .header("client-api-version", "made-up-long".repeat(200).as_bytes());
        assert!(raw::send(&endpoint, &long).await.starts_with("0"));
    });
    for number in 0..200 {
        get(served.metrics.number(), &format!("/readyz/made-up-{number}"));
        get(served.metrics.number(), &format!("/health?exclude=made-up-{number}"));
        let head = format!(
            "POST /raft HTTP/1.1\r\nHost: a\r\nX-Server-From: {number}\r\nX-Etcd-Cluster-ID: 1\r\n\
             Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
        send(served.member.peer_port(), &Case::new("raft", Listener::Peers, &head));
    }
    let after = page();
    println!("{CALLS} calls: the page has {} bytes, {} before", after.len(), before.len());
    assert!(after.len() < before.len() + GROWN_MAX, "{} of {}", after.len(), before.len());
    for made_up in ["MadeUp", "made.Up", "made-up-long", "exclude"] {
        assert!(!after.contains(made_up), "{made_up} is in the metrics");
    }
}

#[test]
fn a_member_without_a_quorum_answers() {
    let metrics = Port::take().unwrap();
    let options = ClusterOptions {
        programs: vec![server_under_test(); 3],
        arguments: Vec::new(),
        network: Network::Loopback,
    };
    let mut cluster = Cluster::new(&options).unwrap();
    cluster.member(0).options.arguments.push(format!("--listen-metrics-urls={}", metrics.url()));
    cluster.start().unwrap();
    for position in [1, 2] {
        cluster.member(position).kill().unwrap();
    }
    let client = cluster.members()[0].endpoint();
    let client: u16 = client.rsplit(':').next().unwrap().parse().unwrap();
    let begin = Instant::now();
    while !get(client, "/health").body.contains("RAFT NO LEADER") {
        assert!(begin.elapsed() < Duration::from_secs(30), "a member alone keeps its leader");
    }
    for port in [client, metrics.number()] {
        let answer = |path: &str| get_within(port, path, Duration::from_secs(30));
        let begin = Instant::now();
        for path in ["/livez", "/livez/serializable_read", "/health?serializable=true", "/metrics"]
        {
            assert_eq!(answer(path).status, 200, "{path}");
        }
        assert_eq!(answer("/livez?verbose").body, "[+]serializable_read ok\nok\n");
        let health = answer("/health");
        assert_eq!(health.status, 503);
        assert_eq!(health.body, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
        assert!(answer("/metrics").body.contains("\netcd_server_has_leader 0\n"));
        assert!(begin.elapsed() < PROMPT, "these do not wait for a quorum: {:?}", begin.elapsed());

        let readyz = answer("/readyz");
        assert_eq!(readyz.status, 503);
        let failed = "[-]linearizable_read failed: ";
        assert!(readyz.body.contains(failed), "{}", readyz.body);
        assert_eq!(answer("/readyz?exclude=linearizable_read").body, "ok\n");
        assert_eq!(answer("/readyz/data_corruption").status, 200);
    }
    assert_eq!(get(client, "/version").status, 200);
    // With a second member all is well again.
    cluster.member(1).start().unwrap();
    let begin = Instant::now();
    while get(client, "/readyz").status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(30), "no quorum of two");
    }
}
