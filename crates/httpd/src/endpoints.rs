//! The plain HTTP endpoints of the client and metrics listeners, by path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::Service;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use telemetry::{Counter, Gauge, Registry};
use tokio::sync::Mutex;

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
    /// What the process says of itself, as members of a JSON object.
    process: fn() -> String,
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
            process: self.process,
        }
    }
}

impl<S: Service> Endpoints<S> {
    /// The endpoints over an API; `registry` is what `/metrics` shows, `process` what `/debug/vars`
    /// tells before raft's state: members of a JSON object.
    #[must_use]
    pub fn new(service: Arc<S>, registry: Registry, process: fn() -> String) -> Self {
        let (metrics, scrapes) = (Metrics::new(&registry), Scrapes::new(&registry));
        Self { service, registry, metrics, scrapes, scope: Scope::Clients, process }
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
            Endpoint::Variables => self.variables().await,
            Endpoint::Metrics => reply::metrics(self.scrapes.page(&self.registry).await),
            Endpoint::Health => health::health(&*self.service, &self.metrics, &query).await,
            Endpoint::Checks(group, only) => {
                health::checks(&*self.service, &self.metrics, group, only, &query).await
            }
        }
    }

    async fn variables(&self) -> Reply {
        let raft = self.service.raft_json().await;
        let raft = raft.as_deref().unwrap_or("null");
        reply::json_utf8(format!("{{\n{},\n\"raft.status\": {raft}\n}}\n", (self.process)()))
    }

    fn version(&self) -> Reply {
        let versions = self.service.versions();
        reply::json(format!(
            r#"{{"etcdserver":"{}","etcdcluster":"{}","storage":"{}"}}"#,
            versions.server, versions.cluster, versions.storage
        ))
    }
}

/// Reads the metrics: one reading at a time, away from the threads that serve, and one for all who
/// asked before it began. So readers cost others little, however many they are.
#[derive(Clone)]
struct Scrapes {
    page: Arc<Mutex<Page>>,
    /// Readings that have begun.
    begun: Arc<AtomicU64>,
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
        let (page, begun) = (Arc::default(), Arc::default());
        Self { page, begun, under_way, done: done.with(&["200"]) }
    }

    async fn page(&self, registry: &Registry) -> Bytes {
        let seen = self.begun.load(Ordering::SeqCst);
        let mut page = Arc::clone(&self.page).lock_owned().await;
        if page.reading <= seen {
            let (begun, registry) = (Arc::clone(&self.begun), registry.clone());
            let under_way = self.under_way.clone();
            // It holds the page to its end, also when who asked goes away.
            let reading = tokio::task::spawn_blocking(move || {
                page.reading = begun.fetch_add(1, Ordering::SeqCst) + 1;
                under_way.inc();
                page.text = registry.render().into();
                under_way.dec();
                page
            });
            page = match reading.await {
                Ok(page) => page,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The server stops, and nobody gets the answer.
                Err(_) => return Bytes::new(),
            };
        }
        self.done.inc();
        page.text.clone()
    }
}

/// The last reading.
#[derive(Default)]
struct Page {
    /// Its number; of those that had begun by then, the last.
    reading: u64,
    text: Bytes,
}

enum Endpoint<'a> {
    Version,
    Variables,
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
            "/debug/vars" if scope == Scope::Clients => Some(Self::Variables),
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use telemetry::Kind;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);
    /// More than there should be.
    const READINGS_MAX: usize = 32;

    #[tokio::test]
    async fn many_readers_of_the_metrics_share_readings() {
        let registry = Registry::new();
        let scrapes = Scrapes::new(&registry);
        let (begun, begins) = mpsc::sync_channel(READINGS_MAX);
        let (allow, allowed) = mpsc::sync_channel::<()>(READINGS_MAX);
        let allowed = std::sync::Mutex::new(allowed);
        registry.collect("readings", "", Kind::Counter, move |samples| {
            begun.send(()).expect("the test listens");
            allowed.lock().expect("one reading at a time").recv().expect("the test allows it");
            samples.add("", &[], 1.0);
        });
        let read = || {
            let (scrapes, registry) = (scrapes.clone(), registry.clone());
            tokio::spawn(async move { scrapes.page(&registry).await })
        };
        let first = read();
        tokio::task::yield_now().await;
        begins.recv_timeout(DEADLINE).expect("the first reading begins");
        // Who asks now has to see what has happened since the first reading began.
        let others: Vec<_> = (0..20).map(|_| read()).collect();
        tokio::task::yield_now().await;
        allow.send(()).expect("the reading waits");
        assert!(!first.await.expect("it does not panic").is_empty());
        allow.send(()).expect("the reading waits");
        for other in others {
            assert!(!other.await.expect("it does not panic").is_empty());
        }
        assert_eq!(begins.try_iter().count(), 1, "one reading for twenty");
        assert_eq!(scrapes.begun.load(Ordering::SeqCst), 2);
    }
}
