//! The engine finds what it is there to find.

use std::sync::Once;

use super::*;

fn nothing() -> Vec<Vec<u8>> {
    Vec::new()
}

fn magic(input: &[u8]) -> u64 {
    let known = input.iter().zip(b"\xff\0!").take_while(|(one, other)| one == other).count();
    assert!(known < 3, "found");
    known as u64
}

/// Takes far more than the allocator reserves for each thread of the tests beside it.
fn greedy(input: &[u8]) -> u64 {
    let large = Vec::<u8>::with_capacity(if input.first() == Some(&7) { 2 << 30 } else { 1 });
    std::hint::black_box(large).len() as u64
}

fn excused(input: &[u8]) -> u64 {
    assert!(input.is_empty(), "somebody else's rule");
    0
}

static MAGIC: Target = Target::new("magic", magic, nothing, 0);
static EXCUSED: Target = Target::new("excused", excused, nothing, 0).excuses(&["else's rule"]);
static GREEDY: Target = Target::new("greedy", greedy, nothing, 0);

/// Panics are counted for all threads together: one test at a time.
static TURN: Mutex<()> = Mutex::new(());
static HOOK: Once = Once::new();

fn run(target: &'static Target, inputs: u32) -> (Vec<Finding>, Vec<Vec<u8>>) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    HOOK.call_once(catch_panics);
    let mut fuzzer = Fuzzer::new(target, 5);
    let (mut findings, mut suspects) = (Vec::new(), Vec::new());
    for _ in 0..inputs {
        let input = fuzzer.next_input();
        match fuzzer.take(input) {
            Ok(more) => suspects.extend(more),
            Err(finding) => findings.push(finding),
        }
    }
    (findings, suspects)
}

/// One in 16 million inputs is found by its first byte, then its second: by what goes a new way.
#[test]
fn what_goes_a_new_way_leads_to_a_panic() {
    let (findings, _) = run(&MAGIC, 60_000);
    let first = findings.first().expect("it is found");
    assert!(matches!(first.fault, Fault::Panic(_)));
    assert!(first.input.starts_with(b"\xff\0!"));
}

#[test]
fn what_is_excused_is_no_finding() {
    assert!(run(&EXCUSED, 100).0.is_empty());
}

#[test]
fn inputs_that_take_memory_are_suspects() {
    let (_, suspects) = run(&GREEDY, 20_000);
    assert!(suspects.iter().any(|input| input.first() == Some(&7)));
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let inputs = || {
        let mut fuzzer = Fuzzer::new(&GREEDY, 9);
        (0..100).map(|_| fuzzer.next_input()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(), inputs());
}
