//! Command lines and variables, and what etcd makes of them.

use super::*;
use crate::{AutoCompaction, ClusterState, LogOutput, MaxClusterVersion, Quota};
use std::path::Path;
use std::time::Duration;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let arguments: Vec<String> =
        ["etcd"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let read_file = &|path: &str| Err(format!("there is no {path}"));
    parse(&arguments, &Surroundings { variables, default_host: None, read_file })
}

fn started(arguments: &[&str], variables: &[(&str, &str)]) -> (Config, Vec<Notice>) {
    match run(arguments, variables) {
        Outcome::Start { config, notices } => (*config, notices),
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn config(arguments: &[&str]) -> Config {
    started(arguments, &[]).0
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    match run(arguments, variables) {
        Outcome::Refused { reason, .. } => reason.to_string(),
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn bad_usage(arguments: &[&str]) -> String {
    match run(arguments, &[]) {
        Outcome::Exit { code: 2, stdout, stderr } if stdout.is_empty() => {
            let (fault, usage) = stderr.split_once('\n').unwrap();
            assert!(usage.starts_with("Usage:\n"), "{usage}");
            fault.to_owned()
        }
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn defaults_are_etcds() {
    let (config, notices) = started(&[], &[]);
    assert_eq!(config.data_dir, Path::new("default.etcd"));
    assert_eq!(config.wal_path(), Path::new("default.etcd/member/wal"));
    assert_eq!(config.backend_path(), Path::new("default.etcd/member/snap/db"));
    assert_eq!(config.listen_client_urls[0].to_string(), "http://localhost:2379");
    assert_eq!(config.initial_cluster, "default=http://localhost:2380");
    assert_eq!(config.cluster_state, ClusterState::New);
    assert_eq!((config.heartbeat, config.election_ticks()), (Duration::from_millis(100), 10));
    assert_eq!(config.request_timeout(), Duration::from_secs(7));
    assert_eq!(config.quota, Quota::Bytes(2 << 30));
    assert_eq!((config.snapshot_count, config.snapshot_catchup_entries), (10_000, 5000));
    assert_eq!(config.backend_batch_interval, Duration::from_millis(100));
    assert_eq!((config.backend_batch_limit, config.compaction_batch_limit), (10_000, 1000));
    assert_eq!(config.max_request_bytes, 1_572_864);
    assert_eq!(config.max_concurrent_streams, u32::MAX);
    assert_eq!(config.auto_compaction, None);
    assert_eq!(config.max_cluster_version, MaxClusterVersion::Auto);
    assert_eq!(config.logging.outputs, [LogOutput::Stderr]);
    assert!(config.pre_vote && config.strict_reconfig_check);
    assert!(notices.contains(&Notice::DefaultDataDir { data_dir: "default.etcd".to_owned() }));
    assert!(!notices.iter().any(|notice| matches!(notice, Notice::NotYet { .. })));
}

#[test]
fn gos_syntax() {
    let names = [
        &["-name", "a"][..],
        &["--name", "a"],
        &["-name=a"],
        &["--name=a"],
        &["--name=b", "--name=a"],
        &["--name=a", "--"],
        &["--pre-vote", "--name=a"],
    ];
    for arguments in names {
        assert_eq!(config(arguments).name, "a", "{arguments:?}");
    }
    assert!(!config(&["--pre-vote=F"]).pre_vote);
    assert_eq!(config(&["--name="]).name, "");
    assert_eq!(config(&["--name", "--pre-vote"]).name, "--pre-vote");
    assert_eq!(config(&["--snapshot-count=0x10"]).snapshot_count, 16);
    // A bool takes its value after `=` only; what follows is no flag.
    assert_eq!(refused(&["--pre-vote", "false"], &[]), "\"false\" is not a valid flag");
    assert_eq!(refused(&["--", "x"], &[]), "\"x\" is not a valid flag");
    assert_eq!(refused(&["-"], &[]), "\"-\" is not a valid flag");
}

#[test]
fn bad_flags_end_with_2_and_gos_words() {
    let cases = [
        (&["--foo"][..], "flag provided but not defined: -foo"),
        (&["-foo=1"], "flag provided but not defined: -foo"),
        (&["---name=a"], "bad flag syntax: ---name=a"),
        (&["--=a"], "bad flag syntax: --=a"),
        (&["--name"], "flag needs an argument: -name"),
        (&["--pre-vote=maybe"], "invalid boolean value \"maybe\" for -pre-vote: parse error"),
        (&["--snapshot-count", "x"], "invalid value \"x\" for flag -snapshot-count: parse error"),
        (&["--max-txn-ops=-1"], "invalid value \"-1\" for flag -max-txn-ops: parse error"),
        (
            &["--snapshot-count=18446744073709551616"],
            "invalid value \"18446744073709551616\" for flag -snapshot-count: value out of range",
        ),
        (
            &["--max-concurrent-streams=-1"],
            "invalid value \"-1\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \
             \"-1\": invalid syntax",
        ),
        (
            &["--backend-batch-interval=5"],
            "invalid value \"5\" for flag -backend-batch-interval: parse error",
        ),
        (
            &["--initial-cluster-state=old"],
            "invalid value \"old\" for flag -initial-cluster-state: invalid value",
        ),
        (
            &["--v2-deprecation=not-yet"],
            "invalid value \"not-yet\" for flag -v2-deprecation: invalid value \"not-yet\"",
        ),
        (
            &["--listen-client-urls=127.0.0.1"],
            "invalid value \"127.0.0.1\" for flag -listen-client-urls: URL scheme must be http, \
             https, unix, or unixs: 127.0.0.1",
        ),
        (
            &["--feature-gates=X=true"],
            "invalid value \"X=true\" for flag -feature-gates: unrecognized feature gate: X",
        ),
    ];
    for (arguments, fault) in cases {
        assert_eq!(bad_usage(arguments), fault);
    }
}

#[test]
fn help_and_version_end_with_0() {
    for argument in ["-h", "--help", "-help"] {
        let Outcome::Exit { code, stdout, stderr } = run(&[argument], &[]) else {
            panic!("{argument}");
        };
        assert_eq!((code, stderr.starts_with("Usage:")), (0, true));
        assert!(stdout.contains("\n  --election-timeout '1000'\n"), "{stdout}");
    }
    let Outcome::Exit { code, stdout, .. } = run(&["--name=a", "--version"], &[]) else {
        panic!("--version");
    };
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((code, lines[0]), (0, "etcd Version: 3.7.1"));
    assert!(lines[1].starts_with("Git SHA: ") && lines[2].starts_with("Go Version: "));
    assert!(lines[3].starts_with("Go OS/Arch: linux/"));
    assert!(lines[4].starts_with("oxetcd Version: "));
}

#[test]
fn the_default_cluster_has_a_name_where_the_member_has_none() {
    let (config, _) = started(&["--name="], &[]);
    assert_eq!((&*config.name, &*config.initial_cluster), ("", "default=http://localhost:2380"));
}

#[test]
fn variables_set_what_arguments_do_not() {
    let variables = [("ETCD_NAME", "v"), ("ETCD_PRE_VOTE", "false"), ("HOME", "/root")];
    let (config, notices) = started(&[], &variables);
    assert_eq!((config.name.as_str(), config.pre_vote), ("v", false));
    assert_eq!(config.initial_cluster, "v=http://localhost:2380");
    let used = Notice::VariableUsed { name: "ETCD_NAME".to_owned(), value: "v".to_owned() };
    assert!(notices.contains(&used));
    let Outcome::Refused { reason, .. } = run(&["--name=a"], &[("ETCD_NAME", "")]) else {
        panic!("a flag and its variable");
    };
    assert_eq!(reason, Error::ConflictingVariable { name: "ETCD_NAME".to_owned() });
    let fault = refused(&[], &[("ETCD_MAX_TXN_OPS", "many")]);
    assert_eq!(fault, "invalid value \"many\" for ETCD_MAX_TXN_OPS: parse error");
    let (_, notices) = started(&[], &[("ETCD_NOPE", "1"), ("ETCD_VERSION", "true")]);
    assert!(notices.contains(&Notice::VariableUnknown { variable: "ETCD_NOPE=1".to_owned() }));
    assert!(notices.contains(&Notice::SpecialVariable { value: "true".to_owned() }));
}

#[test]
fn old_names_are_followed() {
    let (config, notices) = started(
        &["--experimental-compaction-batch-limit=7", "--experimental-enable-lease-checkpoint"],
        &[("ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL", "5s")],
    );
    assert_eq!(config.compaction_batch_limit, 7);
    assert_eq!(config.watch_progress_notify_interval, Duration::from_secs(5));
    assert!(config.feature_gates.is_on(Gate::LeaseCheckpoint));
    let warnings = notices.iter().filter(|notice| match notice {
        Notice::Warning(text) => text.contains(" is an old "),
        _ => false,
    });
    assert_eq!(warnings.count(), 3);
    let both = ["--experimental-compaction-batch-limit=7", "--compaction-batch-limit=8"];
    let fault = "cannot set --experimental-compaction-batch-limit and --compaction-batch-limit at \
                 the same time, please use --compaction-batch-limit only";
    assert_eq!(refused(&both, &[]), fault);
    let both = ["--experimental-enable-lease-checkpoint", "--feature-gates=LeaseCheckpoint=false"];
    let fault = "cannot specify both flags: --experimental-enable-lease-checkpoint=true and \
                 --feature-gates=LeaseCheckpoint=false at the same time, please just use \
                 --feature-gates=LeaseCheckpoint=false";
    assert_eq!(refused(&both, &[]), fault);
}

#[test]
fn what_does_not_act_says_so_and_what_would_mislead_is_refused() {
    let (_, notices) = started(
        &["--cors=http://a:1", "--memory-mlock", "--snapshot", "--v", "--force=x"],
        &[("ETCD_HOST_WHITELIST", "a")],
    );
    let whats: Vec<&str> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::NotYet { what } => Some(what.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(whats, ["--cors", "--host-whitelist", "--memory-mlock"]);
    let (_, notices) = started(&["--feature-gates=PriorityRequest=true"], &[]);
    let what = "feature gate PriorityRequest=true".to_owned();
    assert!(notices.contains(&Notice::NotYet { what }));
    for argument in
        ["--discovery=http://x", "--discovery-srv=x", "--discovery-endpoints=x", "--proxy=on"]
    {
        let name = argument.trim_start_matches("--").split('=').next().unwrap();
        assert_eq!(refused(&[argument], &[]), format!("--{name} is not supported yet"));
    }
    started(&["--proxy=off", "--config-file="], &[]);
    assert_eq!(refused(&["--auth-token=jwt,x=y"], &[]), "--auth-token=jwt is not supported yet");
}

#[test]
fn token_options_are_checked_and_no_kind_is_a_kind() {
    for token in ["x", "simple,", ",", "Simple", "simple,a", "simple,a=b=c", "simple,a=1,a=2"] {
        let argument = format!("--auth-token={token}");
        assert_eq!(refused(&[&argument], &[]), "auth: invalid auth options", "{token}");
    }
    for token in ["", "simple", "simple,a=1,b="] {
        assert_eq!(config(&[&format!("--auth-token={token}")]).auth_token, token);
    }
}

#[test]
fn flags_without_effect_yet_are_checked_as_in_etcd() {
    let version =
        |text| format!("unexpected TLS version \"{text}\" (must be one of: TLS1.2, TLS1.3)");
    assert_eq!(refused(&["--tls-min-version=TLS1.1"], &[]), version("TLS1.1"));
    assert_eq!(refused(&["--tls-max-version=x"], &[]), version("x"));
    let versions = ["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"];
    let fault = "min version (TLS1.3) is greater than max version (TLS1.2)";
    assert_eq!(refused(&versions, &[]), fault);
    let ciphers = ["--tls-min-version=TLS1.3", "--cipher-suites=x"];
    let fault = "cipher suites cannot be configured when only TLS1.3 is enabled";
    assert_eq!(refused(&ciphers, &[]), fault);
    started(&["--tls-min-version=", "--tls-max-version=TLS1.2"], &[]);

    for (rate, fault) in [("-1", "positive"), ("1000001", "less than 1000000")] {
        let rate = format!("--distributed-tracing-sampling-rate={rate}");
        started(&[&rate], &[]);
        let expected = format!(
            "distributed tracing configurition is not valid: (tracing sampling rate must be \
             {fault})"
        );
        assert_eq!(refused(&["--enable-distributed-tracing", &rate], &[]), expected);
    }

    let fault =
        "--log-outputs requires a single file path when --log-rotate-config-json is defined";
    for outputs in ["stderr", "a,b", "a,/dev/null"] {
        let outputs = format!("--log-outputs={outputs}");
        assert_eq!(refused(&["--enable-log-rotation", &outputs], &[]), fault);
    }
    started(&["--enable-log-rotation", "--log-outputs=a,stderr"], &[]);
}

#[test]
fn a_negative_number_of_learners_is_refused() {
    let fault = "membership: too many learner members in cluster";
    assert_eq!(refused(&["--max-learners=-1"], &[]), fault);
    assert_eq!(config(&["--max-learners=0"]).max_learners, 0);
}

#[test]
fn an_empty_list_of_origins_is_refused() {
    let fault =
        "invalid value \"\" for flag -cors: URL scheme must be http, https, unix, or unixs: ";
    assert_eq!(bad_usage(&["--cors="]), fault);
}

#[test]
fn rules_between_flags_in_etcds_words() {
    let cases: [(&[&str], &str); 18] = [
        (&["--heartbeat-interval=0"], "--heartbeat-interval must be >0 (set to 0ms)"),
        (&["--election-timeout=0"], "--election-timeout must be >0 (set to 0ms)"),
        (
            &["--election-timeout=499"],
            "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]",
        ),
        (
            &["--election-timeout=50001"],
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
        ),
        (
            &["--listen-client-urls=http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (
            &["--listen-peer-urls=http://example.com:2380"],
            "expected IP in URL for binding (http://example.com:2380)",
        ),
        (&["--listen-metrics-urls=http://:9"], "expected IP in URL for binding (http://:9)"),
        (
            &["--listen-metrics-urls=https://127.0.0.1:9"],
            "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
        ),
        (
            &["--listen-client-http-urls=http://localhost:2379"],
            "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url \
             http://localhost:2379",
        ),
        (
            &["--initial-advertise-peer-urls=http://:2380"],
            "--initial-advertise-peer-urls \"http://:2380\" must be \"host:port\" (unexpected \
             empty host (http://:2380))",
        ),
        (
            &["--advertise-client-urls=http://:2379,http://a:1"],
            "--advertise-client-urls \"http://:2379,http://a:1\" must be in the format \
             \"host:port\", \"unix:/path/to/socket\" or \"unixs:/path/to/socket\" (unexpected \
             empty host (http://:2379))",
        ),
        (&["--auto-compaction-mode=x"], "unknown auto-compaction-mode \"x\""),
        (&["--auto-compaction-mode="], "undefined auto-compaction-mode"),
        (
            &["--auto-compaction-retention=x"],
            "error parsing CompactionRetention: time: invalid duration \"x\"",
        ),
        (&["--compact-hash-check-time=0"], "--compact-hash-check-time must be >0 (set to 0s)"),
        (
            &["--feature-gates=LeaseCheckpointPersist=true"],
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate \
             LeaseCheckpoint",
        ),
        (
            &["--discovery-fallback=proxy"],
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        ),
        (&["--logger=capnslog"], "--logger=capnslog is removed in v3.5"),
    ];
    for (arguments, fault) in cases {
        assert_eq!(refused(arguments, &[]), fault);
    }
    let tls = ["--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://a:1"];
    assert!(refused(&tls, &[]).contains("not supported yet"));
}

#[test]
fn retention_depends_on_the_mode() {
    let retention = |mode: &str, retention: &str| {
        let mode = format!("--auto-compaction-mode={mode}");
        let retention = format!("--auto-compaction-retention={retention}");
        config(&[&mode, &retention]).auto_compaction
    };
    let hours = |hours: u64| Some(AutoCompaction::Periodic(Duration::from_secs(hours * 3600)));
    assert_eq!(retention("periodic", "2"), hours(2));
    assert_eq!(retention("periodic", "1h"), hours(1));
    assert_eq!(retention("periodic", "0"), None);
    assert_eq!(retention("periodic", ""), None);
    assert_eq!(retention("revision", "1000"), Some(AutoCompaction::Revision(1000)));
    assert_eq!(retention("revision", "5us"), Some(AutoCompaction::Revision(5000)));
}

#[test]
fn log_flags() {
    let logging = config(&["--log-level=WARN", "--log-outputs=b,stdout,a,b"]).logging;
    assert_eq!(logging.level, telemetry::Level::Warn);
    let file = |name: &str| LogOutput::File(name.to_owned());
    assert_eq!(logging.outputs, [file("a"), file("b"), LogOutput::Stdout]);
    assert_eq!(config(&["--log-outputs=a,/dev/null"]).logging.outputs, [LogOutput::Nowhere]);
    assert_eq!(config(&["--log-format=console"]).logging.format, telemetry::Format::Console);
    let fault = "unknown log format: xml, supported values json, console";
    assert_eq!(refused(&["--log-format=xml"], &[]), fault);
    let fault = "multi logoutput for \"default\" is not supported yet";
    assert_eq!(refused(&["--log-outputs=default,stdout"], &[]), fault);
    assert_eq!(refused(&["--log-level=loud"], &[]), "unrecognized level: \"loud\"");
}

#[test]
fn numbers_that_mean_something_else() {
    assert_eq!(config(&["--quota-backend-bytes=-1"]).quota, Quota::Unlimited);
    assert_eq!(config(&["--quota-backend-bytes=5"]).quota, Quota::Bytes(5));
    assert_eq!(config(&["--max-wals=0"]).max_wals, None);
    let (config, notices) = started(&["--bcrypt-cost=99"], &[]);
    assert_eq!(config.bcrypt_cost, 10);
    assert!(notices.contains(&Notice::BcryptCost { used: 10, given: 99 }));
}

#[test]
fn the_machines_host_replaces_the_default() {
    let arguments = ["etcd", "--name=a", "--listen-peer-urls=http://0.0.0.0:99"];
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let surroundings = Surroundings {
        variables: Vec::new(),
        default_host: Some("10.1.2.3".to_owned()),
        read_file: &|path| Err(format!("there is no {path}")),
    };
    let Outcome::Start { config, notices } = parse(&arguments, &surroundings) else {
        panic!("not started");
    };
    assert_eq!(config.advertise_peer_urls[0].to_string(), "http://10.1.2.3:99");
    assert_eq!(config.advertise_client_urls[0].to_string(), "http://localhost:2379");
    assert_eq!(config.initial_cluster, "a=http://10.1.2.3:99");
    assert!(notices.contains(&Notice::DefaultHost { host: "10.1.2.3".to_owned() }));
}

/// Something that the flag takes and that is not its default.
fn sample(flag: &crate::table::Flag) -> &'static str {
    use crate::flag::Kind;
    match flag.kind {
        Kind::Bool if flag.default == "true" => "false",
        Kind::Bool => "true",
        Kind::Int | Kind::Uint | Kind::Uint32 => "7",
        Kind::Duration => "7s",
        Kind::Text | Kind::List | Kind::Set | Kind::Ignored => "some,text",
        Kind::Urls | Kind::Origins => "http://127.0.0.1:7",
        Kind::Choice(choices) | Kind::Choices(choices) => {
            choices.iter().rev().find(|choice| **choice != flag.default).unwrap()
        }
        Kind::Gates => "CompactHashCheck=true",
    }
}

#[test]
fn every_flag_is_set_by_both_forms_and_by_its_variable() {
    let flags: Vec<_> = crate::table::FLAGS.iter().flat_map(|group| group.flags).collect();
    for flag in flags {
        let value = sample(flag);
        let expected = flag.kind.parse(value, &flag.kind.default_value(flag.default)).unwrap();
        let joined = [format!("--{}={value}", flag.name)];
        let apart = [format!("-{}", flag.name), value.to_owned()];
        let is_switch = flag.kind.is_switch();
        for arguments in [&joined[..], &apart[..if is_switch { 0 } else { 2 }]] {
            let mut set = FlagSet::new();
            set.parse(arguments).unwrap();
            assert!(arguments.is_empty() || *set.value(flag.name) == expected, "{arguments:?}");
        }
        // The version's variable would print it and end, which etcd does not let a variable do.
        if flag.name != "version" {
            let mut set = FlagSet::new();
            environment::apply(&mut set, &[(flag.variable(), value.to_owned())]).unwrap();
            assert_eq!(*set.value(flag.name), expected, "{}", flag.variable());
        }
    }
}

#[test]
fn a_flag_either_acts_or_warns_or_is_refused() {
    for flag in crate::table::FLAGS.iter().flat_map(|group| group.flags) {
        let argument = format!("--{}={}", flag.name, sample(flag));
        let what = format!("--{}", flag.name);
        let told = |notices: &[Notice]| notices.contains(&Notice::NotYet { what: what.clone() });
        match run(&[&argument], &[]) {
            Outcome::Start { notices, .. } | Outcome::Refused { notices, .. }
                if flag.status == Status::NotYet =>
            {
                assert!(told(&notices), "{argument}");
            }
            Outcome::Refused { reason, .. } if flag.status == Status::Refused => {
                let expected = Error::NotYet(flag.name.to_owned());
                assert!(reason == expected || flag.name == "discovery-fallback", "{reason}");
            }
            Outcome::Start { notices, .. } => assert!(!told(&notices), "{argument}"),
            Outcome::Refused { .. } | Outcome::Exit { .. } => {
                // By a rule between flags, or since it ends the program by itself.
                let by_rule = Status::Acts == flag.status || matches!(flag.status, Status::Gate(_));
                assert!(by_rule, "{argument}");
            }
        }
    }
}
