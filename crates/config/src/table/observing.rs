//! Flags of logs, metrics, profiles and traces.

use super::{Flag, Kind, Status, flag};

/// Sorted by name.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag("distributed-tracing-address", Kind::Text, "localhost:4317", Status::NotYet, "OTLP gRPC collector address"),
    flag("distributed-tracing-instance-id", Kind::Text, "", Status::NotYet, "Trace instance id, unique per member"),
    flag("distributed-tracing-sampling-rate", Kind::Int, "0", Status::NotYet, "Sampled spans per million"),
    flag("distributed-tracing-service-name", Kind::Text, "etcd", Status::NotYet, "Trace service name"),
    flag("enable-distributed-tracing", Kind::Bool, "false", Status::NotYet, "Turn on OpenTelemetry tracing"),
    flag("enable-log-rotation", Kind::Bool, "false", Status::NotYet, "Rotate the single log output file"),
    flag("enable-pprof", Kind::Bool, "false", Status::NotYet, "Serve /debug/pprof plus trace pages"),
    flag("listen-metrics-urls", Kind::Urls, "", Status::Acts, "Extra listeners for metrics and health"),
    flag("log-format", Kind::Text, "json", Status::Acts, "Json or console"),
    flag("log-level", Kind::Text, "info", Status::Acts, "Debug, info, warn, error, panic, fatal"),
    flag("log-outputs", Kind::Set, "default", Status::Acts, "Log targets: default, stderr, stdout, systemd/journal, files"),
    flag("log-rotation-config-json", Kind::Text, r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#, Status::NotYet, "Rotation settings as JSON text"),
    flag("logger", Kind::Text, "zap", Status::Acts, "Logger kind; only zap now"),
    flag("metrics", Kind::Text, "basic", Status::Acts, "Basic or extensive (adds gRPC latency histograms)"),
    flag("warning-apply-duration", Kind::Duration, "100ms", Status::Acts, "Log applies slower than this"),
    flag("warning-unary-request-duration", Kind::Duration, "300ms", Status::Acts, "Log unary calls slower than this"),
];
