//! Every target on a fixed number of inputs; the same each time, but for the member that serves.
//!
//! `OXETCD_FUZZ_INPUTS` multiplies them.

use fuzz::engine::{Finding, Fuzzer, catch_panics};
use fuzz::targets;

#[test]
fn no_input_does_harm() {
    catch_panics();
    let factor = std::env::var("OXETCD_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok());
    for target in targets::all() {
        let mut fuzzer = Fuzzer::new(target, 1);
        for _ in 0..u64::from(target.tested) * factor.unwrap_or(1) {
            let input = fuzzer.next_input();
            if let Err(Finding { input, fault }) = fuzzer.take(input) {
                panic!("{}: {fault}, by {input:?}", target.name);
            }
        }
        println!("{}: {} inputs, {} ways", target.name, fuzzer.executions(), fuzzer.ways());
        assert!(fuzzer.ways() > 3, "{}: the inputs are all alike", target.name);
    }
}

#[test]
fn names_are_told_apart() {
    let mut names: Vec<&str> = targets::all().map(|target| target.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
