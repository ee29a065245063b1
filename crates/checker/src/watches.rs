//! What each watch was sent, event by event, beside what the log says that it should have been.

use crate::history::{History, Time, Watch, WatchAnswer, show};
use crate::log::{describe_change, describe_kv};
use crate::refusals::Compactions;
use crate::report::{Kind, Report};
use crate::store::{Change, Store};
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::mvccpb::Event;
use std::collections::BTreeSet;
use types::KeyRange;

/// A place in the log: a revision and a change in it.
type Place = (i64, usize);

/// Checks all watches.
pub fn check(history: &History, store: &Store, compactions: &Compactions, report: &mut Report) {
    let mut ends: Vec<End> = Vec::with_capacity(history.watches.len());
    let settled = history.settled.unwrap_or(store.last());
    for (number, watch) in history.watches.iter().enumerate() {
        report.counts.watches += 1;
        let mut reader = Reader::new(number, watch, store, compactions, report);
        if let Some(before) = watch.follows.and_then(|before| ends.get(before)) {
            reader.check_join(before);
        }
        reader.read_all(settled);
        let end = reader.end();
        ends.push(end);
    }
}

/// Where a watch ended.
struct End {
    next: Place,
    canceled: bool,
}

struct Reader<'a> {
    number: usize,
    watch: &'a Watch,
    store: &'a Store,
    compactions: &'a Compactions,
    report: &'a mut Report,
    range: KeyRange,
    start: i64,
    /// Everything before was sent, or reported as left out.
    next: Place,
    /// What was left out and may still come, out of order.
    left_out: BTreeSet<Place>,
    /// The revision of the last event of a response that was complete.
    complete: Option<i64>,
    bookmark: i64,
    canceled: bool,
    /// When the response arrived that is read.
    now: Time,
}

impl<'a> Reader<'a> {
    fn new(
        number: usize,
        watch: &'a Watch,
        store: &'a Store,
        compactions: &'a Compactions,
        report: &'a mut Report,
    ) -> Self {
        let request = &watch.request;
        // Without a start a watch begins behind the revision that its creation was answered with.
        let from_now = watch.created_revision.map_or(i64::MAX, |revision| revision + 1);
        let start = if request.start_revision > 0 { request.start_revision } else { from_now };
        Self {
            number,
            watch,
            store,
            compactions,
            report,
            range: KeyRange::parse(request.key.clone(), request.range_end.clone()),
            start,
            next: (start, 0),
            left_out: BTreeSet::new(),
            complete: None,
            bookmark: 0,
            canceled: false,
            now: watch.begin,
        }
    }

    fn name(&self) -> String {
        let Watch { client, member, begin, request, .. } = self.watch;
        let key = show(&request.key);
        let end = show(&request.range_end);
        format!(
            "watch {} (client {client} at {member} from {begin}, {key}..{end} from {})",
            self.number, self.start
        )
    }

    fn add(&mut self, kind: Kind, detail: &str) {
        let name = self.name();
        self.report.add(kind, || format!("{name}: {detail}"));
    }

    /// A watch that goes on with another one must not leave out anything between them.
    fn check_join(&mut self, before: &End) {
        if before.canceled || self.start == i64::MAX {
            return;
        }
        let missing = self.wanted(before.next, (self.start, 0)).next();
        if let Some(place) = missing {
            self.add(Kind::WatchGap, &format!("{place:?} is between it and the one before it"));
        }
    }

    fn read_all(&mut self, settled: i64) {
        for answer in &self.watch.responses {
            if self.canceled {
                self.add(Kind::WatchPhantom, "a response behind the end");
            }
            self.read(answer);
        }
        let last = (settled + 1, 0);
        if self.watch.live && !self.canceled && self.start != i64::MAX {
            let missing = self.wanted(self.next, last).next();
            if let Some(place) = missing {
                let at = self.watch.responses.last().map(|answer| answer.at);
                let detail = format!("{place:?} never came; the last response was at {at:?}");
                self.add(Kind::WatchBehind, &detail);
            }
        }
    }

    fn end(self) -> End {
        End { next: self.next, canceled: self.canceled }
    }

    fn read(&mut self, answer: &WatchAnswer) {
        self.now = answer.at;
        for event in &answer.events {
            self.report.counts.events += 1;
            self.read_event(event);
        }
        let last = answer.events.last().and_then(|event| event.kv.as_ref());
        if let (Some(kv), false) = (last, answer.fragment) {
            self.complete = Some(kv.mod_revision);
            if answer.revision < kv.mod_revision {
                let detail = format!("header {} with event {}", answer.revision, kv.mod_revision);
                self.add(Kind::WatchProgress, &detail);
            }
        }
        if answer.canceled {
            self.canceled = true;
            self.check_cancel(answer);
        } else if answer.is_progress() {
            self.check_progress(answer);
        }
    }

    fn read_event(&mut self, event: &Event) {
        let Some(kv) = event.kv.as_ref() else {
            return self.add(Kind::WatchPhantom, "an event without a key");
        };
        let revision = kv.mod_revision;
        let changes = self.store.changes(revision).unwrap_or_default();
        let Some(sub) = changes.iter().position(|change| change.key == kv.key) else {
            let detail = format!("revision {revision} did not change {}", show(&kv.key));
            return self.add(Kind::WatchPhantom, &detail);
        };
        let (place, change) = ((revision, sub), &changes[sub]);
        self.check_content(event, revision, change);
        if revision < self.start || !self.wants(change) {
            self.add(Kind::WatchUnasked, &format!("{} at {revision}", describe_change(change)));
        } else if place < self.next {
            let late = self.left_out.remove(&place);
            let kind = if late { Kind::WatchDisorder } else { Kind::WatchDuplicate };
            self.add(kind, &format!("{place:?} comes when {:?} is next", self.next));
        } else {
            if self.complete == Some(revision) {
                self.add(Kind::WatchSplit, &format!("revision {revision} came in two responses"));
            }
            let skipped: Vec<Place> = self.wanted(self.next, place).collect();
            if let Some(first) = skipped.first() {
                let count = skipped.len();
                self.add(
                    Kind::WatchGap,
                    &format!("{count} from {first:?} on left out before {place:?}"),
                );
            }
            self.left_out.extend(skipped);
            self.next = (revision, sub + 1);
        }
    }

    fn check_content(&mut self, event: &Event, revision: i64, change: &Change) {
        let sent = crate::log::change(event).map(|(_, change)| change);
        if sent.as_ref() != Some(change) {
            let sent = sent.as_ref().map(describe_change);
            let detail =
                format!("revision {revision} is {}, not {sent:?}", describe_change(change));
            self.add(Kind::WatchWrongEvent, &detail);
        }
        let before = self.store.get(&change.key, revision - 1);
        // What was before may have been compacted since.
        let good = match (&event.prev_kv, before, self.watch.request.prev_kv) {
            (Some(sent), before, true) => Some(sent) == before,
            (Some(_), _, false) => false,
            (None, None, _) | (None, _, false) => true,
            (None, Some(_), true) => self.compactions.possible(self.now) > revision - 1,
        };
        if !good {
            let sent = event.prev_kv.as_ref().map(describe_kv);
            let before = before.map(describe_kv);
            let detail = format!("before {revision} there was {before:?}, not {sent:?}");
            self.add(Kind::WatchWrongPrevious, &detail);
        }
    }

    fn check_progress(&mut self, answer: &WatchAnswer) {
        self.report.counts.bookmarks += 1;
        let revision = answer.revision;
        let behind = (revision + 1, 0);
        let missing = self.wanted(self.next, behind).next();
        if let Some(place) = missing {
            let detail = format!("says {revision} at {}, but {place:?} has not come", answer.at);
            self.add(Kind::WatchProgress, &detail);
        }
        if revision < self.bookmark {
            let detail = format!("says {revision} after {}", self.bookmark);
            self.add(Kind::WatchProgress, &detail);
        }
        self.bookmark = self.bookmark.max(revision);
        if missing.is_none() {
            self.next = self.next.max(behind);
        }
    }

    /// A watch ends openly: what it needs next is compacted, or a reason is given.
    fn check_cancel(&mut self, answer: &WatchAnswer) {
        let compacted = answer.compact_revision;
        if compacted == 0 {
            if answer.reason.is_empty() {
                self.add(Kind::WatchWrongCancel, "cancelled without a reason");
            }
            return;
        }
        let possible = self.compactions.possible(answer.at);
        if compacted > possible || self.next.0 >= compacted {
            let next = self.next.0;
            let detail = format!(
                "cancelled as compacted at {compacted}; {next} comes next, {possible} can be compacted"
            );
            self.add(Kind::WatchWrongCancel, &detail);
        }
    }

    fn wants(&self, change: &Change) -> bool {
        let filter = if change.kv.is_some() { FilterType::Noput } else { FilterType::Nodelete };
        self.range.contains(&change.key) && !self.watch.request.filters.contains(&(filter as i32))
    }

    /// What is to be sent from one place on up to another one.
    fn wanted(&self, from: Place, to: Place) -> impl Iterator<Item = Place> {
        let last = to.0.min(self.store.last());
        let revisions = from.0.max(self.store.base() + 1)..=last;
        let places = revisions.flat_map(|revision| {
            let changes = self.store.changes(revision).unwrap_or_default();
            changes.iter().enumerate().map(move |(sub, change)| ((revision, sub), change))
        });
        let places = places.filter(move |(place, _)| (from..to).contains(place));
        places.filter(|(_, change)| self.wants(change)).map(|(place, _)| place)
    }
}
