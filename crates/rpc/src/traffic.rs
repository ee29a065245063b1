//! Who calls and how much that weighs.

use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use http::HeaderMap;
use proto::error::Error as Known;
use telemetry::{Counter, Labelled, Registry};
use tonic::{Code, Status};

/// Bytes of messages, of all servers of the process: codecs are made where none is known.
static RECEIVED: LazyLock<Counter> = LazyLock::new(Counter::new);
static SENT: LazyLock<Counter> = LazyLock::new(Counter::new);

/// Metadata key of the version that a client speaks.
const CLIENT_VERSION: &str = "client-api-version";
/// What a client speaks that does not say.
const UNKNOWN: &str = "unknown";
/// How long a version may be; what is longer is none, and would stay in the metrics for good.
const VERSION_BYTES_MAX: usize = 64;
/// How many versions are found fast; more is a client that makes them up.
const KNOWN_MAX: usize = 16;

/// Counts a message that came.
pub(crate) fn received(bytes: usize) {
    RECEIVED.add(bytes as u64);
}

/// Counts a message that leaves.
pub(crate) fn sent(bytes: usize) {
    SENT.add(bytes as u64);
}

/// Whether a method is answered once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Unary,
    Stream,
}

impl Shape {
    /// The shape of a method by its name.
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "Watch" | "LeaseKeepAlive" | "Snapshot" | "Observe" | "RangeStream" => Self::Stream,
            _ => Self::Unary,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
        }
    }
}

/// Calls by the version that their client speaks.
pub(crate) struct Traffic {
    calls: Labelled<Counter>,
    /// The counters of the first versions that came, by shape; each is made when it is needed.
    known: RwLock<Vec<(String, [OnceLock<Counter>; 2])>>,
    /// Streams that broke, by method.
    failures: Labelled<Counter>,
}

impl Traffic {
    pub(crate) fn new(registry: &Registry) -> Self {
        registry.counter_fn(
            "etcd_network_client_grpc_received_bytes_total",
            "Bytes of the messages that clients sent.",
            || RECEIVED.value() as f64,
        );
        registry.counter_fn(
            "etcd_network_client_grpc_sent_bytes_total",
            "Bytes of the messages that went to clients.",
            || SENT.value() as f64,
        );
        Self {
            calls: registry.counters(
                "etcd_server_client_requests_total",
                "Calls by the version that their client speaks.",
                &["type", "client_api_version"],
            ),
            known: RwLock::default(),
            failures: registry.counters(
                "etcd_network_server_stream_failures_total",
                "Streams that broke.",
                &["Type", "API"],
            ),
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `etcdserver: invalid client api version` if that is no text.
    pub(crate) fn count(&self, headers: &HeaderMap, shape: Shape) -> Result<(), Known> {
        let version = match headers.get(CLIENT_VERSION) {
            None => UNKNOWN,
            Some(version) => std::str::from_utf8(version.as_bytes())
                .map_err(|_| Known::InvalidClientApiVersion)?,
        };
        let version = if version.len() > VERSION_BYTES_MAX { UNKNOWN } else { version };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counters)) = known.iter().find(|(other, _)| other == version) {
            counters[shape as usize].get_or_init(|| self.counter(shape, version)).inc();
            return Ok(());
        }
        let is_full = known.len() >= KNOWN_MAX;
        drop(known);
        self.counter(shape, version).inc();
        if !is_full {
            self.remember(version);
        }
        Ok(())
    }

    fn counter(&self, shape: Shape, version: &str) -> Counter {
        self.calls.with(&[shape.label(), version])
    }

    /// Lets the counters of a version be found without the family's lock.
    fn remember(&self, version: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|(other, _)| other == version) {
            known.push((version.to_owned(), Default::default()));
        }
    }

    /// A stream's requests broke off, though its caller did not take the stream back.
    pub(crate) fn receive_failed(&self, status: &Status, api: &'static str) {
        if status.code() != Code::Cancelled {
            self.failures.with(&["receive", api]).inc();
        }
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Traffic").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(version: &[u8]) -> HeaderMap {
        let value = HeaderValue::from_bytes(version).unwrap();
        HeaderMap::from_iter([(http::HeaderName::from_static(CLIENT_VERSION), value)])
    }

    #[test]
    fn calls_are_counted_by_version_and_shape() {
        let registry = Registry::new();
        let traffic = Traffic::new(&registry);
        for _ in 0..2 {
            traffic.count(&headers(b"3.7"), Shape::Unary).unwrap();
        }
        traffic.count(&HeaderMap::new(), Shape::Stream).unwrap();
        let bad = traffic.count(&headers(b"\xff"), Shape::Unary);
        assert_eq!(bad, Err(Known::InvalidClientApiVersion));
        let text = registry.render();
        for line in [
            r#"etcd_server_client_requests_total{client_api_version="3.7",type="unary"} 2"#,
            r#"etcd_server_client_requests_total{client_api_version="unknown",type="stream"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn versions_that_a_client_makes_up_are_bounded() {
        let registry = Registry::new();
        let traffic = Traffic::new(&registry);
        for number in 0..10 * telemetry::CHILDREN_MAX {
            traffic.count(&headers(number.to_string().as_bytes()), Shape::Unary).unwrap();
        }
        assert_eq!(traffic.known.read().unwrap().len(), KNOWN_MAX);
        traffic.count(&headers(&[b'9'; VERSION_BYTES_MAX + 1]), Shape::Unary).unwrap();
        assert!(!registry.render().contains(&"9".repeat(VERSION_BYTES_MAX)));
        assert!(registry.render().lines().count() < 2 * telemetry::CHILDREN_MAX);
    }
}
