//! `--version`, `--help`, and the usage line after a bad flag.

use crate::flag::Kind;
use crate::table::{FLAGS, Flag, Status};
use std::fmt::Write as _;

/// The etcd version that is spoken.
pub const ETCD_VERSION: &str = "3.7.1";

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What stands where Go's version is asked for.
pub const GO_VERSION: &str = concat!("none (Rust ", env!("CARGO_PKG_RUST_VERSION"), ")");
const GIT_SHA: Option<&str> = option_env!("OXETCD_GIT_SHA");

/// The lines of `etcd --version`: etcd's four, then ours.
#[must_use]
pub fn version_text() -> String {
    let (os, architecture) = (std::env::consts::OS, go_architecture());
    format!(
        "etcd Version: {ETCD_VERSION}\n\
         Git SHA: {}\n\
         Go Version: {GO_VERSION}\n\
         Go OS/Arch: {os}/{architecture}\n\
         oxetcd Version: {VERSION}\n",
        GIT_SHA.unwrap_or("not provided"),
    )
}

/// The architecture's name in Go.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Printed on standard error after a bad flag, and before the help.
pub const USAGE: &str = "Usage:

  etcd [flags]
    Runs a member of a cluster.

  etcd --version
    Prints versions.

  etcd -h | --help
    Prints all flags.

";

/// All flags, for `--help`.
pub fn help_text() -> String {
    let mut out = String::new();
    for group in FLAGS {
        write!(out, "\n{}:\n", group.title).expect("writing to a string cannot fail");
        for flag in group.flags {
            write_flag(&mut out, flag);
        }
    }
    out.push_str(
        "\nEach flag can also be set by a variable: --snapshot-count by ETCD_SNAPSHOT_COUNT.\n",
    );
    out
}

fn write_flag(out: &mut String, flag: &Flag) {
    let default = match (flag.kind, flag.name) {
        (Kind::Ignored, _) => String::new(),
        (_, "data-dir") => " '${name}.etcd'".to_owned(),
        _ => format!(" '{}'", flag.default),
    };
    let remark = match flag.status {
        Status::Acts | Status::Ignored => String::new(),
        Status::Alias(of) => format!(" Use --{of}."),
        Status::Gate(gate) => format!(" Use --feature-gates={gate}=true."),
        Status::NotYet => " Not yet: has no effect.".to_owned(),
        Status::Refused => " Not yet: refused.".to_owned(),
    };
    writeln!(out, "  --{}{default}\n    {}.{remark}", flag.name, flag.help)
        .expect("writing to a string cannot fail");
}
