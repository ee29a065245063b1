//! The plain HTTP endpoints of the client and metrics listeners, by path.

use std::sync::Arc;

use api::Service;
use http::Method;
use http::request::Parts;
use telemetry::Registry;

use crate::health::{self, Group, Metrics};
use crate::query::Query;
use crate::reply::{self, Reply};

/// Answers plain HTTP requests.
pub struct Endpoints<S> {
    service: Arc<S>,
    registry: Registry,
    metrics: Metrics,
}

impl<S> Clone for Endpoints<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            registry: self.registry.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl<S: Service> Endpoints<S> {
    /// The endpoints over an API; `registry` is what `/metrics` shows.
    #[must_use]
    pub fn new(service: Arc<S>, registry: Registry) -> Self {
        let metrics = Metrics::new(&registry);
        Self { service, registry, metrics }
    }

    /// Answers a request.
    pub async fn call(&self, request: &Parts) -> Reply {
        let path = request.uri.path();
        let query = Query::parse(request.uri.query().unwrap_or_default());
        let Some(endpoint) = Endpoint::of(path) else { return reply::not_found() };
        if request.method != Method::GET
            && !(request.method == Method::HEAD && endpoint.takes_head())
        {
            return reply::only_get();
        }
        match endpoint {
            Endpoint::Version => self.version(),
            Endpoint::Metrics => reply::metrics(self.registry.render()),
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

enum Endpoint<'a> {
    Version,
    Metrics,
    Health,
    Checks(Group, Option<&'a str>),
}

impl<'a> Endpoint<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let check = |group, rest: &'a str| match rest {
            "" => Some(Self::Checks(group, None)),
            rest => Some(Self::Checks(group, Some(rest.strip_prefix('/')?))),
        };
        match path {
            "/version" => Some(Self::Version),
            "/metrics" => Some(Self::Metrics),
            "/health" => Some(Self::Health),
            path => path
                .strip_prefix("/livez")
                .and_then(|rest| check(Group::Livez, rest))
                .or_else(|| check(Group::Readyz, path.strip_prefix("/readyz")?)),
        }
    }

    const fn takes_head(&self) -> bool {
        matches!(self, Self::Metrics)
    }
}
