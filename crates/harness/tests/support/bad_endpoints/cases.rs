//! The requests.

use super::http::Listener;

/// A request, or something that looks like one.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub listener: Listener,
    pub bytes: Vec<u8>,
    /// How many answers are due.
    pub replies: usize,
    /// Answers have no bodies.
    pub is_head: bool,
    /// The client says that there is nothing more to come.
    pub ends: bool,
}

const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "FOO"];

/// Paths of which each is asked for on each listener.
const PATHS: &[&str] = &[
    "/",
    "//",
    "//health",
    "/health/",
    "/health/x",
    "/%68ealth",
    "/health%2f",
    "/health%00",
    "/health?",
    "/health?x",
    "/./health",
    "/../health",
    "/x/../health",
    "/health/..",
    "/health/.",
    "/%2e%2e/health",
    "/version/",
    "//version?x=1&y",
    "/version/x",
    "/metrics/",
    "/livez/",
    "/livez/x",
    "/livez//",
    "/livez/serializable_read",
    "/livez/serializable_read/",
    "/livez/serializable%5Fread",
    "/livez/linearizable_read",
    "/readyz/",
    "/readyz/xyz",
    "/readyz/linearizable_read",
    "/readyz/non_learner",
    "/readyz/serializable_read?verbose",
    "/readyzx",
    "/livezz",
    "/healthz",
    "/Health",
    "health",
    "*",
    "http://h/health",
    "//h/health",
    "/health?exclude=NOSPACE",
    "/health?exclude=",
    "/health?exclude=%zz",
    "/health?exclude=a;b",
    "/health?exclude=NOSPACE&exclude=CORRUPT&exclude=x",
    "/health?serializable=true",
    "/health?serializable=TRUE",
    "/health?serializable",
    "/health?serializable=junk",
    "/health?serializable=true&serializable=false",
    "/livez?verbose",
    "/livez?verbose=false",
    "/livez?exclude=serializable_read",
    "/livez?exclude=nope&verbose",
    "/readyz?verbose",
    "/readyz?exclude=linearizable_read&verbose",
    "/readyz?exclude=data_corruption&exclude=serializable_read&exclude=linearizable_read&exclude=non_learner&verbose",
    "/readyz/data_corruption?verbose",
    "/readyz/data_corruption?exclude=data_corruption",
    "/version?x=1",
    "/metrics?x=1",
    "/health\t",
    "/%",
    "/%zz",
    "/%2",
    "/debug/vars",
    "/debug/pprof",
    "/debug/pprof/",
    "/debug/requests",
    "/config/local/log",
    "/v2/keys",
    "/v2/members",
    "/v3",
    "/v3/kv/range",
    "/members",
    "/leases",
    "/raft",
    "/favicon.ico",
    "/health'",
    "/health\"",
    "/health\\x",
    "/health\x7f",
];

const PEER_PATHS: &[&str] = &[
    "/members/",
    "/members/x",
    "/members?x",
    "/members/hashkv",
    "/members/hashkv/",
    "/members/promote",
    "/members/promote/",
    "/members/promote/x",
    "/leases/",
    "/leases/x",
    "/leases/internal",
    "/leases/internal/",
    "/downgrade/",
    "/downgrade/enabled",
    "/downgrade/enabled/",
    "/downgrade/enabled?x",
    "/raft/",
    "/raft/x",
    "/raft/probing",
    "/raft/probing/x",
    "/raft/snapshot",
    "/raft/snapshot/",
    "/raft/stream",
    "/raft/stream/",
    "/raft/stream/msgapp",
    "/raft/stream/msgapp/",
    "/raft/stream/msgapp/x",
    "/raft/stream/junk/1",
    "//raft/probing",
    "/raft/../members",
    "/version",
    "/health",
];

/// What takes one method on the peers' listener.
const PEER_ENDPOINTS: &[&str] = &[
    "/members",
    "/members/hashkv",
    "/leases",
    "/leases/internal",
    "/raft",
    "/raft/probing",
    "/raft/snapshot",
    "/raft/stream/msgapp/1",
    "/downgrade/enabled",
    "/version",
    "/members/promote/1",
];

/// Whole requests that are no proper HTTP/1.1, with the answers that are due at most.
const SHAPES: &[(&str, &str, usize)] = &[
    ("1.0", "GET /health HTTP/1.0\r\n\r\n", 1),
    ("1.0 that stays", "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1),
    ("0.9", "GET /health\r\n\r\n", 1),
    ("2.0 in text", "GET /health HTTP/2.0\r\nHost: a\r\n\r\n", 1),
    ("lower-case version", "GET /health http/1.1\r\nHost: a\r\n\r\n", 1),
    ("no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 1),
    ("two hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 1),
    ("a host with a space", "GET /health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 1),
    ("a host with a slash", "GET /health HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", 1),
    ("an empty host", "GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 1),
    ("line feeds alone", "GET /health HTTP/1.1\nHost: a\nConnection: close\n\n", 1),
    ("zeros", "\0\u{1}\u{2}\u{3}\r\n\r\n", 1),
    ("the begin of TLS", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n", 1),
    ("a space first", " GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("a line's end first", "\r\nGET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1),
    ("two spaces", "GET  /health HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("no path", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("a method alone", "GET\r\n\r\n", 1),
    ("a header without a colon", "GET /health HTTP/1.1\r\nHost: a\r\njunk\r\n\r\n", 1),
    ("a space before a colon", "GET /health HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 1),
    ("a header without a name", "GET /health HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 1),
    ("a zero in a header", "GET /health HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n", 1),
    ("brackets in a name", "GET /health HTTP/1.1\r\nHost: a\r\nA(b): c\r\n\r\n", 1),
    (
        "a folded header",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: b\r\n c\r\n\r\n",
        1,
    ),
    ("a length below zero", "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 1),
    ("a length of no digits", "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 1),
    (
        "a length with a sign",
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
        1,
    ),
    (
        "two lengths",
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        1,
    ),
    (
        "a huge length",
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        1,
    ),
    (
        "a body that stays away",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabcd",
        1,
    ),
    (
        "chunks",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        1,
    ),
    (
        "chunks that are none",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
        1,
    ),
    (
        "a huge chunk",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcd",
        1,
    ),
    (
        "gzip as transfer encoding",
        "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        1,
    ),
    (
        "gzip in chunks",
        "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        1,
    ),
    (
        "chunked twice",
        "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        1,
    ),
    (
        "an odd expectation",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: junk\r\n\r\n",
        1,
    ),
    (
        "a wish for h2c",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        1,
    ),
    (
        "a wish for WebSocket",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        1,
    ),
    (
        "three in a row",
        "GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /nope HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        3,
    ),
    (
        "another behind a body",
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        2,
    ),
    ("junk behind a request", "GET /health HTTP/1.1\r\nHost: a\r\n\r\nJUNK\r\n\r\n", 2),
    (
        "a part of a document",
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=0-0\r\n\r\n",
        1,
    ),
    (
        "a condition",
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: *\r\n\r\n",
        1,
    ),
    (
        "another origin",
        "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: http://b\r\n\r\n",
        1,
    ),
];

impl Case {
    /// A request with one answer.
    pub fn new(name: &str, listener: Listener, text: &str) -> Self {
        let (name, bytes) = (name.to_owned(), text.as_bytes().to_vec());
        Self { name, listener, bytes, replies: 1, is_head: false, ends: false }
    }

    fn asking(listener: Listener, method: &str, path: &str, rest: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{rest}");
        let rest = if rest.is_empty() { "\r\n" } else { "" };
        let name = format!("{} {method} {}", name(listener), path.escape_debug());
        Self { is_head: method == "HEAD", ..Self::new(&name, listener, &(head + rest)) }
    }

    fn named(self, what: &str) -> Self {
        Self { name: format!("{}: {what}", self.name), ..self }
    }
}

const fn name(listener: Listener) -> &'static str {
    match listener {
        Listener::Clients => "clients",
        Listener::Metrics => "metrics",
        Listener::Peers => "peers",
    }
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for listener in [Listener::Clients, Listener::Metrics, Listener::Peers] {
        for path in PATHS {
            cases.push(Case::asking(listener, "GET", path, ""));
        }
        for (what, text, replies) in SHAPES {
            let name = format!("{}: {what}", name(listener));
            cases.push(Case { replies: *replies, ..Case::new(&name, listener, text) });
        }
        cases.extend(long(listener));
        cases.extend(cut(listener));
    }
    for listener in [Listener::Clients, Listener::Metrics] {
        for path in ["/health", "/livez", "/readyz/data_corruption", "/version", "/metrics", "/"] {
            let methods = METHODS.iter().skip(1);
            cases.extend(methods.map(|method| Case::asking(listener, method, path, "")));
        }
    }
    for path in PEER_PATHS {
        cases.push(Case::asking(Listener::Peers, "GET", path, ""));
    }
    for path in PEER_ENDPOINTS {
        cases.extend(METHODS.iter().map(|method| Case::asking(Listener::Peers, method, path, "")));
        cases.extend(bodies(path));
    }
    for accept in ["text/plain;version=0.0.4", "*/*", "junk", "application/json"] {
        let rest = format!("Accept: {accept}\r\n\r\n");
        cases.push(Case::asking(Listener::Clients, "GET", "/metrics", &rest).named(accept));
    }
    cases
}

/// Long heads and paths. Where one of ours is refused and one of Go's is not, it is listed.
fn long(listener: Listener) -> Vec<Case> {
    let headers = |count: usize| {
        let headers = (0..count).map(|number| format!("A{number}: b\r\n"));
        headers.collect::<String>() + "\r\n"
    };
    let header = |bytes: usize| format!("A: {}\r\n\r\n", "a".repeat(bytes));
    let path = |bytes: usize| format!("/health/{}", "a".repeat(bytes));
    let excludes: String = (0..500).map(|number| format!("&exclude=x{number}")).collect();
    let ask = |path: &str, rest: &str| Case::asking(listener, "GET", path, rest);
    let named =
        |case: Case, what: &str| Case { name: format!("{}: {what}", name(listener)), ..case };
    vec![
        named(ask("/health", &header(17_000)), "a header of 17 kB"),
        named(ask("/health", &header(70_000)), "a header of 70 kB"),
        named(ask("/health", &header(1_200_000)), "a header of 1.2 MB"),
        named(ask("/health", &headers(90)), "90 headers"),
        named(ask("/health", &headers(2000)), "2000 headers"),
        named(ask(&path(3000), ""), "a path of 3 kB"),
        named(ask(&path(60_000), ""), "a path of 60 kB"),
        named(ask(&path(1_200_000), ""), "a path of 1.2 MB"),
        named(ask(&format!("/health?x{excludes}"), ""), "500 alarms excluded"),
        named(ask(&format!("/health?exclude={}", "a".repeat(20_000)), ""), "an alarm of 20 kB"),
    ]
}

/// Requests that break off.
fn cut(listener: Listener) -> Vec<Case> {
    let texts = [
        ("nothing", ""),
        ("a begun line", "GET /hea"),
        ("a begun header", "GET /health HTTP/1.1\r\nHo"),
        (
            "a begun chunk",
            "POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab",
        ),
    ];
    let case = |(what, text): (&str, &str)| {
        let name = format!("{}: {what} and the end", name(listener));
        Case { ends: true, ..Case::new(&name, listener, text) }
    };
    texts.into_iter().map(case).collect()
}

/// Bodies that are not what an endpoint of peers takes.
fn bodies(path: &str) -> Vec<Case> {
    let long = "\0".repeat(70_000);
    let bodies = [
        ("junk", "", "junk"),
        ("a foreign cluster", "X-Etcd-Cluster-ID: 1\r\n", "junk"),
        ("no cluster's id", "X-Etcd-Cluster-ID: zz\r\n", "junk"),
        ("JSON", "Content-Type: application/json\r\n", "{\"revision\":9}"),
        ("70 kB", "", long.as_str()),
    ];
    let case = |method: &'static str| {
        bodies.map(|(what, headers, body)| {
            let rest = format!("{headers}Content-Length: {}\r\n\r\n{body}", body.len());
            Case::asking(Listener::Peers, method, path, &rest).named(what)
        })
    };
    [case("GET"), case("POST")].concat()
}
