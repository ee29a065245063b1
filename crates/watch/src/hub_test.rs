//! The hub against a plain list of changes: what a watcher hears is what it should, whatever its
//! stream's speed, its start and the compactions in between.

use std::convert::Infallible;
use std::rc::Rc;

use env::{Rng, SeededRng};
use proto::mvccpb;
use types::KeyRange;

use super::*;
use crate::Filter;
use crate::change::Changes;

/// A history in memory.
#[derive(Clone, Debug)]
struct List {
    changes: Rc<Vec<Change>>,
    revision: i64,
    compacted: i64,
}

impl History for List {
    type Error = Infallible;

    fn revision(&self) -> i64 {
        self.revision
    }

    fn compacted(&self) -> i64 {
        self.compacted
    }

    fn changes(&self, from: i64, through: i64, bytes_max: usize) -> Result<Changes, Infallible> {
        assert!(from >= self.compacted, "{from} is compacted");
        self.new_changes(from, through, bytes_max)
    }

    fn new_changes(
        &self,
        from: i64,
        through: i64,
        bytes_max: usize,
    ) -> Result<Changes, Infallible> {
        assert!(through <= self.revision, "{from}..={through}");
        let mut read = Changes { changes: Vec::new(), through };
        let mut bytes = 0;
        for change in self.changes.iter().filter(|change| change.revision >= from) {
            let last = read.changes.last().map(|change: &Change| change.revision);
            if change.revision > through {
                break;
            }
            if bytes > bytes_max && last != Some(change.revision) {
                read.through = last.expect("something was read");
                break;
            }
            bytes += change.kv.len();
            read.changes.push(change.clone());
        }
        Ok(read)
    }

    fn value_at(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>, Infallible> {
        let before = |change: &&Change| change.key == key && change.revision <= revision;
        let newest = self.changes.iter().rfind(before);
        Ok(newest.filter(|change| change.kind == Kind::Put).map(|change| change.kv.clone()))
    }
}

fn key(rng: &mut SeededRng) -> Bytes {
    Bytes::from(format!("k{}", rng.below(6)))
}

impl List {
    fn empty() -> Self {
        Self { changes: Rc::default(), revision: 1, compacted: 0 }
    }

    /// One more transaction of one to three changes of different keys.
    fn write(&mut self, rng: &mut SeededRng) {
        self.revision += 1;
        let keys: BTreeSet<Bytes> = (0..=rng.below(3)).map(|_| key(rng)).collect();
        for key in keys {
            let exists = self.value_at(&key, self.revision - 1).expect("infallible").is_some();
            let kind = if exists && rng.below(3) == 0 { Kind::Delete } else { Kind::Put };
            let kv = mvccpb::KeyValue {
                key: key.clone(),
                mod_revision: self.revision,
                value: vec![b'v'; rng.below(40) as usize].into(),
                ..mvccpb::KeyValue::default()
            };
            let kv = kv.encode_to_vec().into();
            let change = Change { revision: self.revision, key, kind, creates: !exists, kv };
            Rc::make_mut(&mut self.changes).push(change);
        }
    }

    fn expected(&self, watch: &Heard) -> Vec<(i64, Bytes)> {
        let wanted = |change: &&Change| {
            change.revision >= watch.from
                && watch.range.contains(&change.key)
                && !watch.filters.iter().any(|filter| filter.hides(change.kind))
        };
        self.changes.iter().filter(wanted).map(|c| (c.revision, c.key.clone())).collect()
    }
}

/// What a client knows of one of its watches.
#[derive(Debug)]
struct Heard {
    range: KeyRange,
    filters: Vec<Filter>,
    prev_kv: bool,
    /// The first revision that it should hear of.
    from: i64,
    events: Vec<(i64, Bytes)>,
    ended: bool,
}

/// Clients: each has one stream, and a queue that it takes from when it likes.
struct Clients {
    hub: Hub<List>,
    list: List,
    queues: BTreeMap<StreamId, Vec<WatchResponse>>,
    watches: BTreeMap<(StreamId, i64), Heard>,
    /// Watches of which the answer is still in the queue.
    asked: BTreeMap<StreamId, Vec<Create>>,
}

const LIMITS: Limits = Limits {
    stream_bytes_max: 300,
    total_bytes_max: 900,
    stream_bytes_min: 100,
    read_bytes_max: 120,
    events_max: 4,
    fragment_bytes_max: 150,
};

impl Clients {
    fn new(streams: u64) -> Self {
        Self::with_limits(streams, LIMITS)
    }

    fn with_limits(streams: u64, limits: Limits) -> Self {
        let list = List::empty();
        let mut clients = Self {
            hub: Hub::new(list.clone(), limits),
            list,
            queues: BTreeMap::new(),
            watches: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        for stream in (0..streams).map(StreamId) {
            clients.queues.insert(stream, Vec::new());
            clients.event(Event::Open(stream));
        }
        clients
    }

    fn event(&mut self, event: Event<List>) {
        let actions = self.hub.handle(event).unwrap_or_else(|error| match error {});
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for Action::Send(stream, response) in actions {
            self.queues.get_mut(&stream).expect("it is open").push(response);
        }
    }

    fn catch_up_once(&mut self) {
        if self.hub.is_behind() {
            let actions = self.hub.catch_up().unwrap_or_else(|error| match error {});
            self.perform(actions);
        }
    }

    /// Takes everything that is queued for a stream.
    fn take(&mut self, stream: StreamId) {
        let taken = std::mem::take(self.queues.get_mut(&stream).expect("it is open"));
        let bytes = taken.iter().map(Message::encoded_len).sum();
        for response in taken {
            self.hear(stream, response);
        }
        self.event(Event::Drained(stream, bytes));
    }

    fn hear(&mut self, stream: StreamId, response: WatchResponse) {
        let revision = response.header.as_ref().expect("always").revision;
        if response.watch_id == response::NO_WATCH {
            let told = self.watches.iter().filter(|((of, _), heard)| *of == stream && !heard.ended);
            for (id, heard) in told {
                let due = self.list.expected(heard);
                let due: Vec<_> = due.into_iter().filter(|(at, _)| *at <= revision).collect();
                assert_eq!(heard.events, due, "progress at {revision} before {id:?} heard all");
            }
            return;
        }
        if response.created {
            let create = self.asked.get_mut(&stream).expect("it asked").remove(0);
            let from =
                if create.start_revision == 0 { revision + 1 } else { create.start_revision };
            let Create { range, filters, prev_kv, .. } = create;
            let heard = Heard { range, filters, prev_kv, from, events: Vec::new(), ended: false };
            assert!(self.watches.insert((stream, response.watch_id), heard).is_none());
            return;
        }
        let heard = self.watches.get_mut(&(stream, response.watch_id)).expect("it was created");
        assert!(!heard.ended, "a response after the end");
        for event in &response.events {
            let event = mvccpb::Event::decode(&event[..]).expect("an event");
            let kv = event.kv.expect("a key");
            if heard.prev_kv {
                let before = self.list.value_at(&kv.key, kv.mod_revision - 1).expect("infallible");
                let told = event.prev_kv.map(|kv| Bytes::from(kv.encode_to_vec()));
                assert_eq!(told, before);
            }
            heard.events.push((kv.mod_revision, kv.key));
        }
        heard.ended = response.canceled;
    }

    fn create(&mut self, rng: &mut SeededRng, stream: StreamId) {
        let start_revision = match rng.below(3) {
            0 => 0,
            1 => 1 + rng.below(self.list.revision as u64) as i64,
            _ => self.list.revision + rng.below(4) as i64,
        };
        let range = match rng.below(4) {
            0 => KeyRange::All,
            1 => KeyRange::Key(key(rng)),
            2 => KeyRange::From(key(rng)),
            _ => KeyRange::Range(Bytes::from_static(b"k1"), Bytes::from_static(b"k4")),
        };
        let filters = match rng.below(4) {
            0 => vec![Filter::NoPut],
            1 => vec![Filter::NoDelete],
            _ => Vec::new(),
        };
        let create = Create {
            watch_id: 0,
            range,
            start_revision,
            filters,
            prev_kv: rng.below(2) == 0,
            progress_notify: false,
            fragment: rng.below(2) == 0,
        };
        self.asked.entry(stream).or_default().push(create.clone());
        self.event(Event::Create(stream, create));
    }

    fn step(&mut self, rng: &mut SeededRng, compacts: bool) {
        let stream = StreamId(rng.below(self.queues.len() as u64));
        match rng.below(12) {
            0 | 1 => self.create(rng, stream),
            2..=5 => {
                (0..=rng.below(4)).for_each(|_| self.list.write(rng));
                self.event(Event::View(self.list.clone()));
            }
            6 | 7 => self.take(stream),
            8 => self.event(Event::Progress(stream)),
            9 if compacts && rng.below(4) == 0 => {
                let compacted = rng.below(self.list.revision as u64) as i64 + 1;
                self.list.compacted = self.list.compacted.max(compacted);
                self.event(Event::View(self.list.clone()));
            }
            _ => self.catch_up_once(),
        }
    }

    fn settle(&mut self) {
        let streams: Vec<StreamId> = self.queues.keys().copied().collect();
        loop {
            streams.iter().for_each(|stream| self.take(*stream));
            if !self.hub.is_behind() && self.queues.values().all(Vec::is_empty) {
                return;
            }
            self.catch_up_once();
        }
    }
}

fn run(seed: u64, compacts: bool) -> usize {
    let mut rng = SeededRng::new(seed);
    let mut clients = Clients::new(3);
    for _ in 0..200 {
        clients.step(&mut rng, compacts);
    }
    clients.settle();
    let mut cancelled = 0;
    for (id, heard) in &clients.watches {
        let expected = clients.list.expected(heard);
        if heard.ended {
            cancelled += 1;
            assert!(expected.starts_with(&heard.events), "seed {seed}, watch {id:?}: a gap");
        } else {
            assert_eq!(heard.events, expected, "seed {seed}, watch {id:?}");
        }
    }
    assert_eq!(clients.hub.counts().1, 0, "seed {seed}: somebody is still behind");
    cancelled
}

#[test]
fn every_watcher_hears_all_that_concerns_it_in_order_and_once() {
    for seed in 0..100 {
        assert_eq!(run(seed, false), 0, "seed {seed}: a watch was cancelled");
    }
}

#[test]
fn a_compaction_cancels_who_is_too_far_behind_and_nobody_misses_anything() {
    let cancelled: usize = (0..100).map(|seed| run(seed, true)).sum();
    assert!(cancelled > 30, "only {cancelled} cancels");
}

fn create(range: KeyRange, watch_id: i64, start_revision: i64) -> Create {
    Create {
        watch_id,
        range,
        start_revision,
        filters: Vec::new(),
        prev_kv: false,
        progress_notify: true,
        fragment: false,
    }
}

fn sent(hub: &mut Hub<List>, event: Event<List>) -> Vec<WatchResponse> {
    let actions = hub.handle(event).unwrap_or_else(|error| match error {});
    actions.into_iter().map(|Action::Send(_, response)| response).collect()
}

#[test]
fn ids_are_the_clients_or_the_next_free_one() {
    let mut hub = Hub::new(List::empty(), LIMITS);
    let stream = StreamId(0);
    sent(&mut hub, Event::Open(stream));
    let mut id = |wanted, range| {
        let answer = sent(&mut hub, Event::Create(stream, create(range, wanted, 0))).remove(0);
        assert!(answer.created);
        (answer.watch_id, answer.cancel_reason)
    };
    assert_eq!(id(1, KeyRange::All).0, 1);
    assert_eq!(id(0, KeyRange::All).0, 0);
    assert_eq!(id(0, KeyRange::All).0, 2);
    assert_eq!(id(1, KeyRange::All), (-1, DUPLICATE_ID.to_owned()));
    let empty = KeyRange::Range(Bytes::from_static(b"b"), Bytes::from_static(b"a"));
    assert_eq!(id(9, empty), (-1, EMPTY_RANGE.to_owned()));
}

#[test]
fn a_negative_start_is_refused() {
    let mut hub = Hub::new(List::empty(), LIMITS);
    sent(&mut hub, Event::Open(StreamId(0)));
    let answer = sent(&mut hub, Event::Create(StreamId(0), create(KeyRange::All, 0, -1))).remove(0);
    assert_eq!((answer.canceled, answer.cancel_reason.as_str()), (true, NEGATIVE_START));
}

#[test]
fn cancelling_id_0_cancels_that_watch_alone() {
    let mut hub = Hub::new(List::empty(), LIMITS);
    let stream = StreamId(0);
    sent(&mut hub, Event::Open(stream));
    sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 0)));
    sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 0)));
    assert!(sent(&mut hub, Event::Cancel(stream, 7)).is_empty());
    let answer = sent(&mut hub, Event::Cancel(stream, 0)).remove(0);
    assert_eq!((answer.watch_id, answer.canceled), (0, true));
    assert_eq!(hub.counts(), (1, 0));
}

#[test]
fn cancelling_a_watch_that_compaction_ended_is_answered_once() {
    let mut list = List::empty();
    let mut rng = SeededRng::new(1);
    (0..3).for_each(|_| list.write(&mut rng));
    list.compacted = list.revision;
    let mut hub = Hub::new(list, LIMITS);
    let stream = StreamId(0);
    sent(&mut hub, Event::Open(stream));
    let id = sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 1)))[0].watch_id;
    let Action::Send(_, ended) =
        hub.catch_up().unwrap_or_else(|error| match error {}).pop().unwrap();
    assert!(ended.canceled && ended.compact_revision > 0, "{ended:?}");
    let answers = sent(&mut hub, Event::Cancel(stream, id));
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].canceled, answers[0].compact_revision), (true, 0));
    assert!(sent(&mut hub, Event::Cancel(stream, id)).is_empty());
    assert!(sent(&mut hub, Event::Cancel(stream, 7)).is_empty());
}

#[test]
fn an_idle_watch_is_told_the_revision_and_one_of_the_future_is_not() {
    let mut hub = Hub::new(List::empty(), LIMITS);
    let stream = StreamId(3);
    sent(&mut hub, Event::Open(stream));
    sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 0)));
    sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 9)));
    assert!(sent(&mut hub, Event::ProgressTick(4)).is_empty(), "another stream's slot");
    let told = sent(&mut hub, Event::ProgressTick(3));
    assert_eq!(told.iter().map(|answer| answer.watch_id).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_write_and_its_compaction_in_one_view_reach_who_is_up_to_date() {
    let mut rng = SeededRng::new(1);
    let mut list = List::empty();
    let mut hub = Hub::new(list.clone(), LIMITS);
    sent(&mut hub, Event::Open(StreamId(0)));
    sent(&mut hub, Event::Create(StreamId(0), create(KeyRange::All, 0, 0)));
    (0..3).for_each(|_| list.write(&mut rng));
    list.compacted = list.revision;
    let told = sent(&mut hub, Event::View(list.clone()));
    assert!(told.iter().all(|answer| !answer.canceled && !answer.events.is_empty()));
    assert_eq!(told.iter().map(|answer| answer.events.len()).sum::<usize>(), list.changes.len());
}

#[test]
fn who_is_up_to_date_learns_of_what_another_store_has_compacted() {
    for is_compacted in [false, true] {
        let mut rng = SeededRng::new(1);
        let mut clients = idle_readers(1);
        clients.list.write(&mut rng);
        clients.event(Event::View(clients.list.clone()));
        clients.take(StreamId(0));
        let known = clients.list.revision;
        (0..3).for_each(|_| clients.list.write(&mut rng));
        if is_compacted {
            clients.list.compacted = clients.list.revision;
            let kept = |change: &&Change| change.revision <= known;
            let kept = clients.list.changes.iter().filter(kept).cloned().collect();
            clients.list.changes = Rc::new(kept);
        }
        clients.event(Event::Replaced(clients.list.clone()));
        clients.settle();
        let (_, heard) = clients.watches.iter().next().expect("there is one");
        assert_eq!(heard.ended, is_compacted);
        assert_eq!(heard.events, clients.list.expected(heard));
    }
}

#[test]
fn a_closed_stream_leaves_nothing() {
    let mut hub = Hub::new(List::empty(), LIMITS);
    for stream in (0..5).map(StreamId) {
        sent(&mut hub, Event::Open(stream));
        sent(&mut hub, Event::Create(stream, create(KeyRange::All, 0, 1)));
        sent(&mut hub, Event::Close(stream));
    }
    assert_eq!((hub.counts(), hub.streams(), hub.is_behind()), ((0, 0), 0, false));
}

/// So many streams with a watch of everything each, and nobody who reads.
fn idle_readers(streams: u64) -> Clients {
    let mut clients = Clients::new(streams);
    for stream in (0..streams).map(StreamId) {
        let create = create(KeyRange::All, 0, 0);
        clients.asked.entry(stream).or_default().push(create.clone());
        clients.event(Event::Create(stream, create));
        clients.take(stream);
    }
    clients
}

#[test]
fn what_is_queued_for_streams_that_nobody_reads_is_bounded_together() {
    for (streams, each_max) in [(1, 300), (6, 150), (30, 100)] {
        let mut rng = SeededRng::new(streams);
        let mut clients = idle_readers(streams);
        for _ in 0..300 {
            clients.list.write(&mut rng);
            clients.event(Event::View(clients.list.clone()));
            clients.catch_up_once();
        }
        for (stream, queue) in &clients.queues {
            // The last response went out when there was some room left.
            let (_, before) = queue.split_last().expect("some were sent");
            let bytes: usize = before.iter().map(Message::encoded_len).sum();
            assert!(bytes < each_max, "{streams} streams, {stream:?}: {bytes} bytes");
        }
        clients.settle();
        for heard in clients.watches.values() {
            assert_eq!(heard.events, clients.list.expected(heard));
        }
    }
}

#[test]
fn watches_of_a_slow_stream_go_on_together() {
    const WATCHES: usize = 50;
    let limits = Limits {
        stream_bytes_max: 40 << 10,
        total_bytes_max: 40 << 10,
        read_bytes_max: 1 << 20,
        events_max: 64 << 10,
        ..LIMITS
    };
    let mut clients = Clients::with_limits(1, limits);
    let mut rng = SeededRng::new(5);
    (0..200).for_each(|_| clients.list.write(&mut rng));
    clients.event(Event::View(clients.list.clone()));
    let stream = StreamId(0);
    for _ in 0..WATCHES {
        clients.event(Event::Create(stream, create(KeyRange::All, 0, 2)));
    }
    let mut passes = 0;
    while clients.hub.is_behind() {
        clients.catch_up_once();
        passes += 1;
        let positions: BTreeSet<i64> =
            clients.hub.watchers.values().map(|watcher| watcher.next).collect();
        assert_eq!(positions.len(), 1, "pass {passes}: {positions:?}");
        // Its reader takes what fills a quarter of the room.
        let mut bytes = 0;
        let queue = clients.queues.get_mut(&stream).expect("it is open");
        while bytes < 10 << 10 && !queue.is_empty() {
            bytes += queue.remove(0).encoded_len();
        }
        clients.event(Event::Drained(stream, bytes));
    }
    assert!(passes > 10, "{passes} passes: it was never short of room");
}

#[test]
fn a_view_with_much_news_is_told_in_pieces_that_end_with_a_revision() {
    let mut rng = SeededRng::new(3);
    let mut clients = idle_readers(3);
    (0..10).for_each(|_| clients.list.write(&mut rng));
    clients.event(Event::View(clients.list.clone()));
    for queue in clients.queues.values() {
        assert!(queue.len() > 1, "{} responses", queue.len());
        for response in queue {
            let last = response.events.last().expect("events");
            let last = mvccpb::Event::decode(&last[..]).expect("an event").kv.expect("a key");
            let revision = response.header.as_ref().expect("always").revision;
            assert_eq!(revision, last.mod_revision);
        }
    }
    clients.settle();
}
