//! Keys and values: each kind of fault in a history is found, and nothing else.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use checker::{Call, Final, Hash, Header, Kind, Member, Outcome, Refusal, Reply, Time};
use proto::etcdserverpb::compare::{CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    Compare, PutRequest, PutResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};
use support::{Tape, all, some};

#[test]
fn a_history_without_fault() {
    let mut tape = some();
    tape.read("a");
    tape.read("c");
    tape.delete("c");
    tape.watch(0, all());
    tape.watch(1, all());
    let counts = tape.assert_clean();
    assert_eq!((counts.operations, counts.answers, counts.revisions), (8, 8, 5));
    assert_eq!((counts.watches, counts.events), (2, 10));
}

#[test]
fn without_watches_acknowledged_writes_are_the_history() {
    let mut tape = some();
    tape.read("a");
    tape.assert_clean();
}

#[test]
fn a_lost_write() {
    let mut tape = some();
    // Acknowledged, but the cluster went on without it.
    let lost = tape.put("a", "lost");
    tape.revision -= 1;
    let mut real = some();
    real.put("b", "b3");
    tape.history.watches.push(real.watch(0, all()).clone());
    let Outcome::Done { header, .. } = tape.outcome(lost) else { panic!() };
    assert_eq!(header.revision, 7);
    tape.assert_found(&[Kind::UnclaimedRevision, Kind::LostWrite]);
}

#[test]
fn an_acknowledged_write_at_another_revision() {
    let mut tape = some();
    let call = tape.put("a", "moved");
    tape.put("b", "b3");
    tape.watch(0, all());
    if let Outcome::Done { header, .. } = tape.outcome(call) {
        header.revision = 8;
    }
    tape.assert_found(&[Kind::LostWrite, Kind::FromTheFuture]);
}

#[test]
fn a_stale_read() {
    let mut tape = some();
    let old = tape.check();
    assert!(old.is_clean());
    // Right for revision 3, but 4 was acknowledged before the read began.
    let value = Tape::found(some_at("a", 3));
    tape.done(1, Tape::read_call("a", 0, false), 3, value);
    tape.watch(0, all());
    tape.assert_found(&[Kind::OutOfOrder]);
}

/// The pair of a key in [`some`] at a revision.
fn some_at(key: &str, revision: i64) -> Option<proto::mvccpb::KeyValue> {
    let mut tape = some();
    let watch = tape.watch(0, all());
    let events = watch.responses.iter().flat_map(|answer| &answer.events);
    let mut kvs = events.filter_map(|event| event.kv.clone());
    kvs.rfind(|kv| kv.key == key.as_bytes() && kv.mod_revision <= revision)
}

#[test]
fn a_serializable_read_may_be_stale() {
    let mut tape = some();
    tape.done(1, Tape::read_call("a", 0, true), 3, Tape::found(some_at("a", 3)));
    tape.watch(0, all());
    tape.assert_clean();
}

#[test]
fn a_serializable_read_must_not_be_wrong() {
    let mut tape = some();
    // The value of revision 2 with the header of revision 4.
    tape.done(1, Tape::read_call("a", 0, true), 4, Tape::found(some_at("a", 2)));
    tape.assert_found(&[Kind::WrongReply]);
}

#[test]
fn a_read_at_an_old_revision() {
    let mut tape = some();
    tape.done(0, Tape::read_call("a", 3, false), 6, Tape::found(some_at("a", 3)));
    tape.assert_clean();
    tape.done(0, Tape::read_call("a", 3, false), 6, Tape::found(some_at("a", 4)));
    tape.assert_found(&[Kind::WrongReply]);
}

#[test]
fn a_wrong_previous_pair_in_an_answer() {
    let mut tape = some();
    let call = tape.put("a", "a3");
    let wrong = some_at("a", 2);
    if let Outcome::Done { reply, .. } = tape.outcome(call) {
        *reply = Reply::Put(PutResponse { prev_kv: wrong, ..PutResponse::default() });
    }
    tape.assert_found(&[Kind::WrongReply]);
}

#[test]
fn a_write_that_stands_behind_its_acknowledgement() {
    let mut tape = Tape::new();
    let first = tape.put("a", "a1");
    let second = tape.put("b", "b1");
    // They were sent one after the other, but the revisions are the other way round.
    let operations = &mut tape.history.operations;
    let begin = operations[first].begin;
    operations[first].begin = operations[second].begin;
    operations[second].begin = begin;
    for call in [first, second] {
        let begin = operations[call].begin;
        if let Outcome::Done { end, .. } = &mut operations[call].outcome {
            *end = begin.after(std::time::Duration::from_millis(1));
        }
        operations[call].member = Member(call as u32);
    }
    tape.assert_found(&[Kind::OutOfOrder, Kind::FromTheFuture]);
}

#[test]
fn two_deletions_of_one_key() {
    let mut tape = some();
    tape.delete("b");
    tape.delete("b");
    tape.watch(0, all());
    tape.assert_clean();
    // Both say that it was there.
    let twice = tape.history.operations[5].outcome.clone();
    let Outcome::Done { reply, .. } = twice else { panic!() };
    if let Outcome::Done { reply: second, .. } = tape.outcome(6) {
        *second = reply;
    }
    tape.assert_found(&[Kind::AppliedTwice]);
}

#[test]
fn a_read_of_what_is_written_later() {
    let mut tape = some();
    let begin = tape.now;
    tape.wait(100);
    tape.put("a", "later");
    let mut seen = tape.clone();
    let read = seen.read("a");
    // The serializable read was answered before the write was sent.
    let operation = &mut seen.history.operations[read];
    operation.begin = begin;
    operation.call = Tape::read_call("a", 0, true);
    if let Outcome::Done { end, .. } = &mut operation.outcome {
        *end = begin.after(std::time::Duration::from_millis(5));
    }
    seen.history.operations[read].member = Member(3);
    seen.assert_found(&[Kind::FromTheFuture]);
}

#[test]
fn two_histories() {
    let mut tape = some();
    tape.watch(0, all());
    let mut other = Tape::new();
    other.put("a", "a1");
    other.put("b", "b1");
    other.put("a", "other");
    other.delete("b");
    other.put("b", "b2");
    let other = other.watch(1, all()).clone();
    tape.history.watches.push(other);
    let report = tape.check();
    assert!(report.found.contains_key(&Kind::SplitRevision), "{report}");
}

#[test]
fn a_change_that_nobody_asked_for() {
    let mut tape = some();
    tape.apply_put("c", "from nowhere", 0);
    tape.watch(0, all());
    tape.assert_found(&[Kind::UnclaimedRevision]);
    let mut tape = some();
    tape.apply_delete(&["a"]);
    tape.watch(0, all());
    tape.assert_found(&[Kind::UnclaimedRevision]);
}

#[test]
fn a_revision_that_nobody_saw() {
    let mut tape = some();
    tape.apply_put("c", "unseen", 0);
    tape.put("c", "c2");
    tape.assert_found(&[Kind::UnseenRevision, Kind::LostWrite]);
}

#[test]
fn unknown_outcomes() {
    let mut tape = some();
    // One that was carried out, and later than the client gave up; one that never was.
    tape.record(0, Tape::put_call("c", "c1"), Outcome::Unknown);
    tape.record(0, Tape::put_call("d", "d1"), Outcome::Unknown);
    tape.record(0, Tape::delete_call("a"), Outcome::Unknown);
    tape.record(0, Tape::delete_call("b"), Outcome::Unknown);
    tape.put("x", "x1");
    tape.apply_put("c", "c1", 0);
    tape.put("x", "x2");
    tape.apply_delete(&["b"]);
    tape.read("b");
    tape.watch(0, all());
    let counts = tape.assert_clean();
    assert_eq!((counts.unknown, counts.unknown_applied), (4, 2));
}

#[test]
fn an_unknown_write_that_was_seen_before_it_was_sent() {
    let mut tape = some();
    tape.apply_put("c", "c1", 0);
    tape.read("c");
    tape.record(0, Tape::put_call("c", "c1"), Outcome::Unknown);
    tape.watch(0, all());
    tape.assert_found(&[Kind::OutOfOrder, Kind::FromTheFuture]);
}

#[test]
fn a_write_that_was_carried_out_twice() {
    let mut tape = some();
    tape.put("c", "c1");
    tape.put("c", "c2");
    tape.apply_put("c", "c1", 0);
    tape.watch(0, all());
    tape.assert_found(&[Kind::AppliedTwice]);
    // At once: as if somebody had put it again and kept the value, but nobody did.
    let mut tape = some();
    tape.put("c", "c1");
    tape.apply_put("c", "c1", 0);
    tape.watch(0, all());
    tape.assert_found(&[Kind::UnclaimedRevision]);
    let Call::Put(mut keep) = Tape::put_call("c", "") else { panic!() };
    keep.ignore_value = true;
    let begin = tape.history.operations[5].begin;
    tape.record(0, Call::Put(keep), Outcome::Unknown);
    tape.history.operations[6].begin = begin;
    tape.assert_clean();
}

#[test]
fn a_refused_write_that_was_carried_out() {
    let mut tape = some();
    tape.refused(Tape::put_call("c", "c1"), Refusal::Other("too many requests".to_owned()));
    tape.assert_clean();
    tape.apply_put("c", "c1", 0);
    tape.watch(0, all());
    tape.assert_found(&[Kind::RefusedButApplied]);
}

fn compare_value(key: &'static str, value: &'static str) -> Compare {
    Compare {
        key: key.into(),
        target: CompareTarget::Value as i32,
        target_union: Some(TargetUnion::Value(value.into())),
        ..Compare::default()
    }
}

fn put_op(key: &'static str, value: &'static str) -> RequestOp {
    let put = PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() };
    RequestOp { request: Some(Request::RequestPut(put)) }
}

fn txn_reply(succeeded: bool, puts: usize) -> Reply {
    let put = ResponseOp { response: Some(Response::ResponsePut(PutResponse::default())) };
    Reply::Txn(TxnResponse { succeeded, responses: vec![put; puts], ..TxnResponse::default() })
}

#[test]
fn transactions() {
    let mut tape = some();
    let txn = |a, b| TxnRequest {
        compare: vec![compare_value("a", "a2")],
        success: vec![put_op("a", a), put_op("b", b)],
        failure: Vec::new(),
    };
    // Both puts at one revision.
    tape.apply_put("a", "a3", 0);
    tape.revision -= 1;
    tape.apply_put("b", "b3", 0);
    tape.done(0, Call::Txn(txn("a3", "b3")), 7, txn_reply(true, 2));
    tape.done(0, Call::Txn(txn("a4", "b4")), 7, txn_reply(false, 0));
    tape.watch(0, all());
    tape.assert_clean();
    // It says that it compared equal when it did not.
    tape.done(0, Call::Txn(txn("a5", "b5")), 7, txn_reply(true, 2));
    tape.assert_found(&[Kind::WrongReply]);
    // Half of it.
    let mut half = some();
    half.apply_put("a", "a3", 0);
    half.record(0, Call::Txn(txn("a3", "b3")), Outcome::Unknown);
    half.watch(0, all());
    let report = half.check();
    assert!(report.found.contains_key(&Kind::UnclaimedRevision), "{report}");
}

#[test]
fn a_member_that_goes_back() {
    let mut tape = some();
    tape.read("a");
    tape.done(0, Tape::read_call("a", 0, true), 3, Tape::found(some_at("a", 3)));
    tape.assert_found(&[Kind::WentBack]);
    // After a start it may.
    let mut started = some();
    started.read("a");
    started.history.starts.push((Member(0), started.now));
    started.wait(1);
    started.done(0, Tape::read_call("a", 0, true), 3, Tape::found(some_at("a", 3)));
    started.assert_clean();
}

#[test]
fn a_term_that_falls() {
    let mut tape = some();
    let read = tape.read("a");
    if let Outcome::Done { header, .. } = tape.outcome(read) {
        *header = Header { raft_term: 1, ..*header };
    }
    tape.assert_found(&[Kind::WentBack]);
}

#[test]
fn compaction() {
    let mut tape = some();
    tape.compact(4);
    tape.refused(Tape::read_call("a", 3, false), Refusal::Compacted);
    tape.done(0, Tape::read_call("a", 4, false), 6, Tape::found(some_at("a", 4)));
    tape.assert_clean();
    let mut kept = tape.clone();
    kept.done(0, Tape::read_call("a", 3, false), 6, Tape::found(some_at("a", 3)));
    kept.assert_found(&[Kind::ReadBehindCompaction]);
    tape.refused(Tape::read_call("a", 4, false), Refusal::Compacted);
    tape.assert_found(&[Kind::WrongRefusal]);
}

#[test]
fn refusals_of_the_future() {
    let mut tape = some();
    tape.refused(Tape::read_call("a", 7, false), Refusal::Future);
    tape.assert_clean();
    tape.refused(Tape::read_call("a", 6, false), Refusal::Future);
    tape.assert_found(&[Kind::WrongRefusal]);
}

#[test]
fn final_states_and_hashes() {
    let mut tape = some();
    let kvs = || vec![some_at("a", 6).unwrap(), some_at("b", 6).unwrap()];
    tape.history.finals.push(Final { member: Member(0), revision: 6, kvs: kvs() });
    let hash = Hash { member: Member(0), revision: 6, compact_revision: -1, hash: 7 };
    tape.history.hashes = vec![hash, Hash { member: Member(1), ..hash }];
    tape.history.hashes.push(Hash { compact_revision: 4, hash: 8, ..hash });
    assert_eq!(tape.assert_clean().hashes, 3);
    let mut other = tape.clone();
    let mut wrong = kvs();
    wrong[0].version += 1;
    other.history.finals.push(Final { member: Member(1), revision: 6, kvs: wrong });
    other.assert_found(&[Kind::FinalDiffers]);
    let mut behind = tape.clone();
    behind.history.finals.push(Final { member: Member(1), revision: 5, kvs: kvs() });
    behind.assert_found(&[Kind::FinalDiffers]);
    tape.history.hashes.push(Hash { member: Member(2), hash: 9, ..hash });
    tape.assert_found(&[Kind::HashesDiffer]);
}

#[test]
fn calls_at_one_moment_are_concurrent() {
    let mut tape = some();
    // Ends when the next one begins, and stands behind it.
    let first = tape.put("a", "a3");
    let second = tape.read("a");
    let at = Time::seconds(5);
    let operations = &mut tape.history.operations;
    operations[second].begin = at;
    operations[second].outcome = Outcome::Done {
        end: Time::seconds(6),
        header: Header { member_id: 2, revision: 6, raft_term: 2 },
        reply: Tape::found(some_at("a", 6)),
    };
    operations[second].member = Member(1);
    if let Outcome::Done { end, .. } = &mut operations[first].outcome {
        *end = at;
    }
    tape.assert_clean();
    tape.history.operations[second].begin = Time::millis(5001);
    tape.assert_found(&[Kind::OutOfOrder]);
}
