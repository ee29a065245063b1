//! How requests fare: proposals, what is applied, and reads; with a warning when one is slow.

use std::sync::OnceLock;
use std::time::Duration;

use proto::RequestKind;
use telemetry::{Counter, Gauge, GoDuration, Histogram, Labelled, Registry, exponential_buckets};

/// A read that goes through no log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadKind {
    /// A range.
    Range,
    /// A transaction that only reads.
    Txn,
}

impl ReadKind {
    const fn label(self) -> &'static str {
        match self {
            Self::Range => RequestKind::Range.name(),
            Self::Txn => "ReadonlyTxn",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Range => "read-only range ",
            Self::Txn => "read-only txn ",
        }
    }
}

/// What a slow request looks like in the log.
#[derive(Debug)]
pub struct Slow {
    /// The request's text.
    pub request: String,
    /// What is said of the answer.
    pub response: String,
    /// The refusal's text.
    pub error: Option<String>,
}

/// The metrics of requests.
pub struct Requests {
    warning: Duration,
    slow_applies: Counter,
    proposals: Durations,
    applies: Durations,
    reads: [[OnceLock<Histogram>; 2]; 2],
    ranges: Durations,
    pending: Gauge,
    failed: Counter,
    late_reads: Counter,
    failed_reads: Counter,
}

impl Requests {
    /// Registers them. What takes longer than `warning` is slow.
    pub(super) fn new(registry: &Registry, warning: Duration) -> Self {
        let milliseconds = exponential_buckets(0.001, 2.0, 14);
        let fine = exponential_buckets(0.0001, 2.0, 20);
        let proposals = registry.histograms(
            "etcd_server_request_duration_seconds",
            "How long requests took, by what they ask for.",
            &["type", "success"],
            &milliseconds,
        );
        let applies = registry.histograms(
            "etcd_server_apply_duration_seconds",
            "How long it took to apply requests, by what they ask for.",
            &["version", "op", "success"],
            &fine,
        );
        let ranges = registry.histograms(
            "etcd_server_range_duration_seconds",
            "How long it took to read ranges from the store.",
            &["success"],
            &fine,
        );
        Self {
            warning,
            slow_applies: registry
                .counter("etcd_server_slow_apply_total", "Requests that were applied slowly."),
            proposals: Durations::new(proposals, |kind, success| vec![kind.name(), success]),
            applies: Durations::new(applies, |kind, success| vec!["v3", kind.name(), success]),
            reads: Default::default(),
            ranges: Durations::new(ranges, |_, success| vec![success]),
            pending: registry
                .gauge("etcd_server_proposals_pending", "Proposals that wait for their answer."),
            failed: registry.counter(
                "etcd_server_proposals_failed_total",
                "Proposals that were given up: nobody took them, or the answer took too long.",
            ),
            late_reads: registry.counter(
                "etcd_server_slow_read_indexes_total",
                "Rounds of reads that had to be asked for again.",
            ),
            failed_reads: registry.counter(
                "etcd_server_read_indexes_failed_total",
                "Reads that were given up before it was sure that they are current.",
            ),
        }
    }

    /// A proposal has begun; it ends with what this gives.
    pub(crate) fn begin(&self) -> Pending<'_> {
        self.pending.inc();
        Pending(&self.pending)
    }

    /// A proposal was answered.
    pub(crate) fn proposed(&self, kind: RequestKind, took: Duration, success: bool) {
        self.proposals.observe(kind, took, success);
    }

    /// A proposal was given up.
    pub(crate) fn gave_up(&self) {
        self.failed.inc();
    }

    /// A request was applied. `slow` is asked only if it took long.
    pub(crate) fn applied(
        &self,
        kind: RequestKind,
        took: Duration,
        success: bool,
        slow: impl FnOnce() -> Slow,
    ) {
        self.applies.observe(kind, took, success);
        self.warn(took, "", slow);
    }

    /// A read was answered, the wait for its index included. `slow` is asked only if it took long.
    pub fn read(&self, kind: ReadKind, took: Duration, success: bool, slow: impl FnOnce() -> Slow) {
        let found = self.reads[kind as usize][usize::from(success)].get_or_init(|| {
            let labels = [kind.label(), if success { "true" } else { "false" }];
            self.proposals.family.with(&labels)
        });
        found.observe_duration(took);
        self.warn(took, kind.prefix(), slow);
    }

    /// A range was read from the store.
    pub fn ranged(&self, took: Duration, success: bool) {
        self.ranges.observe(RequestKind::Range, took, success);
    }

    /// A round of reads is asked for again.
    pub(crate) fn late_read(&self) {
        self.late_reads.inc();
    }

    /// A read was given up.
    pub(crate) fn failed_read(&self) {
        self.failed_reads.inc();
    }

    fn warn(&self, took: Duration, prefix: &str, slow: impl FnOnce() -> Slow) {
        if took <= self.warning {
            return;
        }
        self.slow_applies.inc();
        let Slow { request, response, error } = slow();
        let (took, expected) = (GoDuration::from(took), GoDuration::from(self.warning));
        match error {
            None => tracing::warn!(%took, "expected-duration" = %expected, prefix,
                %request, %response, "apply request took too long"),
            Some(error) => tracing::warn!(%took, "expected-duration" = %expected, prefix,
                %request, %response, %error, "apply request took too long"),
        }
    }
}

/// A proposal under way.
pub(crate) struct Pending<'a>(&'a Gauge);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Histograms by kind and success. Each is made when it is first needed, as in Go, and found without
/// a lock from then on.
struct Durations {
    family: Labelled<Histogram>,
    labels: fn(RequestKind, &'static str) -> Vec<&'static str>,
    found: Vec<[OnceLock<Histogram>; 2]>,
}

impl Durations {
    fn new(
        family: Labelled<Histogram>,
        labels: fn(RequestKind, &'static str) -> Vec<&'static str>,
    ) -> Self {
        let found = RequestKind::ALL.iter().map(|_| Default::default()).collect();
        Self { family, labels, found }
    }

    fn observe(&self, kind: RequestKind, took: Duration, success: bool) {
        let found = self.found[kind as usize][usize::from(success)].get_or_init(|| {
            let success = if success { "true" } else { "false" };
            self.family.with(&(self.labels)(kind, success))
        });
        found.observe_duration(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> Slow {
        let request = "key:\"a\"".to_owned();
        Slow { request, response: "size:4".to_owned(), error: None }
    }

    #[test]
    fn families_show_what_was_seen_and_nothing_else() {
        let registry = Registry::new();
        let requests = Requests::new(&registry, Duration::from_millis(100));
        requests.proposed(RequestKind::Put, Duration::from_millis(3), true);
        requests.applied(RequestKind::Txn, Duration::from_millis(1), false, slow);
        requests.read(ReadKind::Txn, Duration::from_millis(1), true, slow);
        requests.ranged(Duration::from_micros(50), true);
        let text = registry.render();
        let counts: Vec<&str> = text.lines().filter(|line| line.contains("_count{")).collect();
        assert_eq!(
            counts,
            [
                r#"etcd_server_apply_duration_seconds_count{op="Txn",success="false",version="v3"} 1"#,
                r#"etcd_server_range_duration_seconds_count{success="true"} 1"#,
                r#"etcd_server_request_duration_seconds_count{success="true",type="Put"} 1"#,
                r#"etcd_server_request_duration_seconds_count{success="true",type="ReadonlyTxn"} 1"#,
            ]
        );
    }

    #[test]
    fn only_what_takes_longer_than_the_flag_is_slow() {
        let registry = Registry::new();
        let limit = Duration::from_millis(100);
        let requests = Requests::new(&registry, limit);
        requests.read(ReadKind::Range, limit, true, || unreachable!("it was not slow"));
        assert_eq!(requests.slow_applies.value(), 0);
        requests.read(ReadKind::Range, limit + Duration::from_nanos(1), true, slow);
        assert_eq!(requests.slow_applies.value(), 1);
    }

    #[test]
    fn a_proposal_is_pending_until_it_ends() {
        let registry = Registry::new();
        let requests = Requests::new(&registry, Duration::MAX);
        let (one, other) = (requests.begin(), requests.begin());
        assert_eq!(requests.pending.value(), 2.0);
        drop((one, other));
        assert_eq!(requests.pending.value(), 0.0);
    }
}
