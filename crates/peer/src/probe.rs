//! Asks a peer every few seconds whether it is there, for metrics and the log: round trips, and how
//! far its clock is off. Nothing else depends on the outcome.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::WallTime;
use http::{Method, StatusCode};
use telemetry::GoDuration;
use tokio::time::MissedTickBehavior;

use crate::contact::Contact;
use crate::exchange::{Kept, whole};
use crate::limits::PROBE_INTERVAL;

const PATH: &str = "/raft/probing";

/// How often the state is looked at while it is bad, and at first.
const REVIEW_INTERVAL_WHEN_BAD: Duration = Duration::from_secs(5);
/// How often the state is looked at while it is good.
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);
/// How far clocks may be apart before a line says so.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(1);
/// What one round trip weighs in the smoothed one.
const SMOOTHING: f64 = 0.125;

/// Go's names of the two connections that it probes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// That of streams.
    Messages,
    /// That of the pipeline and of snapshots.
    Snapshots,
}

impl Route {
    const fn name(self) -> &'static str {
        match self {
            Self::Messages => "ROUND_TRIPPER_RAFT_MESSAGE",
            Self::Snapshots => "ROUND_TRIPPER_SNAPSHOT",
        }
    }
}

/// What is known of a peer.
#[derive(Default)]
struct State {
    is_healthy: bool,
    /// Smoothed.
    round_trip: Duration,
    clock_difference: GoDuration,
    error: Option<String>,
}

/// Probes a peer forever.
pub(crate) async fn run(contact: Arc<Contact>, route: Route) {
    let mut probes = tokio::time::interval(PROBE_INTERVAL);
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut review = Box::pin(tokio::time::sleep(REVIEW_INTERVAL_WHEN_BAD));
    let (mut state, mut kept, mut picked) = (State::default(), Kept::default(), 0);
    loop {
        tokio::select! {
            _ = probes.tick() => probe(&contact, &mut state, &mut kept, &mut picked).await,
            () = &mut review => {
                let interval = report(&contact, route, &state);
                review = Box::pin(tokio::time::sleep(interval));
            }
        }
    }
}

async fn probe(contact: &Contact, state: &mut State, kept: &mut Kept, picked: &mut usize) {
    let shared = &contact.shared;
    let urls = contact.all_urls();
    let Some(url) = urls.get(*picked % urls.len().max(1)) else { return };
    let make = || shared.request(Method::GET, url, PATH).body(whole(Bytes::new()));
    let before = shared.now();
    let outcome = kept.exchange(shared, url, PROBE_INTERVAL, make).await;
    let round_trip = shared.now().since(before);
    let error = match outcome {
        Ok(answer) if answer.status == StatusCode::OK => match time_in(&answer.body) {
            Some(theirs) => return state.record(round_trip, shared.clock.wall(), theirs),
            None => "invalid answer".to_owned(),
        },
        Ok(answer) => format!("unexpected status {}", answer.status),
        Err(error) => error.to_string(),
    };
    state.is_healthy = false;
    state.error = Some(error);
    *picked = picked.wrapping_add(1);
}

impl State {
    fn record(&mut self, round_trip: Duration, ours: WallTime, theirs: i128) {
        let half = i128::try_from(self.round_trip.as_nanos()).unwrap_or(0) / 2;
        let difference = i128::from(ours.0) - theirs - half;
        let saturated = difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        self.clock_difference = GoDuration(saturated as i64);
        self.round_trip = self.round_trip.mul_f64(1.0 - SMOOTHING) + round_trip.mul_f64(SMOOTHING);
        self.is_healthy = true;
        self.error = None;
    }
}

/// Puts the state into metrics and log; says when to look again.
fn report(contact: &Contact, route: Route, state: &State) -> Duration {
    let error = state.error.as_deref();
    let round_trip = GoDuration::from(state.round_trip);
    if !state.is_healthy {
        tracing::warn!(
            "round-tripper-name" = route.name(),
            "remote-peer-id" = %contact.id,
            rtt = %round_trip,
            error,
            "prober detected unhealthy status"
        );
    }
    if state.clock_difference > GoDuration::from(CLOCK_DIFFERENCE_MAX) {
        tracing::warn!(
            "round-tripper-name" = route.name(),
            "remote-peer-id" = %contact.id,
            "clock-drift" = %state.clock_difference,
            rtt = %round_trip,
            error,
            "prober found high clock drift"
        );
    }
    contact.shared.metrics.round_trip(contact.id).observe_duration(state.round_trip);
    if state.is_healthy { REVIEW_INTERVAL } else { REVIEW_INTERVAL_WHEN_BAD }
}

/// The time in `{"OK":true,"Now":"2026-11-28T10:20:30.123456789+01:00"}`, in nanoseconds since 1970.
fn time_in(body: &[u8]) -> Option<i128> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("\"Now\":\"")?;
    parse_time(rest.split('"').next()?)
}

/// Reads RFC 3339.
fn parse_time(text: &str) -> Option<i128> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let day = days_since_1970(number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = day * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let nanos = match fraction.strip_prefix('.') {
        None => 0,
        Some(digits) if digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<9}").parse::<i64>().ok()?
        }
        Some(_) => return None,
    };
    let at = text.len() - zone.len();
    let offset = match zone.chars().next()? {
        'Z' => 0,
        sign => {
            let offset = number(at + 1..at + 3)? * 3600 + number(at + 4..at + 6)? * 60;
            if sign == '-' { -offset } else { offset }
        }
    };
    Some(i128::from(seconds - offset) * 1_000_000_000 + i128::from(nanos))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `days_from_civil`).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_fraction_and_zone() {
        let second = 1_795_861_230_i128;
        let cases = [
            ("2026-11-28T10:20:30Z", second * 1_000_000_000),
            ("2026-11-28T10:20:30.5Z", second * 1_000_000_000 + 500_000_000),
            ("2026-11-28T11:20:30.000000001+01:00", second * 1_000_000_000 + 1),
            ("2026-11-28T04:50:30-05:30", second * 1_000_000_000),
            ("1970-01-01T00:00:00Z", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text), Some(expected), "{text}");
            let body = format!("{{\"OK\":true,\"Now\":\"{text}\"}}\n");
            assert_eq!(time_in(body.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in ["", "now", "2026-11-28", "2026-11-28T10:20:30", "2026-11-28T10:20:30.x1Z"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        assert_eq!(time_in(b"{}"), None);
        assert_eq!(time_in(b"\xff"), None);
    }

    #[test]
    fn round_trips_are_smoothed() {
        let mut state = State::default();
        state.record(Duration::from_millis(8), WallTime(5_000_000_000), 2_000_000_000);
        assert_eq!(state.round_trip, Duration::from_millis(1));
        assert_eq!(state.clock_difference, GoDuration(3_000_000_000));
        state.record(Duration::from_millis(9), WallTime(5_000_000_000), 5_000_000_000);
        assert_eq!(state.round_trip, Duration::from_millis(2));
        assert_eq!(state.clock_difference, GoDuration(-500_000));
    }
}
