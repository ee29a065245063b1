//! The hub's state machine: streams, watchers, and delivery.
//!
//! Watchers are found through the index when something changes. One that is behind (it started in
//! the past, or its stream had no room) is told by [`Hub::catch_up`], a bounded stretch at a time,
//! together with the others that are about as far.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use prost::Message;
use proto::twin::{self, WatchResponse};

use crate::audience::{Audience, Rooms, Synced};
use crate::change::{Change, Changes, History, Kind};
use crate::event::{Action, Create, Event, StreamId};
use crate::fragment;
use crate::index::Index;
use crate::response;
use crate::stream::Stream;
use crate::watcher::Watcher;

/// Progress notifications are spread over so many ticks of an interval.
pub const PROGRESS_SLOTS: u64 = 10;

/// etcd's words when a client gives an id twice.
const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";
/// etcd's words for a range that can hold no key.
const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
/// etcd's words for a negative start revision.
const NEGATIVE_START: &str = "etcdserver: mvcc: required revision has been compacted";

/// The hub's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What may be queued for a stream before its watchers have to wait.
    pub stream_bytes_max: usize,
    /// What may be queued for all streams together: where there are many, each may have less, but
    /// not less than `stream_bytes_min`.
    pub total_bytes_max: usize,
    /// What each stream may have queued, however many there are.
    pub stream_bytes_min: usize,
    /// How much history is read at a time.
    pub read_bytes_max: usize,
    /// How many events are made at a time, over all watchers; those of a revision stay together.
    pub events_max: usize,
    /// From which size on a response is split for a client that allows it.
    pub fragment_bytes_max: usize,
}

/// Who watches what, and what each has been told.
#[derive(Debug)]
pub struct Hub<H> {
    limits: Limits,
    view: H,
    /// Everything up to here was told to the synced watchers.
    revision: i64,
    streams: BTreeMap<StreamId, Stream>,
    watchers: HashMap<u64, Watcher>,
    next_watcher: u64,
    index: Index,
    /// Streams that have watchers behind and room for them.
    ready: BTreeSet<StreamId>,
}

impl<H: History> Hub<H> {
    /// A hub without watchers, as of a view.
    pub fn new(view: H, limits: Limits) -> Self {
        let revision = view.revision();
        Self {
            limits,
            view,
            revision,
            streams: BTreeMap::new(),
            watchers: HashMap::new(),
            next_watcher: 0,
            index: Index::default(),
            ready: BTreeSet::new(),
        }
    }

    /// How many watchers there are, and how many of them are behind.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let behind = self.streams.values().map(|stream| stream.behind.len()).sum();
        (self.watchers.len(), behind)
    }

    /// How many streams there are.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Takes an event. Of the views with one compact revision the first must not be left out: what
    /// is new in it may be removed in the next.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn handle(&mut self, event: Event<H>) -> Result<Vec<Action>, H::Error> {
        let mut actions = Vec::new();
        match event {
            Event::View(view) => self.advance(view, &mut actions)?,
            Event::Replaced(view) => self.replace(view),
            Event::Open(stream) => {
                self.streams.insert(stream, Stream::default());
            }
            Event::Close(stream) => self.close(stream),
            Event::Create(stream, create) => self.create(stream, create, &mut actions),
            Event::Refuse(stream, reason) => {
                self.send(stream, response::refused(self.revision, reason), &mut actions);
            }
            Event::Cancel(stream, watch_id) => self.cancel(stream, watch_id, &mut actions),
            Event::Progress(stream) => self.progress(stream, &mut actions),
            Event::Drained(stream, bytes) => self.drained(stream, bytes),
            Event::ProgressTick(slot) => self.progress_tick(slot, &mut actions),
        }
        Ok(actions)
    }

    /// Whether [`catch_up`](Self::catch_up) has something to do.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Tells a stretch of history to those that are behind and have room.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn catch_up(&mut self) -> Result<Vec<Action>, H::Error> {
        let mut actions = Vec::new();
        self.cancel_compacted(&mut actions);
        let ready: Vec<u64> =
            self.ready.iter().flat_map(|id| self.streams[id].behind.iter().copied()).collect();
        let Some(from) = ready.iter().map(|id| self.watchers[id].next).min() else {
            return Ok(actions);
        };
        let mut through = self.revision;
        let mut told = BTreeMap::new();
        let mut rooms = Rooms::new(self.ready.iter().map(|id| (*id, self.room(&self.streams[id]))));
        if from <= self.revision {
            let read = self.view.changes(from, self.revision, self.limits.read_bytes_max)?;
            let stretch = self.tell(&read.changes, &mut rooms)?;
            through = stretch.through(&read);
            told = stretch.told;
        }
        self.deliver_behind(told, &ready, |stream| rooms.through(stream, through), &mut actions);
        self.answer_progress(&mut actions);
        Ok(actions)
    }

    fn advance(&mut self, view: H, actions: &mut Vec<Action>) -> Result<(), H::Error> {
        let newest = view.revision();
        self.view = view;
        while self.revision < newest {
            let from = self.revision + 1;
            let read = self.view.new_changes(from, newest, self.limits.read_bytes_max)?;
            let mut rest = &read.changes[..];
            loop {
                let from = self.revision + 1;
                let stretch = self.tell(rest, &mut Synced)?;
                rest = &rest[stretch.changes..];
                self.revision = if rest.is_empty() { read.through } else { stretch.last };
                self.deliver_synced(stretch.told, from, actions);
                if rest.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Goes on with another store's view. Whoever has not heard of what is new in it is behind: it is
    /// told as far as the history goes, or that it does not go that far.
    fn replace(&mut self, view: H) {
        let (from, newest) = (self.revision + 1, view.revision());
        let is_fine = |watcher: &Watcher| watcher.next <= newest + 1;
        assert!(
            !env::planted!("future-watch-ends-restore") || self.watchers.values().all(is_fine),
            "a watch begins after revision {newest}"
        );
        self.view = view;
        if newest < from {
            return;
        }
        self.revision = newest;
        let is_behind = |watcher: &Watcher| watcher.synced && watcher.next <= newest;
        let behind = self.watchers.iter().filter(|(_, watcher)| is_behind(watcher));
        let mut behind: Vec<u64> = behind.map(|(id, _)| *id).collect();
        behind.sort_unstable();
        for id in behind {
            self.fall_behind(id, from);
            self.update_ready(self.watchers[&id].stream);
        }
    }

    /// The events of some changes for an audience, up to a bound.
    fn tell(&self, changes: &[Change], audience: &mut impl Audience) -> Result<Stretch, H::Error> {
        let mut stretch = Stretch::default();
        let mut count = 0;
        for change in changes {
            if change.revision != stretch.last
                && (count >= self.limits.events_max || !audience.goes_on(stretch.last))
            {
                break;
            }
            let mut concerned = Vec::new();
            self.index.find(&change.key, &mut |id| concerned.push(id));
            let mut encoded = Encoded { view: &self.view, change, plain: None, whole: None };
            for id in concerned {
                let watcher = &self.watchers[&id];
                if audience.has(watcher) && watcher.wants(change.revision, change.kind) {
                    let event = encoded.event(watcher)?;
                    audience.told(watcher, event.len());
                    stretch.told.entry(id).or_default().push(event);
                    count += 1;
                }
            }
            stretch.changes += 1;
            stretch.last = change.revision;
        }
        Ok(stretch)
    }

    /// Whether a stream's watchers need not wait. Room is counted before a response, so that one of
    /// any size can go out.
    fn has_room(&self, stream: &Stream) -> bool {
        self.room(stream) > 0
    }

    /// How many bytes may still be queued for a stream.
    fn room(&self, stream: &Stream) -> usize {
        let Limits { stream_bytes_max, total_bytes_max, stream_bytes_min, .. } = self.limits;
        let share = total_bytes_max / self.streams.len().max(1);
        share.clamp(stream_bytes_min, stream_bytes_max).saturating_sub(stream.queued)
    }

    /// Sends to synced watchers; one whose stream has no room falls behind.
    fn deliver_synced(
        &mut self,
        told: BTreeMap<u64, Vec<Bytes>>,
        from: i64,
        actions: &mut Vec<Action>,
    ) {
        for (id, events) in told {
            let stream = self.watchers[&id].stream;
            if self.has_room(&self.streams[&stream]) {
                self.deliver(id, events, self.revision, actions);
            } else {
                self.fall_behind(id, from);
            }
        }
    }

    /// Sends to watchers that are behind, and moves them on as far as their stream was told; those
    /// that have been told everything are synced from now on.
    fn deliver_behind(
        &mut self,
        mut told: BTreeMap<u64, Vec<Bytes>>,
        ready: &[u64],
        through: impl Fn(StreamId) -> i64,
        actions: &mut Vec<Action>,
    ) {
        for id in ready {
            let stream = self.watchers[id].stream;
            if let Some(events) = told.remove(id) {
                if !self.has_room(&self.streams[&stream]) {
                    continue;
                }
                self.deliver(*id, events, self.revision, actions);
            }
            let watcher = self.watchers.get_mut(id).expect("it is ready");
            watcher.next = watcher.next.max(through(stream) + 1);
            if watcher.next > self.revision {
                watcher.synced = true;
                self.streams.get_mut(&stream).expect("it has watchers").behind.remove(id);
            }
            self.update_ready(stream);
        }
    }

    fn deliver(&mut self, id: u64, events: Vec<Bytes>, revision: i64, actions: &mut Vec<Action>) {
        let watcher = self.watchers.get_mut(&id).expect("it is told something");
        watcher.idle = false;
        let whole = response::events(revision, watcher.watch_id, events);
        let (stream, fragmented) = (watcher.stream, watcher.fragment);
        if fragmented {
            for piece in fragment::split(whole, self.limits.fragment_bytes_max) {
                self.send(stream, piece, actions);
            }
        } else {
            self.send(stream, whole, actions);
        }
    }

    fn fall_behind(&mut self, id: u64, from: i64) {
        let watcher = self.watchers.get_mut(&id).expect("it is synced");
        if !env::planted!("watch-goes-back") {
            watcher.next = watcher.next.max(from);
        }
        watcher.synced = false;
        let stream = self.streams.get_mut(&watcher.stream).expect("it has watchers");
        stream.behind.insert(id);
    }

    /// Ends the watches of those behind whose position is no longer in the history.
    fn cancel_compacted(&mut self, actions: &mut Vec<Action>) {
        let compacted = self.view.compacted();
        let gone: Vec<u64> = self
            .ready
            .iter()
            .flat_map(|id| self.streams[id].behind.iter().copied())
            .filter(|id| self.watchers[id].next < compacted)
            .collect();
        for id in gone {
            if env::planted!("watch-skips-compacted") {
                self.watchers.get_mut(&id).expect("it is behind").next = compacted;
                continue;
            }
            let (stream, watch_id) = (self.watchers[&id].stream, self.watchers[&id].watch_id);
            self.remove(id);
            self.streams.get_mut(&stream).expect("it is ready").end(watch_id);
            let answer = response::compacted(watch_id, compacted);
            self.send(stream, answer, actions);
        }
    }

    fn create(&mut self, stream: StreamId, create: Create, actions: &mut Vec<Action>) {
        let revision = self.revision;
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        let is_negative = create.start_revision < 0 && !env::planted!("negative-start-taken");
        let refusal = if is_negative {
            Some(NEGATIVE_START)
        } else if is_empty(&create.range) {
            Some(EMPTY_RANGE)
        } else {
            None
        };
        let assigned = match refusal {
            Some(reason) => Err(reason),
            None => entry.assign_id(create.watch_id).ok_or(DUPLICATE_ID),
        };
        let watch_id = match assigned {
            Ok(watch_id) => watch_id,
            Err(reason) => {
                return self.send(stream, response::refused(revision, reason.to_owned()), actions);
            }
        };
        let id = self.next_watcher;
        self.next_watcher += 1;
        entry.watchers.insert(watch_id, id);
        entry.forget_ended(watch_id);
        let next = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
        let mut watcher = Watcher::new(stream, watch_id, create, next);
        watcher.synced = next > revision;
        self.index.insert(&watcher.range, id);
        if !watcher.synced {
            entry.behind.insert(id);
        }
        self.watchers.insert(id, watcher);
        self.send(stream, response::created(revision, watch_id), actions);
        self.update_ready(stream);
    }

    fn cancel(&mut self, stream: StreamId, watch_id: i64, actions: &mut Vec<Action>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if watch_id == 0 && env::planted!("watch-id-zero-is-none") {
            return;
        }
        match entry.watchers.get(&watch_id).copied() {
            Some(id) => self.remove(id),
            None if entry.forget_ended(watch_id) => {}
            None => return,
        }
        self.send(stream, response::canceled(self.revision, watch_id), actions);
        self.answer_progress_of(stream, actions);
    }

    fn remove(&mut self, id: u64) {
        let watcher = self.watchers.remove(&id).expect("it is known");
        self.index.remove(&watcher.range, id);
        if let Some(stream) = self.streams.get_mut(&watcher.stream) {
            stream.watchers.remove(&watcher.watch_id);
            stream.behind.remove(&id);
        }
        self.update_ready(watcher.stream);
    }

    fn close(&mut self, stream: StreamId) {
        if env::planted!("closed-stream-watches-on") {
            return;
        }
        let Some(closed) = self.streams.remove(&stream) else { return };
        self.ready.remove(&stream);
        for id in closed.watchers.into_values() {
            let watcher = self.watchers.remove(&id).expect("its stream has it");
            self.index.remove(&watcher.range, id);
        }
    }

    fn drained(&mut self, stream: StreamId, bytes: usize) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.queued = entry.queued.saturating_sub(bytes);
            self.update_ready(stream);
        }
    }

    fn progress(&mut self, stream: StreamId, actions: &mut Vec<Action>) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.progress_wanted = true;
            self.answer_progress_of(stream, actions);
        }
    }

    fn answer_progress(&mut self, actions: &mut Vec<Action>) {
        let wanting = |(id, stream): (&StreamId, &Stream)| stream.progress_wanted.then_some(*id);
        let wanting: Vec<StreamId> = self.streams.iter().filter_map(wanting).collect();
        for stream in wanting {
            self.answer_progress_of(stream, actions);
        }
    }

    /// Answers a progress request once nobody on the stream is behind. As in Go there is no answer
    /// for a stream without watches, or with one whose first revision is still to come.
    fn answer_progress_of(&mut self, stream: StreamId, actions: &mut Vec<Action>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        let is_behind = !entry.behind.is_empty() && !env::planted!("progress-before-events");
        if !entry.progress_wanted || is_behind {
            return;
        }
        entry.progress_wanted = false;
        let started = |id: &u64| self.watchers[id].next <= self.revision + 1;
        if !entry.watchers.is_empty() && entry.watchers.values().all(started) {
            let answer = response::progress(self.revision, response::NO_WATCH);
            self.send(stream, answer, actions);
        }
    }

    fn progress_tick(&mut self, slot: u64, actions: &mut Vec<Action>) {
        let revision = self.revision;
        let mut due = Vec::new();
        for (stream, entry) in &self.streams {
            if stream.0 % PROGRESS_SLOTS != slot % PROGRESS_SLOTS {
                continue;
            }
            for id in entry.watchers.values() {
                let watcher = self.watchers.get_mut(id).expect("its stream has it");
                let idle = std::mem::replace(&mut watcher.idle, true)
                    && !env::planted!("idle-watch-not-told");
                if watcher.progress_notify && idle && watcher.synced && watcher.next <= revision + 1
                {
                    due.push((*stream, watcher.watch_id));
                }
            }
        }
        for (stream, watch_id) in due {
            self.send(stream, response::progress(revision, watch_id), actions);
        }
    }

    fn send(&mut self, stream: StreamId, response: WatchResponse, actions: &mut Vec<Action>) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.queued += response.encoded_len();
            actions.push(Action::Send(stream, response));
            self.update_ready(stream);
        }
    }

    fn update_ready(&mut self, stream: StreamId) {
        let ready = self
            .streams
            .get(&stream)
            .is_some_and(|entry| !entry.behind.is_empty() && self.has_room(entry));
        if ready {
            self.ready.insert(stream);
        } else {
            self.ready.remove(&stream);
        }
    }
}

fn is_empty(range: &types::KeyRange) -> bool {
    matches!(range, types::KeyRange::Range(start, end) if start >= end)
}

/// What some changes have to say to watchers.
#[derive(Default)]
struct Stretch {
    told: BTreeMap<u64, Vec<Bytes>>,
    /// How many of the changes are in it.
    changes: usize,
    /// The revision of the last of them.
    last: i64,
}

impl Stretch {
    /// The last revision that is covered, of changes that were all shown.
    fn through(&self, of: &Changes) -> i64 {
        if self.changes == of.changes.len() { of.through } else { self.last }
    }
}

/// A change as an event, encoded once for all watchers, and once more with what it replaced if
/// somebody wants that.
struct Encoded<'a, H> {
    view: &'a H,
    change: &'a Change,
    plain: Option<Bytes>,
    whole: Option<Bytes>,
}

impl<H: History> Encoded<'_, H> {
    fn event(&mut self, watcher: &Watcher) -> Result<Bytes, H::Error> {
        let Self { view, change, plain, whole } = self;
        let slot = if watcher.prev_kv { whole } else { plain };
        if let Some(event) = slot {
            return Ok(event.clone());
        }
        let previous = if watcher.prev_kv && !change.creates {
            view.value_at(&change.key, change.revision - 1)?
        } else {
            None
        };
        Ok(slot.insert(encode(change, previous)).clone())
    }
}

fn encode(change: &Change, previous: Option<Bytes>) -> Bytes {
    let event = twin::Event {
        r#type: i32::from(change.kind == Kind::Delete),
        kv: Some(change.kv.clone()),
        prev_kv: previous,
    };
    event.encode_to_vec().into()
}

#[cfg(test)]
#[path = "hub_test.rs"]
mod tests;
