//! `/health`, `/livez` and `/readyz` (etcd `server/etcdserver/api/etcdhttp/health.go`).

use api::{Read, Service};
use http::StatusCode;
use telemetry::{Counter, Gauge, Labelled, Registry};

use crate::query::Query;
use crate::reply::{self, Reply};

/// The metrics of health checks.
#[derive(Clone)]
pub struct Metrics {
    success: Counter,
    failures: Counter,
    result: Labelled<Gauge>,
    total: Labelled<Counter>,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            success: registry.counter(
                "etcd_server_health_success",
                "The total number of successful health checks",
            ),
            failures: registry
                .counter("etcd_server_health_failures", "The total number of failed health checks"),
            result: registry.gauges(
                "etcd_server_healthcheck",
                "The result of each kind of healthcheck.",
                &["type", "name"],
            ),
            total: registry.counters(
                "etcd_server_healthchecks_total",
                "The total number of each kind of healthcheck.",
                &["type", "name", "status"],
            ),
        }
    }
}

/// `/health`: alarms, a leader, and a read.
pub(crate) async fn health<S: Service>(service: &S, metrics: &Metrics, query: &Query) -> Reply {
    let read = if query.first("serializable") == Some("true") {
        Read::Serializable
    } else {
        Read::Linearizable
    };
    match unhealthy(service, read, query).await {
        None => {
            metrics.success.inc();
            reply::guessed(r#"{"health":"true","reason":""}"#.to_owned())
        }
        Some(reason) => {
            metrics.failures.inc();
            let body = format!(r#"{{"health":"false","reason":{}}}"#, json_string(&reason));
            tracing::warn!(output = %body, "status-code" = 503, "/health error");
            reply::error(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

/// What is wrong, in etcd's words.
async fn unhealthy<S: Service>(service: &S, read: Read, query: &Query) -> Option<String> {
    let state = service.health();
    let mut alarms = state.alarms.iter();
    if let Some(alarm) = alarms.find(|alarm| !query.all("exclude").any(|name| name == **alarm)) {
        return Some(format!("ALARM {alarm}"));
    }
    if read == Read::Linearizable && !state.has_leader {
        return Some("RAFT NO LEADER".to_owned());
    }
    let error = service.try_read(read).await.err()?;
    Some(format!("RANGE ERROR:{}", error.message))
}

/// A single check of `/livez` and `/readyz`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
            Self::NonLearner => "non_learner",
        }
    }

    async fn run<S: Service>(self, service: &S) -> Result<(), String> {
        let read = |result: Result<(), api::Error>| {
            result.map_err(|error| format!("range error: {}", error.message))
        };
        match self {
            Self::DataCorruption if service.health().alarms.contains(&"CORRUPT") => {
                Err("alarm activated: CORRUPT".to_owned())
            }
            Self::NonLearner if service.health().is_learner => {
                Err("not supported for learner".to_owned())
            }
            Self::DataCorruption | Self::NonLearner => Ok(()),
            Self::SerializableRead => read(service.try_read(Read::Serializable).await),
            Self::LinearizableRead => read(service.try_read(Read::Linearizable).await),
        }
    }
}

/// A group of checks with a path of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    Livez,
    Readyz,
}

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }

    const fn checks(self) -> &'static [Check] {
        match self {
            Self::Livez => &[Check::SerializableRead],
            Self::Readyz => &[
                Check::DataCorruption,
                Check::SerializableRead,
                Check::LinearizableRead,
                Check::NonLearner,
            ],
        }
    }
}

/// `/livez`, `/readyz` and the paths below them; `only` names the one check that is wanted.
pub(crate) async fn checks<S: Service>(
    service: &S,
    metrics: &Metrics,
    group: Group,
    only: Option<&str>,
    query: &Query,
) -> Reply {
    let wanted: Vec<Check> = group
        .checks()
        .iter()
        .copied()
        .filter(|check| match only {
            Some(name) => check.name() == name,
            None => !query.all("exclude").any(|name| name == check.name()),
        })
        .collect();
    if wanted.is_empty() && only.is_some() {
        return reply::not_found();
    }
    let mut lines = String::new();
    let mut failed = false;
    for check in wanted {
        let (name, result) = (check.name(), check.run(service).await);
        let status = if result.is_ok() { "success" } else { "error" };
        metrics.result.with(&[group.name(), name]).set(f64::from(u8::from(result.is_ok())));
        metrics.total.with(&[group.name(), name, status]).inc();
        match result {
            Ok(()) => lines.push_str(&format!("[+]{name} ok\n")),
            Err(error) => {
                failed = true;
                lines.push_str(&format!("[-]{name} failed: {error}\n"));
            }
        }
    }
    if failed {
        tracing::error!(path = group.name(), reason = %lines, "status-code" = 503,
            "Health check error");
        return reply::error(StatusCode::SERVICE_UNAVAILABLE, &lines);
    }
    let details = if query.first("verbose").is_some() { lines } else { String::new() };
    reply::text(format!("{details}ok\n"))
}

/// A JSON string as Go writes it.
fn json_string(text: &str) -> String {
    let list = telemetry::json_strings([text]);
    list[1..list.len() - 1].to_owned()
}
