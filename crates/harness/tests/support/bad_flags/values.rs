//! Every flag of `etcd` with values at and beyond the ends of its type.

use super::Line;

/// The rows of the flags' table: name, type and default first.
const FLAGS: &str = include_str!("../../../../config/testdata/etcd-flags.tsv");

const BOOLS: &[&str] = &["T", "F", "1", "0", "TRUE", "junk", "", "tRUE", "2", "yes"];

const INTS: &[&str] = &[
    "-1",
    "",
    "junk",
    "0x10",
    "1_000",
    "+5",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1.5",
    "08",
    "0b2",
    "1e3",
    " 1",
];

const UINTS: &[&str] = &[
    "-1",
    "",
    "junk",
    "0x10",
    "1_000",
    "+5",
    "18446744073709551615",
    "18446744073709551616",
    "0",
    "4294967296",
    "1.5",
    "08",
];

const UINT32S: &[&str] =
    &["-1", "", "junk", "0x10", "1_000", "+5", "4294967295", "4294967296", "0", "1.5"];

const DURATIONS: &[&str] = &[
    "-1s",
    "",
    "junk",
    "0",
    "5",
    "1d",
    "1h1",
    "1.5h",
    "9223372036854775807ns",
    "9223372036854775808ns",
    "-9223372036854775808ns",
    "3000000h",
    "+5ms",
    "1 s",
    "1µs",
    "0x10s",
    "1_000s",
];

const URLS: &[&str] = &[
    "",
    "junk",
    "http://",
    "http://127.0.0.1",
    "127.0.0.1:1",
    "ftp://127.0.0.1:1",
    "http://127.0.0.1:1/path",
    "http://127.0.0.1:1/",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:1,",
    "http://127.0.0.1:1,http://127.0.0.1:1",
    "http://[::1]:1",
    "http://::1:1",
    "http://localhost:1",
    "http://example.invalid:1",
    "unix://x",
    "unix:///nowhere/socket",
    "unixs://x:1",
    "http://:1",
    "http://127.0.0.1:x",
    "http://127.0.0.1:-1",
    "http://u:p@127.0.0.1:1",
    "http://127.0.0.1:1?q=1",
    "http://127.0.0.1:1#f",
    "HTTP://127.0.0.1:1",
    " http://127.0.0.1:1",
    "http://127.0.0.1:%31",
    "http://[::1",
    "http://127.0.0.1 :1",
    "http://0.0.0.0:1",
    "https://127.0.0.1:1",
    "http://127.0.0.1:1;http://127.0.0.1:2",
];

/// The variable of a flag.
pub fn variable(flag: &str) -> String {
    format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// A flag of a type that has no rules of its own, in every version.
pub fn of_type(kind: &str) -> &'static str {
    match kind {
        "bool" => "strict-reconfig-check",
        "int" | "int64" => "backend-batch-limit",
        "uint" | "uint64" => "max-wals",
        "uint32" => "max-concurrent-streams",
        "duration" => "grpc-keepalive-interval",
        _ => "listen-metrics-urls",
    }
}

fn values(kind: &str) -> Vec<String> {
    let listed = match kind {
        "bool" => BOOLS,
        "int" | "int64" => INTS,
        "uint" | "uint64" => UINTS,
        "uint32" => UINT32S,
        "duration" => DURATIONS,
        "url-list" => URLS,
        kind => {
            let Some(choices) = kind.strip_prefix("enum(") else { return Vec::new() };
            let choices = choices.trim_end_matches(')').split('|');
            let first = choices.clone().next().unwrap().to_uppercase();
            let others = [String::new(), "junk".to_owned(), first];
            return choices.map(str::to_owned).chain(others).collect();
        }
    };
    listed.iter().map(|&value| value.to_owned()).collect()
}

/// Each flag with each value, as argument and as variable by turns.
pub fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for row in FLAGS.lines().skip(1) {
        let mut columns = row.split('\t');
        let flag = columns.next().unwrap().trim_start_matches("--").to_owned();
        let kind = columns.next().unwrap().to_owned();
        for value in values(&kind) {
            let flag_and_kind = Some((flag.clone(), kind.clone()));
            let argument = format!("--{flag}={value}");
            lines.push(Line {
                arguments: vec![argument],
                flag: flag_and_kind.clone(),
                ..Line::default()
            });
            lines.push(Line {
                variables: vec![(variable(&flag), value)],
                flag: flag_and_kind,
                ..Line::default()
            });
        }
    }
    lines
}
