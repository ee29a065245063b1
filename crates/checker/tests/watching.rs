//! Watches: each kind of fault is found, and nothing else.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use checker::{Kind, WatchAnswer};
use proto::etcdserverpb::WatchCreateRequest;
use proto::etcdserverpb::watch_create_request::FilterType;
use support::{Tape, all, some};

/// [`some`] with a watch of everything, whose answers a test changes.
fn spoiled(spoil: impl FnOnce(&mut Vec<WatchAnswer>)) -> Tape {
    let mut tape = some();
    tape.watch(0, all());
    let watch = tape.watch(1, all());
    spoil(&mut watch.responses);
    tape
}

fn of_key(key: &'static str) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), start_revision: 2, ..WatchCreateRequest::default() }
}

#[test]
fn watches_of_all_kinds() {
    let mut tape = some();
    tape.watch(0, WatchCreateRequest { prev_kv: true, ..all() });
    tape.watch(1, of_key("b"));
    tape.watch(1, WatchCreateRequest { start_revision: 5, ..all() });
    let puts = vec![FilterType::Noput as i32];
    let watch = tape.watch(1, WatchCreateRequest { filters: puts, ..all() });
    watch.responses.retain(|answer| answer.revision == 5);
    // From now on, and silent.
    tape.watch(2, WatchCreateRequest { start_revision: 0, ..all() }).responses.clear();
    let counts = tape.assert_clean();
    assert_eq!((counts.watches, counts.events), (5, 5 + 3 + 2 + 1));
}

#[test]
fn a_gap() {
    spoiled(|answers| drop(answers.remove(2))).assert_found(&[Kind::WatchGap]);
    // Of a key only.
    let mut tape = some();
    tape.watch(0, all());
    drop(tape.watch(0, of_key("b")).responses.remove(1));
    tape.assert_found(&[Kind::WatchGap]);
}

#[test]
fn a_gap_inside_a_revision() {
    let mut tape = Tape::new();
    tape.grant(7, 10);
    tape.put_with_lease("x", "x1", 7);
    tape.put_with_lease("y", "y1", 7);
    tape.wait(20_000);
    tape.apply_delete(&["x", "y"]);
    tape.watch(0, all());
    tape.assert_clean();
    tape.watch(1, all()).responses[2].events.remove(0);
    let report = tape.check();
    assert!(report.found.contains_key(&Kind::WatchGap), "{report}");
}

#[test]
fn a_duplicate() {
    spoiled(|answers| answers.insert(2, answers[1].clone())).assert_found(&[Kind::WatchDuplicate]);
}

#[test]
fn disorder() {
    spoiled(|answers| {
        answers.swap(1, 2);
    })
    .assert_found(&[Kind::WatchGap, Kind::WatchDisorder]);
}

#[test]
fn a_revision_in_two_responses() {
    let mut tape = Tape::new();
    tape.grant(7, 10);
    tape.put_with_lease("x", "x1", 7);
    tape.put_with_lease("y", "y1", 7);
    tape.wait(20_000);
    tape.apply_delete(&["x", "y"]);
    tape.watch(0, all());
    let split = |answers: &mut Vec<WatchAnswer>, fragment: bool| {
        let mut last = answers[2].clone();
        last.events.remove(0);
        answers[2].events.remove(1);
        answers[2].fragment = fragment;
        answers.push(last);
    };
    let mut fragments = tape.clone();
    split(&mut fragments.watch(1, WatchCreateRequest { fragment: true, ..all() }).responses, true);
    fragments.assert_clean();
    split(&mut tape.watch(1, all()).responses, false);
    tape.assert_found(&[Kind::WatchSplit]);
}

#[test]
fn an_event_that_never_was() {
    let mut tape = some();
    tape.watch(0, all());
    let answers = &mut tape.watch(1, of_key("b")).responses;
    let mut event = answers[0].events[0].clone();
    event.kv.as_mut().unwrap().mod_revision = 4;
    answers[0].events.push(event);
    let report = tape.check();
    assert!(report.found.contains_key(&Kind::WatchPhantom), "{report}");
}

#[test]
fn a_wrong_event() {
    let mut tape = some();
    tape.watch(0, all());
    let answers = &mut tape.watch(1, of_key("a")).responses;
    answers[1].events[0].kv.as_mut().unwrap().version = 9;
    tape.assert_found(&[Kind::WatchWrongEvent]);
    // All members agree on the wrong version.
    let mut tape = some();
    let wrong = |answers: &mut Vec<WatchAnswer>| {
        answers[2].events[0].kv.as_mut().unwrap().version = 9;
    };
    wrong(&mut tape.watch(0, all()).responses);
    wrong(&mut tape.watch(1, all()).responses);
    let report = tape.check();
    assert!(report.found.contains_key(&Kind::WatchWrongEvent), "{report}");
}

#[test]
fn a_wrong_previous_pair() {
    let previous = |tape: &mut Tape| {
        let request = WatchCreateRequest { prev_kv: true, ..all() };
        tape.watch(1, request).responses[2].events[0].prev_kv.take()
    };
    let mut tape = some();
    tape.watch(0, all());
    assert!(previous(&mut tape).is_some());
    tape.assert_found(&[Kind::WatchWrongPrevious]);
    // It may be gone where it is compacted.
    let mut tape = some();
    tape.compact(4);
    previous(&mut tape);
    tape.assert_clean();
}

#[test]
fn what_was_not_asked_for() {
    let mut tape = some();
    tape.watch(0, all());
    tape.watch(1, all()).request.start_revision = 3;
    tape.assert_found(&[Kind::WatchUnasked]);
    let mut tape = some();
    tape.watch(0, all());
    tape.watch(1, all()).request.filters = vec![FilterType::Nodelete as i32];
    tape.assert_found(&[Kind::WatchUnasked]);
    // A watch of the future has to stay silent until then.
    let mut tape = some();
    tape.watch(0, all());
    let watch = tape.watch(1, all());
    watch.request.start_revision = 100;
    watch.responses.truncate(1);
    tape.assert_found(&[Kind::WatchUnasked]);
}

#[test]
fn progress() {
    let bookmark =
        |tape: &Tape, revision| WatchAnswer { at: tape.now, revision, ..Default::default() };
    let tape = spoiled(|_| {});
    let good = bookmark(&tape, 6);
    let mut tape = spoiled(|answers| answers.push(good));
    assert_eq!(tape.assert_clean().bookmarks, 1);
    // Ahead of the events.
    let ahead = bookmark(&tape, 4);
    spoiled(|answers| answers.insert(2, ahead)).assert_found(&[Kind::WatchProgress]);
    // Back.
    let back = bookmark(&tape, 5);
    tape.history.watches[1].responses.push(back.clone());
    tape.assert_found(&[Kind::WatchProgress]);
    // An event behind its bookmark.
    let event = |answers: &mut Vec<WatchAnswer>| {
        let last = answers.pop().unwrap();
        answers.extend([WatchAnswer { revision: 6, ..back }, last]);
    };
    let report = spoiled(event).check();
    assert!(report.found.contains_key(&Kind::WatchProgress), "{report}");
}

#[test]
fn an_end_because_of_compaction() {
    let end = |compact_revision, at| WatchAnswer {
        at,
        canceled: true,
        compact_revision,
        ..WatchAnswer::default()
    };
    let with_end = |compacted: i64, received: usize, claimed: i64| {
        let mut tape = some();
        tape.compact(compacted);
        tape.watch(0, all());
        let at = tape.now;
        let watch = tape.watch(1, all());
        watch.responses.truncate(received);
        watch.responses.push(end(claimed, at));
        tape
    };
    with_end(5, 2, 5).assert_clean();
    // Nobody has compacted so far.
    with_end(4, 2, 5).assert_found(&[Kind::WatchWrongCancel]);
    // What comes next is not compacted.
    with_end(4, 3, 4).assert_found(&[Kind::WatchWrongCancel]);
    // Without a word.
    with_end(5, 5, 0).assert_found(&[Kind::WatchWrongCancel]);
}

#[test]
fn a_watch_that_never_gets_the_last_event() {
    let mut tape = spoiled(|answers| drop(answers.pop()));
    tape.assert_found(&[Kind::WatchBehind]);
    // A broken stream may lack it.
    tape.history.watches[1].live = false;
    tape.assert_clean();
}

#[test]
fn watches_that_go_on_with_others() {
    let resumed = |from: i64| {
        let mut tape = some();
        tape.watch(0, all());
        let first = tape.watch(1, all());
        first.live = false;
        first.responses.truncate(2);
        let second = tape.watch(2, WatchCreateRequest { start_revision: from, ..all() });
        second.follows = Some(1);
        tape
    };
    resumed(4).assert_clean();
    resumed(5).assert_found(&[Kind::WatchGap]);
}

#[test]
fn an_event_from_the_future() {
    let mut tape = some();
    let begin = tape.now;
    tape.wait(1000);
    tape.put("a", "a3");
    tape.watch(0, all()).responses[5].at = begin;
    let report = tape.check();
    assert!(report.found.contains_key(&Kind::FromTheFuture), "{report}");
}
