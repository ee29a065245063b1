//! Planted bugs are found: a quick set of them, each within a few runs.

use std::time::Duration;

/// Bugs that few seeds or images give away; `OXETCD_BUGS` for others, or for `all`.
const QUICK: &str = "auth-off-after-restore,index-ahead-of-entry,log-repair-missing,\
    promotion-not-stored,watch-goes-back,watch-hears-the-past";
/// How long each may be hunted.
const TIME_MAX: Duration = Duration::from_secs(90);

#[test]
fn planted_bugs_are_found() {
    let wanted = std::env::var("OXETCD_BUGS").unwrap_or_else(|_| QUICK.to_owned());
    let is_wanted = |name: &str| wanted == "all" || wanted.split(',').any(|one| one == name);
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // What is found by a panic need not be shown.
    std::panic::set_hook(Box::new(|_| {}));
    let bugs = env::planted::BUGS.iter().filter(|bug| is_wanted(bug.name));
    let hunts: Vec<sim::Hunt> = bugs.map(|bug| sim::hunt(bug.name, 0, TIME_MAX, jobs)).collect();
    let _ = std::panic::take_hook();
    let mut missed = Vec::new();
    let took: Duration = hunts.iter().map(|hunt| hunt.took).sum();
    for hunt in &hunts {
        let by = hunt.found.as_ref().map_or("NOT FOUND", |(by, _)| by);
        println!("{:<32} {:>5.1} s {by}", hunt.name, hunt.took.as_secs_f64());
        missed.extend(hunt.found.is_none().then_some(hunt.name));
    }
    let found = hunts.len() - missed.len();
    sim::remark(&format!("{found} planted bugs found in {:.0} s", took.as_secs_f64()));
    assert!(missed.is_empty(), "not found: {missed:?}");
    let named = wanted.split(',').count();
    assert!(hunts.len() >= named, "{} of {named} names are of bugs", hunts.len());
}
