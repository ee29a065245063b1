//! Texts: flags, variables and files, URLs, versions, tokens, JSON of members, labels of metrics.

use std::time::Duration;

use auth::{Identity, Lookup, Simple, TokenProvider};
use config::{Outcome, Surroundings};
use env::Monotonic;
use membership::{Attributes, Downgrade, InitialCluster, LegacyRequest, Member, Url, versions};
use proto::version::Version;
use types::Index;

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

const FLAGS: &[&str] = &[
    "--name",
    "--data-dir",
    "--wal-dir",
    "--listen-client-urls",
    "--listen-peer-urls",
    "--advertise-client-urls",
    "--initial-cluster",
    "--initial-advertise-peer-urls",
    "--heartbeat-interval",
    "--election-timeout",
    "--quota-backend-bytes",
    "--snapshot-count",
    "--auto-compaction-mode",
    "--auto-compaction-retention",
    "--auth-token",
    "--bcrypt-cost",
    "--log-level",
    "--log-outputs",
    "--feature-gates",
    "--max-request-bytes",
    "--cors",
    "--config-file",
    "--initial-cluster-state",
    "--initial-cluster-token",
    "--force-new-cluster",
    "--tls-min-version",
    "--cipher-suites",
    "--socket-reuse-port",
    "--host-whitelist",
    "--experimental-",
    "--discovery-srv",
    "--version",
    "--help",
    "=true",
    "=false",
    "=0",
    "=-1",
    "=9223372036854775807",
    "=1h",
    "=100ms",
    "=1.5h",
    "http://127.0.0.1:1",
    "unix://a",
    "existing",
    "periodic",
    "revision",
    "simple",
    "default",
    "a=http://b:1",
    "\n",
    "LeaseCheckpoint=true",
];
const YAML: &[&str] = &[
    "name: ",
    "data-dir: ",
    "listen-client-urls: ",
    "heartbeat-interval: ",
    "log-outputs: ",
    "client-transport-security:\n  ",
    "peer-transport-security: ",
    "cert-file: ",
    "feature-gates: ",
    "initial-cluster: ",
    "auto-compaction-retention: ",
    "quota-backend-bytes: ",
    "\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!!int ",
    "|\n  ",
    ">-\n  ",
    "? ",
    "null",
    "~",
    "true",
    "1e3",
    "0x10",
    "'",
    "\"",
    "# ",
    "---\n",
    "<<: ",
    "%YAML 1.1\n",
    "client-transport-security.cert-file: ",
];
const URLS: &[&str] = &[
    "http://",
    "https://",
    "unix://",
    "unixs:",
    "[::1]",
    "[fe80::1%25eth0]",
    "127.0.0.1",
    ":2380",
    ":",
    "@",
    "/",
    "?",
    "#",
    "%41",
    "%zz",
    "localhost",
    ",",
    "=",
    "a=http://b:1",
    " ",
    "\t",
];

pub(super) const TARGETS: &[Target] = &[
    Target::new("flags", flags, flag_seeds, 1000).with_words(FLAGS),
    Target::new("config-file", config_file, file_seeds, 500).with_words(YAML),
    Target::new("urls", urls, url_seeds, 3000).with_words(URLS),
    Target::new("versions", version, version_seeds, 3000).with_words(&["3.", "-", "+", "."]),
    Target::new("tokens", tokens, choices, 2000),
    Target::new("members-json", members_json, json_seeds, 2000).with_words(&[
        "\"id\":",
        "\"peerURLs\":",
        "null",
        "[",
        "]",
        "\\u0000",
        "\\ud800",
        "1e9",
    ]),
    Target::new("labels", labels, choices, 1000),
];

/// What came of a command line, with the rules that hold for each.
fn started(outcome: &Outcome, features: &mut Features) {
    match outcome {
        Outcome::Start { config, notices } => {
            features.size(notices.len());
            features.size(config.listen_client_urls.len());
            assert!(config.election_ticks() > 0);
            assert!(!config.heartbeat.is_zero());
            features.size(config.request_timeout().as_secs() as usize);
            features.size(config.member_dir().as_os_str().len());
        }
        Outcome::Exit { code, stdout, stderr } => {
            features.note(u64::from(*code));
            features.text(stderr.lines().next().unwrap_or_default());
            features.note(u64::from(stdout.is_empty()));
        }
        Outcome::Refused { reason, notices, .. } => {
            features.size(notices.len());
            features.text(&reason.to_string());
        }
    }
}

/// Lines: arguments; one with `ETCD_` at its begin is a variable.
fn flags(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (mut arguments, mut variables) = (vec!["etcd".to_owned()], Vec::new());
    for line in text.lines() {
        match line.split_once('=') {
            Some((name, value)) if name.starts_with("ETCD_") => {
                variables.push((name.to_owned(), value.to_owned()));
            }
            _ => arguments.push(line.to_owned()),
        }
    }
    let mut features = Features::default();
    let read_file = &|path: &str| Err(format!("open {path}: no such file or directory"));
    let default_host = Some("10.0.0.1".to_owned());
    let surroundings = Surroundings { variables, default_host, read_file };
    started(&config::parse(&arguments, &surroundings), &mut features);
    features.number()
}

fn flag_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = FLAGS
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|flag| format!("{flag}=1").into_bytes())
        .collect();
    seeds.push(b"--name=m\n--data-dir\n/d\n--initial-cluster=m=http://127.0.0.1:2380".to_vec());
    seeds.push(
        b"--listen-client-urls=http://0.0.0.0:1\n--advertise-client-urls=http://a:1".to_vec(),
    );
    seeds.push(b"ETCD_NAME=a\nETCD_ELECTION_TIMEOUT=1000\n--log-level=debug".to_vec());
    seeds
}

/// A file that `--config-file` names.
fn config_file(input: &[u8]) -> u64 {
    let mut features = Features::default();
    let read_file = &|_: &str| Ok(input.to_vec());
    let surroundings = Surroundings { variables: Vec::new(), default_host: None, read_file };
    let arguments = ["etcd", "--config-file=f"].map(str::to_owned);
    started(&config::parse(&arguments, &surroundings), &mut features);
    features.number()
}

fn file_seeds() -> Vec<Vec<u8>> {
    let whole = "name: m\ndata-dir: /d\nheartbeat-interval: 100\nelection-timeout: 1000\n\
        listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\nlog-outputs: [stderr]\n\
        client-transport-security:\n  cert-file: a\n  client-cert-auth: true\n\
        initial-cluster: m=http://localhost:2380\nauto-compaction-retention: '1'\n";
    vec![whole.into(), b"{\"name\": \"m\", \"snapshot-count\": 5}".to_vec(), b"name: [a".to_vec()]
}

fn urls(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let mut features = Features::default();
    match text.parse::<Url>() {
        Ok(url) => {
            let printed = url.to_string();
            match printed.parse::<Url>() {
                Ok(again) => {
                    assert_eq!(again.to_string(), printed);
                    assert!(url.is_same_place(&again));
                }
                // As in Go: what is no ASCII in a zone is printed in a form that cannot be read.
                Err(error) => assert!(!text.is_ascii(), "{printed} was printed: {error}"),
            }
            assert_eq!(url.is_unix(), url.socket_path().is_some());
            features.size(url.hostname().len());
            features.size(url.port().len());
            features.note(u64::from(url.is_tls()));
            let peer = peer::PeerUrl::from(url);
            assert!(!peer.host_header().is_empty());
            features.size(peer.host_header().len());
        }
        Err(error) => features.text(&error.to_string()),
    }
    features.outcome(Url::parse_list(&text).map(|urls| urls.len()));
    match text.parse::<InitialCluster>() {
        Ok(cluster) => {
            let printed = cluster.to_string();
            match printed.parse::<InitialCluster>() {
                Ok(again) => features.note(u64::from(again == cluster)),
                Err(error) => assert!(!text.is_ascii(), "{printed} was printed: {error}"),
            }
            features.outcome(cluster.members("token").map(|members| members.len()));
            features.outcome(cluster.verify_join("a").map(|()| 0));
        }
        Err(error) => features.text(&error.to_string()),
    }
    features.number()
}

fn url_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "http://127.0.0.1:2380",
        "https://[::1]:2379",
        "unix:///run/a%20b",
        "unixs://a:1",
        "a=http://b:1,c=http://d:2",
        "http://[fe80::1%25eth0]:1",
        "http://user@a:1",
        "http://a:",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Versions, and what a cluster does with them.
fn version(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let mut features = Features::default();
    let mut texts = text.split('\n');
    let mut next = || texts.next().unwrap_or_default();
    let (one, two, target) = (next(), next(), next());
    let parsed = one.parse::<Version>();
    if let Ok(version) = parsed {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    features.note(u64::from(parsed.is_ok()));
    let (current, lowest) = (parsed.ok(), two.parse::<Version>().ok());
    let wanted = versions::parse_target(target);
    let none = Downgrade::default();
    if let Ok(target) = wanted {
        let valid = versions::validate_downgrade(current, target, &none);
        features.outcome(valid.map(|()| 0).map_err(|error| error.text()));
        // What was begun ends at its target.
        let downgrade = Downgrade { target: target.to_string(), is_enabled: true };
        if let Ok(Some(decided)) = versions::decide(current, lowest, &downgrade)
            && current.is_some()
        {
            assert_eq!(decided, target.without_patch());
        }
        let json = downgrade.to_json();
        assert_eq!(Downgrade::from_json(json.as_bytes()), Ok(downgrade));
    }
    if let (Some(current), Ok(Some(decided))) = (current, versions::decide(current, lowest, &none))
    {
        assert!(decided > current, "by itself a cluster only rises");
        features.note(7);
    }
    for (from, to) in current.into_iter().zip(lowest) {
        let steps = backend::schema::migration::plan(from, to);
        features.outcome(steps.map(|steps| steps.len()));
    }
    features.number()
}

fn version_seeds() -> Vec<Vec<u8>> {
    ["3.5.0\n3.6.1\n3.5", "3.7.1\n3.7.1\n3.6.0", "3.6.0-rc.1+git\n3.5.16\n3.4"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// Simple tokens beside a plain list of them, and any text as a token or a kind of tokens.
fn tokens(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    if input.one_in(8) {
        let spec = input.text();
        let provider = TokenProvider::new(&spec, Duration::from_secs(1));
        features.outcome(provider.map(|_| 0));
        return features.number();
    }
    let ttl = Duration::from_secs(10);
    let mut provider = TokenProvider::Simple(Simple::new(ttl));
    // User and end of each token; none while authentication is off.
    let mut model: Option<std::collections::BTreeMap<String, (String, Monotonic)>> = None;
    let mut now = Monotonic(0);
    while !input.is_empty() {
        now = now + Duration::from_secs(input.below(8) as u64);
        let user = ["a", "b", "root"][input.below(3)].to_owned();
        let token = format!("{}.{}", ["x", "y", ""][input.below(3)], input.below(6));
        match input.below(8) {
            0 => {
                provider.follow(&auth::Effect::Enabled);
                model.get_or_insert_default();
            }
            1 if input.one_in(4) => {
                provider.follow(&auth::Effect::Disabled);
                model = None;
            }
            2 => {
                provider.follow(&auth::Effect::Invalidated { user: user.clone() });
                model.iter_mut().for_each(|tokens| tokens.retain(|_, (of, _)| *of != user));
            }
            3 => provider.sweep(now),
            4 | 5 => {
                let login =
                    auth::Login { user: user.clone(), simple_token: token.clone(), revision: 3 };
                assert_eq!(provider.assign(now, &login), Ok(token.clone()));
                model.iter_mut().for_each(|tokens| {
                    tokens.insert(token.clone(), (user.clone(), now + ttl));
                });
            }
            6 => {
                let token = input.text();
                let found = provider.lookup(now, &token, Index(100), 3);
                let known = model.as_ref().is_some_and(|tokens| tokens.contains_key(&token));
                assert!(known || !matches!(found, Lookup::Known(_)), "{token}");
            }
            _ => {
                let found = provider.lookup(now, &token, Index(100), 3);
                let kept = model.as_mut().and_then(|tokens| tokens.get_mut(&token));
                let expected = match kept.filter(|(_, end)| *end >= now) {
                    Some((user, end)) => {
                        *end = now + ttl;
                        Lookup::Known(Identity { user: user.clone(), revision: 3 })
                    }
                    None => Lookup::Unknown,
                };
                features.note(u64::from(expected == Lookup::Unknown));
                assert_eq!(found, expected);
            }
        }
    }
    features.size(model.map_or(0, |tokens| tokens.len()));
    features.number()
}

/// JSON that members send, and that older versions propose.
fn members_json(input: &[u8]) -> u64 {
    let mut features = Features::default();
    let member = Member::from_json(input);
    if let Ok(member) = &member {
        let again = Member::from_json(member.to_json().as_bytes());
        assert_eq!(again.as_ref(), Ok(member));
        features.size(member.peer_urls.len());
    }
    features.outcome(member.map(|_| 0));
    let members = Member::list_from_json(input);
    if let Ok(members) = &members {
        assert_eq!(
            Member::list_from_json(Member::list_to_json(members).as_bytes()).as_ref(),
            Ok(members)
        );
    }
    features.outcome(members.map(|members| members.len()));
    features.outcome(Attributes::from_json(input).map(|attributes| attributes.client_urls.len()));
    features
        .outcome(Downgrade::from_json(input).map(|downgrade| usize::from(downgrade.is_enabled)));
    features.outcome(LegacyRequest::parse(input).map(|_| 0));
    if let Ok(change) = proto::raftpb::ConfChange::decode(input.to_vec()) {
        let parsed = membership::Change::parse(&change);
        if let Ok(parsed) = &parsed {
            let again = membership::Change::parse(&parsed.to_conf_change(change.id));
            assert_eq!(again.as_ref(), Ok(parsed));
        }
        features.outcome(parsed.map(|_| 0));
    }
    features.number()
}

fn json_seeds() -> Vec<Vec<u8>> {
    let member = Member {
        id: types::MemberId(5),
        peer_urls: vec!["http://a:1".to_owned()],
        is_learner: true,
        attributes: Attributes { name: "n".to_owned(), client_urls: vec!["http://b:2".to_owned()] },
    };
    let add = membership::Change::Add(member.clone()).to_conf_change(3);
    vec![
        member.to_json().into_bytes(),
        Member::list_to_json([&member]).into_bytes(),
        br#"{"target-version":"3.5.0","enabled":true}"#.to_vec(),
        add.encode_to_vec(),
        membership::Change::Promote(types::MemberId(5)).to_conf_change(4).encode_to_vec(),
    ]
}

/// Labels with any values: the page of metrics stays readable, line by line, and bounded.
fn labels(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let registry = telemetry::Registry::new();
    let family = registry.counters("calls_total", "Calls.", &["one", "two"]);
    let text = |input: &mut Input<'_>| {
        let length = input.below(8);
        String::from_utf8_lossy(input.take(length)).into_owned()
    };
    let mut filled = false;
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let kind = input.below(32);
        let (one, two) = (text(&mut input), text(&mut input));
        match kind {
            0 => family.clear(),
            1 => family.remove(&[&one, &two]),
            // More than there may be.
            2 if !std::mem::replace(&mut filled, true) => {
                for number in 0..telemetry::CHILDREN_MAX {
                    family.with(&[&one, &number.to_string()]).inc();
                }
            }
            _ => family.with(&[&one, &two]).inc(),
        }
    }
    let page = registry.render();
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in samples {
        let (names, value) = line.rsplit_once(' ').expect("a sample has a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(names.starts_with("calls_total{one=\"") && names.ends_with("\"}"), "{line}");
        count += 1;
    }
    assert!(count <= telemetry::CHILDREN_MAX + 1);
    let mut features = Features::default();
    features.size(count);
    features.size(page.len());
    features.number()
}
