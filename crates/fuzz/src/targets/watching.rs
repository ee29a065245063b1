//! Watches: what each hears, beside the list of all changes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use prost::Message;
use proto::mvccpb;
use proto::twin::WatchResponse;
use types::KeyRange;
use watch::{Action, Change, Changes, Create, Event, Filter, History, Hub, Kind, Limits, StreamId};

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[Target::new("watch", watches, choices, 400)];

const LIMITS: Limits = Limits {
    stream_bytes_max: 300,
    total_bytes_max: 900,
    stream_bytes_min: 100,
    read_bytes_max: 120,
    events_max: 4,
    fragment_bytes_max: 150,
};

const STREAMS: u64 = 3;

/// The answer to a watch that was refused names no watch.
const NO_WATCH: i64 = -1;

/// All changes.
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

    fn new_changes(&self, from: i64, through: i64, max: usize) -> Result<Changes, Infallible> {
        assert!(through <= self.revision, "{from}..={through}");
        let mut read = Changes { changes: Vec::new(), through };
        let mut bytes = 0;
        let begin = self.changes.partition_point(|change| change.revision < from);
        for change in self.changes[begin..].iter().take_while(|next| next.revision <= through) {
            let last = read.changes.last().map(|change: &Change| change.revision);
            if let Some(last) = last.filter(|last| bytes > max && *last != change.revision) {
                read.through = last;
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

impl List {
    fn write(&mut self, input: &mut Input<'_>) {
        self.revision += 1;
        let mut keys: Vec<Bytes> = (0..=input.below(3)).map(|_| key(input)).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let before =
                self.value_at(&key, self.revision - 1).unwrap_or_else(|error| match error {});
            let creates = before.is_none();
            let kind = if !creates && input.one_in(3) { Kind::Delete } else { Kind::Put };
            let kv = mvccpb::KeyValue {
                key: key.clone(),
                mod_revision: self.revision,
                value: vec![b'v'; input.below(40)].into(),
                ..mvccpb::KeyValue::default()
            };
            let kv = kv.encode_to_vec().into();
            let change = Change { revision: self.revision, key, kind, creates, kv };
            Rc::make_mut(&mut self.changes).push(change);
        }
    }
}

fn key(input: &mut Input<'_>) -> Bytes {
    Bytes::from(format!("k{}", input.below(5)))
}

/// What a client knows of a watch.
struct Heard {
    create: Create,
    from: i64,
    events: Vec<(i64, Bytes)>,
    ended: bool,
}

struct Run {
    hub: Hub<List>,
    list: List,
    queues: BTreeMap<StreamId, Vec<WatchResponse>>,
    asked: BTreeMap<StreamId, Vec<Create>>,
    watches: BTreeMap<(StreamId, i64), Heard>,
    features: Features,
}

impl Run {
    fn event(&mut self, event: Event<List>) {
        let actions = self.hub.handle(event).unwrap_or_else(|error| match error {});
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for Action::Send(stream, response) in actions {
            self.queues.get_mut(&stream).expect("it is open").push(response);
        }
    }

    fn catch_up(&mut self) {
        if self.hub.is_behind() {
            let actions = self.hub.catch_up().unwrap_or_else(|error| match error {});
            self.perform(actions);
        }
    }

    fn take(&mut self, stream: StreamId) {
        let Some(queue) = self.queues.get_mut(&stream) else { return };
        let taken = std::mem::take(queue);
        let bytes = taken.iter().map(Message::encoded_len).sum();
        taken.into_iter().for_each(|response| self.hear(stream, &response));
        self.event(Event::Drained(stream, bytes));
    }

    fn hear(&mut self, stream: StreamId, response: &WatchResponse) {
        let revision = response.header.as_ref().expect("each has one").revision;
        if response.created {
            let create = self.asked.get_mut(&stream).expect("it asked").remove(0);
            if response.watch_id == NO_WATCH {
                assert!(response.canceled && !response.cancel_reason.is_empty());
                return self.features.text(&response.cancel_reason);
            }
            let from = match create.start_revision {
                0 => revision + 1,
                from => from,
            };
            assert!(create.watch_id == 0 || create.watch_id == response.watch_id);
            let heard = Heard { create, from, events: Vec::new(), ended: response.canceled };
            let before = self.watches.insert((stream, response.watch_id), heard);
            assert!(before.is_none_or(|before| before.ended), "two watches of one id");
            return;
        }
        if response.watch_id == NO_WATCH {
            let told = self.watches.iter().filter(|((of, _), heard)| *of == stream && !heard.ended);
            told.for_each(|(_, heard)| self.list.check_progress(heard, revision));
            return;
        }
        let heard = self.watches.get_mut(&(stream, response.watch_id)).expect("it was created");
        if heard.ended {
            // The client's own cancel is answered, also of a watch that a compaction had ended.
            assert!(response.canceled && response.events.is_empty(), "a response behind the end");
            return;
        }
        for event in &response.events {
            let event = mvccpb::Event::decode(&event[..]).expect("an event");
            let kv = event.kv.expect("an event has a key");
            heard.events.push((kv.mod_revision, kv.key));
        }
        let tells_nothing = response.events.is_empty() && !response.canceled;
        if tells_nothing && !response.fragment {
            let heard = &self.watches[&(stream, response.watch_id)];
            self.list.check_progress(heard, revision);
        } else if response.canceled {
            heard.ended = true;
            self.features.note(3);
        }
    }

    fn create(&mut self, input: &mut Input<'_>, stream: StreamId) {
        let range = match input.below(5) {
            0 => KeyRange::All,
            1 => KeyRange::From(key(input)),
            2 => KeyRange::Range(key(input), key(input)),
            _ => KeyRange::Key(key(input)),
        };
        let filters = match input.below(4) {
            0 => vec![Filter::NoPut],
            1 => vec![Filter::NoDelete],
            _ => Vec::new(),
        };
        let start_revision = match input.below(6) {
            0 | 1 => 0,
            2 => input.signed(),
            3 => self.list.revision + input.below(4) as i64,
            _ => 1 + i64::from(input.byte()) % self.list.revision,
        };
        let create = Create {
            watch_id: if input.one_in(4) { input.below(4) as i64 } else { 0 },
            range,
            start_revision,
            filters,
            prev_kv: input.one_in(2),
            progress_notify: input.one_in(2),
            fragment: input.one_in(2),
        };
        self.asked.entry(stream).or_default().push(create.clone());
        self.event(Event::Create(stream, create));
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let stream = StreamId(input.below(STREAMS as usize) as u64);
        match input.below(16) {
            0 | 1 => self.create(input, stream),
            2..=6 => {
                (0..=input.below(3)).for_each(|_| self.list.write(input));
                self.event(Event::View(self.list.clone()));
            }
            7 | 8 => self.take(stream),
            9 => self.event(Event::Progress(stream)),
            10 => {
                let compacted = 1 + i64::from(input.byte()) % self.list.revision;
                self.list.compacted = self.list.compacted.max(compacted);
                self.event(Event::View(self.list.clone()));
            }
            11 => {
                self.take(stream);
                let watch_id = input.below(4) as i64;
                self.event(Event::Cancel(stream, watch_id));
            }
            12 => self.event(Event::ProgressTick(input.below(12) as u64)),
            13 => self.event(Event::Replaced(self.list.clone())),
            14 if input.one_in(4) => {
                self.event(Event::Close(stream));
                self.queues.insert(stream, Vec::new());
                self.asked.remove(&stream);
                self.watches.retain(|(of, _), _| *of != stream);
                self.event(Event::Open(stream));
            }
            _ => self.catch_up(),
        }
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            (0..STREAMS).for_each(|stream| self.take(StreamId(stream)));
            if !self.hub.is_behind() && self.queues.values().all(Vec::is_empty) {
                return;
            }
            self.catch_up();
        }
        panic!("somebody is never told");
    }
}

impl List {
    fn expected(&self, heard: &Heard) -> Vec<(i64, Bytes)> {
        let is_hidden = |kind| {
            let hides = |filter: &Filter| {
                matches!(
                    (filter, kind),
                    (Filter::NoPut, Kind::Put) | (Filter::NoDelete, Kind::Delete)
                )
            };
            heard.create.filters.iter().any(hides)
        };
        let begin = self.changes.partition_point(|change| change.revision < heard.from);
        let wanted =
            |change: &&Change| heard.create.range.contains(&change.key) && !is_hidden(change.kind);
        self.changes[begin..].iter().filter(wanted).map(|c| (c.revision, c.key.clone())).collect()
    }

    fn check_progress(&self, heard: &Heard, revision: i64) {
        let due = self.expected(heard);
        let due = due.into_iter().filter(|(at, _)| *at <= revision);
        assert!(due.eq(heard.events.iter().cloned()), "progress at {revision} before all was told");
    }
}

fn watches(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let list = List { changes: Rc::default(), revision: 1, compacted: 0 };
    let mut run = Run {
        hub: Hub::new(list.clone(), LIMITS),
        list,
        queues: BTreeMap::new(),
        asked: BTreeMap::new(),
        watches: BTreeMap::new(),
        features: Features::default(),
    };
    for stream in (0..STREAMS).map(StreamId) {
        run.queues.insert(stream, Vec::new());
        run.event(Event::Open(stream));
    }
    for _ in 0..250 {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.settle();
    for heard in run.watches.values() {
        let expected = run.list.expected(heard);
        if heard.ended {
            assert!(expected.starts_with(&heard.events), "a gap");
        } else {
            assert_eq!(heard.events, expected);
        }
        run.features.size(heard.events.len());
    }
    run.features.number()
}
