//! Hunts for planted bugs: seeds and crash images are run with a bug until something is wrong.
//!
//! Invariant: one hunt goes on at a time, since a bug is planted in the whole process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::images::{Life, Story, images_of};
use crate::plan::Plan;
use crate::run::run;
use crate::trace::Lines;

/// After so many seeds come the images of a life.
const SEEDS_PER_LIFE: u64 = 8;
/// Images by chance of each moment.
const BY_CHANCE: u64 = 2;
/// Moments of a life that are looked at in one go.
const MOMENTS: usize = 40;

/// How a hunt went.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub name: &'static str,
    /// What gave it away: by what, and what was wrong.
    pub found: Option<(String, String)>,
    /// How long it took.
    pub took: Duration,
    /// How many seeds and lives were tried.
    pub tries: u64,
}

/// Plants a bug, and looks for something wrong for as long as this, with so many threads. Tries are
/// counted from `first` on.
#[must_use]
pub fn hunt(name: &'static str, first: u64, most: Duration, jobs: usize) -> Hunt {
    env::planted::plant(Some(name));
    let (start, next) = (Instant::now(), AtomicU64::new(first));
    let found = Mutex::new(None);
    let is_over = || {
        start.elapsed() >= most || found.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !is_over() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if let Some(what) = attempt(number) {
                        found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
                    }
                }
            });
        }
    });
    env::planted::plant(None);
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tries = next.into_inner() - first;
    Hunt { name, found, took: start.elapsed(), tries }
}

/// One seed, or some images of a life.
fn attempt(number: u64) -> Option<(String, String)> {
    let (round, rest) = (number / (SEEDS_PER_LIFE + 1), number % (SEEDS_PER_LIFE + 1));
    if rest == SEEDS_PER_LIFE {
        let story = Story::ALL[round as usize % Story::ALL.len()];
        let looked = catch_unwind(AssertUnwindSafe(|| look(story, round)));
        let wrong = looked.unwrap_or_else(|_| Some("a panic".to_owned()))?;
        return Some((format!("images of {story:?} {round}"), wrong));
    }
    let seed = round * SEEDS_PER_LIFE + rest;
    let outcome = run(&Plan::of(seed), Lines::Last(0));
    let wrong = outcome.wrong.into_iter().next()?;
    Some((format!("seed {seed}"), wrong))
}

fn look(story: Story, seed: u64) -> Option<String> {
    let life = Life::of(story, seed);
    let step = (life.moments() / MOMENTS).max(1);
    for (moment, crash) in life.crashes().enumerate().skip(seed as usize % step).step_by(step) {
        for image in images_of(&crash, BY_CHANCE, moment as u64 ^ seed) {
            if let Err(wrong) = life.recover(&crash, image, moment as u64) {
                return Some(wrong);
            }
        }
    }
    None
}
