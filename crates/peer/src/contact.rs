//! What all connections with one member share: its URLs, whether it is active, its credits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use env::Monotonic;
use telemetry::{Counter, Gauge};
use types::MemberId;

use crate::address::PeerUrl;
use crate::inbound::Credits;
use crate::shared::Shared;

/// How often the same complaint about one peer is logged.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// What all connections with one member share.
pub(crate) struct Contact {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: MemberId,
    urls: Mutex<Urls>,
    activity: Mutex<Activity>,
    pub(crate) credits: Credits,
    pub(crate) sent_bytes: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) sending_full: Complaint,
    pub(crate) receiving_full: Complaint,
}

/// Whether a connection works.
#[derive(Clone, Copy)]
enum Activity {
    Inactive,
    Active(Monotonic),
    /// What its connections still say does not count.
    Retired,
}

/// The URLs, of which one is used until it fails.
struct Urls {
    list: Vec<PeerUrl>,
    picked: usize,
}

/// What failed, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// Which connection.
    pub(crate) source: &'static str,
    /// What was tried, as a verb.
    pub(crate) action: &'static str,
}

impl Contact {
    /// A member that has not been talked to.
    pub(crate) fn new(shared: Arc<Shared>, id: MemberId, urls: Vec<PeerUrl>) -> Self {
        let sent_bytes = shared.metrics.sent_bytes(id);
        let received_bytes = shared.metrics.received_bytes(id);
        Self {
            shared,
            id,
            urls: Mutex::new(Urls { list: urls, picked: 0 }),
            activity: Mutex::new(Activity::Inactive),
            credits: Credits::new(),
            sent_bytes,
            received_bytes,
            sending_full: Complaint::default(),
            receiving_full: Complaint::default(),
        }
    }

    /// The URL to use; `None` if there is no valid one.
    pub(crate) fn pick(&self) -> Option<PeerUrl> {
        let urls = self.urls();
        urls.list.get(urls.picked).cloned()
    }

    /// Goes on to the next URL if this is the one in use.
    pub(crate) fn failed(&self, url: &PeerUrl) {
        let mut urls = self.urls();
        if urls.list.get(urls.picked) == Some(url) {
            urls.picked = (urls.picked + 1) % urls.list.len();
        }
    }

    pub(crate) fn set_urls(&self, list: Vec<PeerUrl>) {
        *self.urls() = Urls { list, picked: 0 };
    }

    /// All URLs.
    pub(crate) fn all_urls(&self) -> Vec<PeerUrl> {
        self.urls().list.clone()
    }

    pub(crate) fn active_since(&self) -> Option<Monotonic> {
        match *self.activity() {
            Activity::Active(since) => Some(since),
            Activity::Inactive | Activity::Retired => None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active_since().is_some()
    }

    /// A connection works.
    pub(crate) fn activate(&self) {
        let mut activity = self.activity();
        if matches!(*activity, Activity::Inactive) {
            tracing::info!("peer-id" = %self.id, "peer became active");
            *activity = Activity::Active(self.shared.now());
            self.gauge().inc();
        }
    }

    /// A connection failed.
    pub(crate) fn deactivate(&self, failure: Failure, reason: &str) {
        let Failure { source, action } = failure;
        let error = format!("failed to {action} {} on {source} ({reason})", self.id);
        let mut activity = self.activity();
        if !matches!(*activity, Activity::Active(_)) {
            return tracing::debug!("peer-id" = %self.id, error, "peer deactivated again");
        }
        *activity = Activity::Inactive;
        tracing::warn!(
            "peer-id" = %self.id,
            error,
            "peer became inactive (message send to peer failed)"
        );
        self.gauge().dec();
        let (local, remote) = self.labels();
        self.shared.metrics.disconnected_peers.with(&[&local, &remote]).inc();
    }

    /// It is talked to no more.
    pub(crate) fn retire(&self) {
        let before = std::mem::replace(&mut *self.activity(), Activity::Retired);
        if matches!(before, Activity::Active(_)) {
            self.gauge().dec();
        }
    }

    /// Messages to it were lost.
    pub(crate) fn report_unreachable(&self) {
        self.shared.inbox.report_unreachable(self.id);
    }

    fn labels(&self) -> (String, String) {
        (self.shared.local.to_string(), self.id.to_string())
    }

    fn urls(&self) -> MutexGuard<'_, Urls> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 1 while it is active.
    fn gauge(&self) -> Gauge {
        let (local, remote) = self.labels();
        self.shared.metrics.active_peers.with(&[&local, &remote])
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a complaint that could come with every message from filling the log.
#[derive(Default)]
pub(crate) struct Complaint {
    state: Mutex<(Option<Monotonic>, u64)>,
}

impl Complaint {
    /// Counts one more; if it is time for a line, says how many there were since the last.
    pub(crate) fn raise(&self, now: Monotonic) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = &mut *state;
        *count += 1;
        if last.is_some_and(|last| now.since(last) < COMPLAINT_INTERVAL) {
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_logged_once_a_second_with_its_count() {
        let complaint = Complaint::default();
        let at = |millis: u64| Monotonic(millis * 1_000_000);
        let times = [0, 1, 500, 999, 1000, 1001, 5000];
        let raised = times.map(|millis| complaint.raise(at(millis)));
        assert_eq!(raised, [Some(1), None, None, None, Some(4), None, Some(2)]);
    }
}
