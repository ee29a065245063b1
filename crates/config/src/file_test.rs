//! Configuration files, and what etcd makes of them.

use crate::{Config, LogOutput, Notice, Outcome, Surroundings, parse};
use std::time::Duration;

fn run(content: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let arguments: Vec<String> =
        ["etcd"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let read_file = &|path: &str| match path {
        "f.yml" => Ok(content.as_bytes().to_vec()),
        other => Err(format!("open {other}: no such file or directory")),
    };
    parse(&arguments, &Surroundings { variables, default_host: None, read_file })
}

fn started(content: &str) -> (Config, Vec<Notice>) {
    match run(content, &["--config-file=f.yml"], &[]) {
        Outcome::Start { config, notices } => (*config, notices),
        other => panic!("{content}: {other:?}"),
    }
}

fn refused(content: &str) -> String {
    match run(content, &["--config-file", "f.yml"], &[]) {
        Outcome::Refused { reason, .. } => reason.to_string(),
        other => panic!("{content}: {other:?}"),
    }
}

#[test]
fn a_file_sets_what_flags_set() {
    let (config, _) = started(
        "# a member\n\
         name: m1\n\
         data-dir: /var/lib/x\n\
         snapshot-count: 77\n\
         max-txn-ops: 1e3\n\
         quota-backend-bytes: -1\n\
         corrupt-check-time: 5000000000\n\
         pre-vote: off\n\
         auto-compaction-mode: revision\n\
         auto-compaction-retention: \"5\"\n\
         initial-cluster-token: \"true\"\n\
         listen-peer-urls: http://127.0.0.1:1,http://127.0.0.1:2\n\
         listen-client-urls: http://127.0.0.1:3\n\
         log-outputs: [stdout, stderr]\n\
         feature-gates: LeaseCheckpoint=true,LeaseCheckpointPersist=true\n\
         wal-dir:\n\
         max-learners: null\n\
         no-such-key: {a: [1]}\n\
         Max-WALs: 9\n",
    );
    assert_eq!(config.name, "m1");
    assert_eq!(config.data_dir.to_str(), Some("/var/lib/x"));
    assert_eq!((config.snapshot_count, config.max_txn_ops), (77, 1000));
    assert_eq!(config.quota, crate::Quota::Unlimited);
    assert_eq!(config.corrupt_check_time, Some(Duration::from_secs(5)));
    assert!(!config.pre_vote);
    assert_eq!(config.auto_compaction, Some(crate::AutoCompaction::Revision(5)));
    assert_eq!(config.initial_cluster_token, "true");
    assert_eq!(config.listen_peer_urls.len(), 2);
    assert_eq!(config.logging.outputs, [LogOutput::Stderr, LogOutput::Stdout]);
    assert!(config.feature_gates.is_on(crate::Gate::LeaseCheckpoint));
    assert_eq!((config.wal_dir, config.max_learners, config.max_wals), (None, 1, Some(9)));
    // Its default stays, though clients are listened for elsewhere.
    assert_eq!(config.advertise_client_urls[0].to_string(), "http://localhost:2379");
    assert_eq!(config.initial_cluster, "m1=http://localhost:2380");
}

#[test]
fn a_file_alone_counts() {
    let arguments = ["--name=flag", "--config-file=f.yml", "--max-txn-ops=5"];
    let variables = [("ETCD_NAME", "variable"), ("ETCD_CONFIG_FILE", "nowhere")];
    let Outcome::Start { config, notices } = run("max-wals: 1\n", &arguments, &variables) else {
        panic!("it is not started");
    };
    assert_eq!((config.name.as_str(), config.max_txn_ops), ("default", 128));
    assert!(notices.contains(&Notice::FileUsed { path: "f.yml".to_owned() }));
    assert!(matches!(notices.last(), Some(Notice::Running { .. })));
    let variables = [("ETCD_CONFIG_FILE", "f.yml")];
    let Outcome::Start { config, .. } = run("name: m2\n", &["--name=m1"], &variables) else {
        panic!("it is not started");
    };
    assert_eq!(config.name, "m2");
    let outcome = run("", &["--nope", "--config-file=f.yml"], &[]);
    assert!(matches!(outcome, Outcome::Exit { code: 2, .. }), "{outcome:?}");
}

#[test]
fn an_empty_file_is_all_defaults() {
    for content in ["", "# nothing\n", "{}\n", "null\n"] {
        assert_eq!(started(content).0.name, "default", "{content}");
    }
}

#[test]
fn sections_hold_flags_of_other_names() {
    let (_, notices) = started(
        "client-transport-security:\n  cert-file: a\n  auto-tls: false\n\
         peer-transport-security:\n  allowed-cn: [a, b]\n  trusted-ca-file: b\n  nothing: 1\n\
         socket-options: {reuse-port: true}\n\
         cert-file: not-a-key\nraft-read-timeout: not-a-key\n",
    );
    let whats: Vec<&str> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::NotYet { what } => Some(what.as_str()),
            _ => None,
        })
        .collect();
    let expected = [
        "--auto-tls",
        "--cert-file",
        "--peer-cert-allowed-cn",
        "--peer-trusted-ca-file",
        "--socket-reuse-port",
    ];
    assert_eq!(whats[..], expected);
    let secure = "listen-client-urls: https://127.0.0.1:1\n\
                  client-transport-security: {cert-file: a, key-file: b}\n";
    let fault = "--listen-client-urls=https://127.0.0.1:1: TLS is not supported yet";
    assert_eq!(refused(secure), fault);
    let discovery = "discovery-config: {token: a, client: {endpoints: [b]}}\n";
    assert_eq!(refused(discovery), "--discovery-endpoints is not supported yet");
    assert_eq!(refused("peer-transport-security:\n"), "invalid peer-transport-security");
}

#[test]
fn faults_of_a_file_are_in_etcds_words() {
    let fields = [
        ("max-txn-ops: -5", "number -5", "Config.max-txn-ops of type uint"),
        ("max-txn-ops: \"5\"", "string", "Config.max-txn-ops of type uint"),
        ("snapshot-count: 1.5", "number 1.5", "Config.snapshot-count of type uint64"),
        ("pre-vote: 1", "number", "Config.pre-vote of type bool"),
        ("log-outputs: stderr", "string", "Config.log-outputs of type []string"),
        ("cipher-suites: [5, a]", "number", "Config.cipher-suites of type string"),
        (
            "auto-compaction-retention: 5",
            "number",
            "Config.auto-compaction-retention of type string",
        ),
        ("name: on", "bool", "Config.name of type string"),
        ("name: [a]", "array", "Config.name of type string"),
        ("quota-backend-bytes: x", "string", "Config.quota-backend-bytes of type int64"),
        (
            "max-concurrent-streams: 99999999999",
            "number 99999999999",
            "Config.max-concurrent-streams of type uint32",
        ),
        (
            "grpc-keepalive-interval: 5s",
            "string",
            "Config.grpc-keepalive-interval of type time.Duration",
        ),
        ("listen-peer-urls: [a]", "array", "configJSON.listen-peer-urls of type string"),
    ];
    let decoding = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
    for (content, value, field) in fields {
        let expected = format!("{decoding} {value} into Go struct field configYAML.{field}");
        assert_eq!(refused(content), expected);
    }
    assert_eq!(
        refused("client-transport-security: {client-cert-auth: 7}"),
        format!(
            "{decoding} number into Go struct field \
             securityConfig.configJSON.client-transport-security.client-cert-auth of type bool"
        )
    );
    assert_eq!(
        refused("socket-options: 5"),
        format!(
            "{decoding} number into Go struct field configYAML.Config.socket-options of type \
             transport.SocketOpts"
        )
    );
    assert_eq!(refused("x"), format!("{decoding} string into Go value of type embed.configYAML"));
    assert_eq!(refused("initial-cluster-state: foo"), "unexpected clusterState \"foo\"");
    assert_eq!(refused("feature-gates: X=true"), "unrecognized feature gate: X");
    assert_eq!(refused("heartbeat-interval: 0"), "--heartbeat-interval must be >0 (set to 0ms)");
    assert!(refused("a: ]\n").starts_with("error converting YAML to JSON: yaml: "));
    assert!(refused("a: b\n c: d\n").contains("mapping values are not allowed in this context"));
    let nowhere = run("", &["--config-file=nowhere"], &[]);
    let Outcome::Refused { reason, .. } = nowhere else { panic!("{nowhere:?}") };
    assert_eq!(reason.to_string(), "open nowhere: no such file or directory");
}

#[test]
fn urls_of_a_file_that_are_none_end_the_program_at_once() {
    let outcome = run("listen-peer-urls: foo", &["--config-file=f.yml"], &[]);
    let Outcome::Exit { code: 1, stdout, stderr } = outcome else { panic!("{outcome:?}") };
    let expected = "unexpected error setting up listen-peer-urls: \
                    URL scheme must be http, https, unix, or unixs: foo\n";
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", expected));
}
