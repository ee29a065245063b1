//! All checks, in order.

use crate::history::History;
use crate::report::Report;
use crate::times::Times;
use crate::{leases, log, members, order, place, refusals, watches};

/// Checks a history.
#[must_use]
pub fn check(history: &History) -> Report {
    let mut report = Report::default();
    let store = log::build(history, &mut report);
    let places = place::place(history, &store, &mut report);
    let times = Times::new(history, &store, &places);
    let compactions = refusals::Compactions::new(history);
    let floors = order::check(history, &places, &mut report);
    order::check_future(history, &times, &mut report);
    refusals::check(history, &compactions, &floors, &mut report);
    members::check_headers(history, &mut report);
    members::check_finals(history, &store, &places, &mut report);
    members::check_hashes(history, &mut report);
    watches::check(history, &store, &compactions, &mut report);
    leases::check(history, &store, &places, &times, &mut report);
    report
}
