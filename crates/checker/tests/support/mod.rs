//! Histories made by hand: a cluster that keeps every promise, one call after another, whose record
//! a test then spoils.
#![allow(dead_code, reason = "each test program uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use checker::{
    Call, Counts, Header, History, Kind, Member, Operation, Outcome, Refusal, Reply, Report, Time,
    Watch, WatchAnswer, check,
};
use proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest,
    LeaseTimeToLiveResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    WatchCreateRequest,
};
use proto::mvccpb::event::EventType;
use proto::mvccpb::{Event, KeyValue};
use std::collections::BTreeMap;
use std::time::Duration;
use types::LeaseId;

/// How long a call takes.
const CALL: Duration = Duration::from_millis(10);

/// A recorder beside a store without faults.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub history: History,
    pub now: Time,
    pub revision: i64,
    keys: BTreeMap<Vec<u8>, KeyValue>,
    /// Every event with the pair before it.
    events: Vec<Event>,
}

pub fn all() -> WatchCreateRequest {
    let key = vec![0].into();
    WatchCreateRequest { range_end: vec![0].into(), key, start_revision: 2, ..Default::default() }
}

impl Tape {
    pub fn new() -> Self {
        Self { revision: 1, ..Self::default() }
    }

    /// Lets time pass.
    pub fn wait(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    /// Records a call that was answered at a revision, and gives its place.
    pub fn done(&mut self, member: u32, call: Call, revision: i64, reply: Reply) -> usize {
        let header = Header { member_id: u64::from(member) + 1, revision, raft_term: 2 };
        let end = self.now.after(CALL);
        self.record(member, call, Outcome::Done { end, header, reply })
    }

    /// Records a call, and gives its place.
    pub fn record(&mut self, member: u32, call: Call, outcome: Outcome) -> usize {
        let begin = self.now;
        let member = Member(member);
        self.history.operations.push(Operation { client: 1, member, begin, call, outcome });
        self.now = self.now.after(CALL).after(Duration::from_millis(1));
        self.history.operations.len() - 1
    }

    pub fn refused(&mut self, call: Call, reason: Refusal) -> usize {
        let end = self.now.after(CALL);
        self.record(0, call, Outcome::Refused { end, reason })
    }

    /// Changes a key, with no call recorded.
    pub fn apply_put(&mut self, key: &str, value: &str, lease: i64) -> Option<KeyValue> {
        self.revision += 1;
        let before = self.keys.get(key.as_bytes()).cloned();
        let kv = KeyValue {
            key: key.as_bytes().to_vec().into(),
            value: value.as_bytes().to_vec().into(),
            create_revision: before.as_ref().map_or(self.revision, |kv| kv.create_revision),
            mod_revision: self.revision,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            lease,
        };
        self.keys.insert(key.as_bytes().to_vec(), kv.clone());
        let event = Event { kv: Some(kv), prev_kv: before.clone(), ..Event::default() };
        self.events.push(event);
        before
    }

    /// Deletes keys at one revision, with no call recorded.
    pub fn apply_delete(&mut self, keys: &[&str]) {
        self.revision += 1;
        for key in keys {
            let prev_kv = self.keys.remove(key.as_bytes());
            let kv = KeyValue {
                key: key.as_bytes().to_vec().into(),
                mod_revision: self.revision,
                ..KeyValue::default()
            };
            let mut event = Event { kv: Some(kv), prev_kv, ..Event::default() };
            event.set_type(EventType::Delete);
            self.events.push(event);
        }
    }

    pub fn put_call(key: &str, value: &str) -> Call {
        let (key, value) = (key.as_bytes().to_vec().into(), value.as_bytes().to_vec().into());
        Call::Put(PutRequest { key, value, ..PutRequest::default() })
    }

    pub fn put(&mut self, key: &str, value: &str) -> usize {
        self.apply_put(key, value, 0);
        let reply = Reply::Put(PutResponse::default());
        self.done(0, Self::put_call(key, value), self.revision, reply)
    }

    pub fn put_with_lease(&mut self, key: &str, value: &str, lease: i64) -> usize {
        self.apply_put(key, value, lease);
        let Call::Put(mut request) = Self::put_call(key, value) else { unreachable!() };
        request.lease = lease;
        let reply = Reply::Put(PutResponse::default());
        self.done(0, Call::Put(request), self.revision, reply)
    }

    pub fn delete_call(key: &str) -> Call {
        let key = key.as_bytes().to_vec().into();
        Call::Delete(DeleteRangeRequest { key, ..DeleteRangeRequest::default() })
    }

    pub fn delete(&mut self, key: &str) -> usize {
        let deleted = i64::from(self.keys.contains_key(key.as_bytes()));
        if deleted > 0 {
            self.apply_delete(&[key]);
        }
        let reply = Reply::Delete(DeleteRangeResponse { deleted, ..Default::default() });
        self.done(0, Self::delete_call(key), self.revision, reply)
    }

    pub fn read_call(key: &str, revision: i64, serializable: bool) -> Call {
        let key = key.as_bytes().to_vec().into();
        Call::Range(RangeRequest { key, revision, serializable, ..RangeRequest::default() })
    }

    pub fn found(kv: Option<KeyValue>) -> Reply {
        let kvs: Vec<KeyValue> = kv.into_iter().collect();
        Reply::Range(RangeResponse { count: kvs.len() as i64, kvs, ..RangeResponse::default() })
    }

    /// A linearizable read that is right.
    pub fn read(&mut self, key: &str) -> usize {
        let reply = Self::found(self.keys.get(key.as_bytes()).cloned());
        self.done(0, Self::read_call(key, 0, false), self.revision, reply)
    }

    pub fn compact(&mut self, revision: i64) -> usize {
        let request = CompactionRequest { revision, physical: false };
        self.done(0, Call::Compact(request), self.revision, Reply::Compact)
    }

    pub fn grant(&mut self, id: i64, ttl: i64) -> usize {
        let request = LeaseGrantRequest { ttl, id };
        let reply = Reply::Grant { id: LeaseId(id), ttl };
        self.done(0, Call::Grant(request), self.revision, reply)
    }

    pub fn keep_alive(&mut self, id: i64, ttl: i64) -> usize {
        self.done(0, Call::KeepAlive(LeaseId(id)), self.revision, Reply::KeepAlive { ttl })
    }

    pub fn time_to_live(&mut self, id: i64, ttl: i64, granted_ttl: i64) -> usize {
        let reply = LeaseTimeToLiveResponse { ttl, granted_ttl, ..Default::default() };
        let call = Call::TimeToLive(LeaseId(id));
        self.done(0, call, self.revision, Reply::TimeToLive(reply))
    }

    /// The events so far that a watch is sent, one revision each.
    pub fn answers(&self, request: &WatchCreateRequest) -> Vec<WatchAnswer> {
        let mut answers: Vec<WatchAnswer> = Vec::new();
        for event in &self.events {
            let kv = event.kv.as_ref().unwrap();
            let revision = kv.mod_revision;
            if revision < request.start_revision
                || !(request.range_end[..] == [0] || request.key == kv.key)
            {
                continue;
            }
            let mut event = event.clone();
            if !request.prev_kv {
                event.prev_kv = None;
            }
            match answers.last_mut().filter(|last| last.revision == revision) {
                Some(last) => last.events.push(event),
                None => answers.push(WatchAnswer {
                    at: self.now,
                    revision,
                    events: vec![event],
                    ..WatchAnswer::default()
                }),
            }
        }
        answers
    }

    /// Records a watch that got everything up to now.
    pub fn watch(&mut self, member: u32, request: WatchCreateRequest) -> &mut Watch {
        let responses = self.answers(&request);
        self.history.watches.push(Watch {
            client: 9,
            member: Member(member),
            begin: Time::ZERO,
            request,
            created_revision: Some(self.revision),
            responses,
            live: true,
            follows: None,
        });
        self.history.watches.last_mut().unwrap()
    }

    pub fn outcome(&mut self, call: usize) -> &mut Outcome {
        &mut self.history.operations[call].outcome
    }

    pub fn check(&self) -> Report {
        let mut history = self.history.clone();
        history.end = self.now;
        check(&history)
    }

    /// Fails unless nothing is wrong; gives what was looked at.
    pub fn assert_clean(&self) -> Counts {
        let report = self.check();
        assert!(report.is_clean(), "{report}");
        report.counts
    }

    /// Fails unless exactly these kinds of violations are found.
    pub fn assert_found(&self, kinds: &[Kind]) {
        let report = self.check();
        let found: Vec<Kind> = report.found.keys().copied().collect();
        assert_eq!(found, kinds, "{report}");
        assert!(report.violations.iter().all(|violation| !violation.detail.is_empty()));
    }
}

/// A few writes of two keys, all answered: revisions 2 to 6.
pub fn some() -> Tape {
    let mut tape = Tape::new();
    tape.put("a", "a1");
    tape.put("b", "b1");
    tape.put("a", "a2");
    tape.delete("b");
    tape.put("b", "b2");
    tape
}
