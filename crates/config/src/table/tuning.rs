//! Flags of periodic checks, feature gates, and what is unsafe.

use super::{Flag, Kind, Status, flag};

/// Sorted by name.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag("bootstrap-defrag-threshold-megabytes", Kind::Uint, "0", Status::Acts, "Defrag at boot when this many MB could be freed"),
    flag("compact-hash-check-time", Kind::Duration, "1m0s", Status::Acts, "Period of leader hash comparison with followers"),
    flag("compaction-batch-limit", Kind::Int, "1000", Status::Acts, "Revisions removed per compaction step (0 = 1000)"),
    flag("compaction-sleep-interval", Kind::Duration, "0s", Status::Acts, "Pause between compaction steps (0 = 10ms)"),
    flag("config-file", Kind::Text, "", Status::Acts, "YAML file replacing all flags and env"),
    flag("corrupt-check-time", Kind::Duration, "0s", Status::Acts, "Period of whole-cluster hash check; 0 off"),
    flag("downgrade-check-time", Kind::Duration, "5s", Status::Acts, "Period of downgrade state checks"),
    flag("feature-gates", Kind::Gates, "", Status::Acts, "Name=bool list of server features"),
    flag("force-new-cluster", Kind::Bool, "false", Status::Acts, "Rewrite membership to this one member"),
    flag("unsafe-no-fsync", Kind::Bool, "false", Status::Acts, "Skip fsync calls"),
    flag("version", Kind::Bool, "false", Status::Acts, "Print version lines and exit 0"),
    flag("watch-progress-notify-interval", Kind::Duration, "0s", Status::Acts, "Period of watch progress events (0 = 10m)"),
];
