//! The plain HTTP endpoints of the client and metrics listeners, by path.

use std::sync::Arc;

use api::Service;
use http::Method;
use http::request::Parts;
use telemetry::{Counter, Gauge, Registry};

use crate::head;
use crate::health::{self, Group, Metrics};
use crate::query::Query;
use crate::reply::{self, Reply};

/// Answers plain HTTP requests.
pub struct Endpoints<S> {
    service: Arc<S>,
    registry: Registry,
    metrics: Metrics,
    scrapes: Scrapes,
    scope: Scope,
}

/// Which endpoints there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All of them.
    Clients,
    /// Metrics and health.
    Metrics,
}

impl<S> Clone for Endpoints<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            registry: self.registry.clone(),
            metrics: self.metrics.clone(),
            scrapes: self.scrapes.clone(),
            scope: self.scope,
        }
    }
}

impl<S: Service> Endpoints<S> {
    /// The endpoints over an API; `registry` is what `/metrics` shows.
    #[must_use]
    pub fn new(service: Arc<S>, registry: Registry) -> Self {
        let (metrics, scrapes) = (Metrics::new(&registry), Scrapes::new(&registry));
        Self { service, registry, metrics, scrapes, scope: Scope::Clients }
    }

    /// What of them a listener for metrics has (`--listen-metrics-urls`).
    #[must_use]
    pub fn of_metrics(&self) -> Self {
        Self { scope: Scope::Metrics, ..self.clone() }
    }

    /// Answers a request.
    pub async fn call(&self, request: &Parts) -> Reply {
        let path = match head::path(request) {
            Ok(path) => path,
            Err(answer) => return *answer,
        };
        let query = Query::parse(request.uri.query().unwrap_or_default());
        let Some(endpoint) = Endpoint::of(&path, self.scope) else { return reply::not_found() };
        if request.method != Method::GET && !endpoint.takes_any_method() {
            return reply::only_get();
        }
        match endpoint {
            Endpoint::Version => self.version(),
            Endpoint::Metrics => self.scrapes.counting(|| reply::metrics(self.registry.render())),
            Endpoint::Health => health::health(&*self.service, &self.metrics, &query).await,
            Endpoint::Checks(group, only) => {
                health::checks(&*self.service, &self.metrics, group, only, &query).await
            }
        }
    }

    fn version(&self) -> Reply {
        let versions = self.service.versions();
        reply::json(format!(
            r#"{{"etcdserver":"{}","etcdcluster":"{}","storage":"{}"}}"#,
            versions.server, versions.cluster, versions.storage
        ))
    }
}

/// How often the metrics were read.
#[derive(Clone)]
struct Scrapes {
    under_way: Gauge,
    done: Counter,
}

impl Scrapes {
    fn new(registry: &Registry) -> Self {
        let done = registry.counters(
            "promhttp_metric_handler_requests_total",
            "How often the metrics were read, by HTTP status.",
            &["code"],
        );
        // Reading them cannot fail here; whoever watches for that finds zeros.
        for code in ["500", "503"] {
            let _ = done.with(&[code]);
        }
        let under_way = registry.gauge(
            "promhttp_metric_handler_requests_in_flight",
            "Readings of the metrics that are under way.",
        );
        Self { under_way, done: done.with(&["200"]) }
    }

    fn counting<T>(&self, read: impl FnOnce() -> T) -> T {
        self.under_way.inc();
        let result = read();
        self.under_way.dec();
        self.done.inc();
        result
    }
}

enum Endpoint<'a> {
    Version,
    Metrics,
    Health,
    Checks(Group, Option<&'a str>),
}

impl<'a> Endpoint<'a> {
    fn of(path: &'a str, scope: Scope) -> Option<Self> {
        let check = |group, rest: &'a str| match rest {
            "" => Some(Self::Checks(group, None)),
            rest => Some(Self::Checks(group, Some(rest.strip_prefix('/')?))),
        };
        match path {
            "/version" if scope == Scope::Clients => Some(Self::Version),
            "/metrics" => Some(Self::Metrics),
            "/health" => Some(Self::Health),
            path => path
                .strip_prefix("/livez")
                .and_then(|rest| check(Group::Livez, rest))
                .or_else(|| check(Group::Readyz, path.strip_prefix("/readyz")?)),
        }
    }

    const fn takes_any_method(&self) -> bool {
        matches!(self, Self::Metrics)
    }
}
