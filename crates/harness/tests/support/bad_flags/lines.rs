//! Command lines of Go's flag syntax, of texts with rules of their own, of several flags, and of
//! variables.

use super::Line;

/// Arguments that are more than one flag and its value.
const ARGUMENTS: &[&[&str]] = &[
    &["---name=x"],
    &["--=x"],
    &["-=x"],
    &["--name"],
    &["--nmae=x"],
    &["-name=x"],
    &["-name", "x", "extra"],
    &["extra"],
    &["--", "--name=x"],
    &["-"],
    &["--pre-vote", "false"],
    &["--pre-vote=false"],
    &["--pre-vote=", "x"],
    &["--name=a", "--name=b"],
    &["--name=a=b"],
    &["--snapshot-count=1", "--snapshot-count=x"],
    &["--snapshot-count=x", "--nope"],
    &["--nope", "--snapshot-count=x"],
    &["--snapshot-count"],
    &["--snapshot-count", "-5"],
    &["--election-timeout", "--pre-vote"],
    &["--x=\n"],
    &["--snapshot-count=a\"b\\c\té"],
    &["--force-new-cluster", "--force-new-cluster=false"],
    &["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
    &["--tls-min-version=TLS1.3", "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
    &["--enable-log-rotation", "--log-outputs=log1,log2"],
    &["--enable-log-rotation", "--log-outputs=stderr"],
    &[
        "--experimental-enable-distributed-tracing",
        "--experimental-distributed-tracing-sampling-rate=-1",
    ],
    &[
        "--experimental-enable-distributed-tracing",
        "--experimental-distributed-tracing-sampling-rate=1000001",
    ],
    &["--experimental-distributed-tracing-sampling-rate=-1"],
    &["--listen-client-urls=http://127.0.0.1:1,http://127.0.0.1:1"],
    &["--listen-peer-urls=http://127.0.0.1:1", "--listen-client-urls=http://127.0.0.1:1"],
    &["--discovery-srv=example.invalid", "--initial-cluster=m=http://127.0.0.1:1"],
    &["--config-file=nowhere"],
    &["--config-file=nowhere", "--name=q"],
];

/// Heartbeat and election in ms.
const TIMES: &[(&str, &str)] = &[
    ("0", "1000"),
    ("100", "0"),
    ("100", "499"),
    ("100", "500"),
    ("100", "50000"),
    ("100", "50001"),
    ("10001", "50000"),
    ("18446744073709551615", "1000"),
    ("3689348814741910324", "1000"),
    ("1", "18446744073709551615"),
    ("18446744073709551615", "18446744073709551615"),
];

/// Texts by flag.
const TEXTS: &[(&str, &[&str])] = &[
    ("auto-compaction-mode", &["", "periodic", "revision", "junk", "Periodic"]),
    ("auto-compaction-retention", &["", "1h", "1.5h", "9223372036854775807", "10000000000"]),
    ("auth-token", &["", "simple", "simple,a=b"]),
    ("log-level", &["", "INFO", "debug", "dpanic", "warning", "junk"]),
    ("logger", &["", "zap", "capnslog", "junk"]),
    (
        "log-outputs",
        &[
            "",
            "default",
            "default,stderr",
            "stderr,stdout",
            "stderr,stderr",
            "nowhere/log",
            ".",
            "stderr,.",
            ",",
            "default,default",
            "systemd/journal",
        ],
    ),
    ("metrics", &["", "junk", "extensive", "Extensive"]),
    ("name", &["", " ", "a,b", "é"]),
    ("initial-cluster", &["", "m", "m=", "junk", ","]),
    ("initial-cluster-token", &["", " "]),
    ("backend-bbolt-freelist-type", &["", "map", "array", "junk"]),
    ("cipher-suites", &["", "junk", "TLS_RSA_WITH_AES_128_GCM_SHA256", ","]),
    ("tls-min-version", &["", "TLS1.2", "TLS1.3", "TLS1.1", "junk"]),
    ("tls-max-version", &["", "TLS1.2", "TLS1.3", "TLS1.1", "junk"]),
    ("host-whitelist", &["", "*", "a,b", ","]),
    ("cors", &["*", "*,http://a:1", "junk", "http://a:1", ",", ""]),
    ("discovery-srv-name", &[""]),
    ("wal-dir", &[""]),
    ("cert-file", &["", "nowhere"]),
    ("trusted-ca-file", &["nowhere"]),
    ("test.coverprofile", &["x"]),
    ("v", &["3"]),
    ("force", &["x"]),
    ("snapshot", &["x"]),
    ("config", &["x"]),
    ("help", &["x"]),
];

/// Variables, and the arguments beside them.
type Environment = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const ENVIRONMENTS: &[Environment] = &[
    (&[("ETCD_NOPE", "1")], &[]),
    (&[("ETCD_", "x")], &[]),
    (&[("ETCD", "x")], &[]),
    (&[("ETCD_NAME", "x")], &[]),
    (&[("ETCD_NAME", "m")], &[]),
    (&[("ETCD_VERSION", "true")], &[]),
    (&[("ETCD_VERSION", "")], &[]),
    (&[("ETCD_HELP", "1")], &[]),
    (&[("ETCD_SNAPSHOT_COUNT", "x"), ("ETCD_MAX_WALS", "y")], &[]),
    (&[("ETCD_SNAPSHOT_COUNT", "x"), ("ETCD_NAME", "y")], &[]),
    (&[("ETCD_SNAPSHOT_COUNT", "7"), ("ETCD_MAX_WALS", "7")], &[]),
    (&[("ETCD_UNSUPPORTED_ARCH", "amd64")], &[]),
    (&[("ETCD_PRE_VOTE", " true")], &[]),
    (&[("etcd_pre_vote", "x")], &[]),
    (&[("ETCD_PRE-VOTE", "x")], &[]),
    (&[("ETCD_LOG_LEVEL", "error")], &[]),
    (&[("ETCD_LOG_LEVEL", "debug")], &[]),
    (&[("ETCD_INITIAL_CLUSTER_STATE", "junk")], &[]),
    (&[("ETCD_CORS", "junk")], &[]),
    (&[("ETCD_NAME", ""), ("ETCD_DATA_DIR", "")], &[]),
    (&[("ETCD_V2_DEPRECATION", "junk")], &[]),
    (&[("ETCD_QUOTA_BACKEND_BYTES", "-1")], &[]),
    (&[("ETCDCTL_API", "3")], &[]),
    (&[("ETCD_V", "1")], &[]),
    (&[("ETCD_CONFIG_FILE", "nowhere")], &[]),
    (&[("ETCD_SNAPSHOT_COUNT", "")], &["--snapshot-count=5"]),
    (&[("ETCD_SNAPSHOT_COUNT", "x")], &["--snapshot-count=5"]),
    (&[("ETCD_SNAPSHOT_COUNT", "x")], &["--snapshot-count=x"]),
];

/// What listens without saying how it is reached.
const BARE: &[(&[&str], Environment)] = &[
    (&["--listen-client-urls=http://127.0.0.1:0"], (&[], &[])),
    (&["--advertise-client-urls=http://127.0.0.1:0"], (&[], &[])),
    (&["--listen-client-urls="], (&[], &[])),
    (&["--listen-client-urls=", "--advertise-client-urls="], (&[], &[])),
    (&[], (&[("ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:0")], &[])),
    (&["--listen-client-urls=http://example.invalid:1"], (&[], &[])),
];

fn line(arguments: &[&str], variables: &[(&str, &str)]) -> Line {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Line {
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        variables: variables.iter().map(owned).collect(),
        ..Line::default()
    }
}

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = ARGUMENTS.iter().map(|arguments| line(arguments, &[])).collect();
    for (heartbeat, election) in TIMES {
        let heartbeat = format!("--heartbeat-interval={heartbeat}");
        lines.push(line(&[&heartbeat, &format!("--election-timeout={election}")], &[]));
    }
    for (flag, texts) in TEXTS {
        lines.extend(texts.iter().map(|text| line(&[&format!("--{flag}={text}")], &[])));
    }
    for (variables, arguments) in ENVIRONMENTS {
        lines.push(line(arguments, variables));
    }
    for (arguments, (variables, _)) in BARE {
        lines.push(Line {
            bare: true,
            ..line(&[&["--data-dir=file"], *arguments].concat(), variables)
        });
    }
    lines
}
