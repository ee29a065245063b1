//! `sim`: runs seeds. One prints its trace; of several the sums are printed, and the traces' ends of
//! those that went wrong. With planted bugs compiled in, it hunts for them.

use std::num::NonZero;
use std::process::ExitCode;

use sim::{Lines, Plan, Sum, run_with};

const USAGE: &str =
    "usage: sim --seed N [--seeds COUNT] [--jobs COUNT] [--minimize RUNS] [--page FILE]
           [--plant BUG]
       sim --hunt BUG|all [--seconds EACH] [--seed FIRST] [--jobs COUNT]";

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let is_well = match &arguments.hunt {
        Some(name) => hunt(name, &arguments),
        None => {
            plant(arguments.plant.as_deref());
            run_seeds(&arguments)
        }
    };
    ExitCode::from(u8::from(!is_well))
}

/// Whether nothing went wrong.
fn run_seeds(arguments: &Arguments) -> bool {
    let Arguments { seed, seeds, jobs, .. } = *arguments;
    if seeds > 1 {
        let sum = Sum::of(seed..seed + seeds, jobs);
        print!("{sum}");
        return sum.wrong.is_empty();
    }
    let (mut plan, mut strikes) = (Plan::of(seed), Plan::of(seed).strikes());
    if let Some(runs) = arguments.minimize {
        match sim::minimize(&plan, runs) {
            Some(least) => {
                (plan, strikes) = (least.plan, least.strikes);
                println!("{} runs, {} faults are left", least.runs, strikes.len());
                strikes.iter().for_each(|strike| println!("{strike:?}"));
            }
            None => println!("nothing goes wrong"),
        }
    }
    println!("{plan:#?}");
    let lines = if arguments.page.is_some() { Lines::Last(usize::MAX) } else { Lines::Printed };
    let mut outcome = run_with(&plan, &strikes, lines);
    for (name, count) in outcome.counts.named() {
        println!("{count:>12} {name}");
    }
    if let Some(path) = &arguments.page {
        if let Err(error) = std::fs::write(path, sim::page(&outcome)) {
            eprintln!("{path} cannot be written: {error}");
        }
        outcome.lines.clear();
    }
    println!("{outcome}");
    outcome.wrong.is_empty()
}

/// Whether all bugs of a name were found.
#[cfg(feature = "planted-bugs")]
fn hunt(name: &str, arguments: &Arguments) -> bool {
    // Panics are found, and need not be shown.
    std::panic::set_hook(Box::new(|_| {}));
    let most = std::time::Duration::from_secs(arguments.seconds);
    let mut missed = 0;
    for bug in env::planted::BUGS.iter().filter(|bug| name == "all" || bug.name == name) {
        let hunt = sim::hunt(bug.name, arguments.seed, most, arguments.jobs);
        let (took, tries) = (hunt.took.as_secs_f64(), hunt.tries);
        missed += usize::from(hunt.found.is_none());
        let found = hunt.found.map_or("NOT FOUND".to_owned(), |(by, what)| {
            let what: String = what.chars().take(100).collect();
            format!("{by}: {}", what.replace('\n', " "))
        });
        println!("{:<32} {took:>6.1} s {tries:>5} tries  {found}", bug.name);
    }
    println!("{missed} not found");
    missed == 0
}

#[cfg(not(feature = "planted-bugs"))]
fn hunt(_: &str, _: &Arguments) -> bool {
    eprintln!("this build has no planted bugs: --features planted-bugs");
    false
}

#[cfg(feature = "planted-bugs")]
fn plant(name: Option<&str>) {
    if let Some(name) = name {
        env::planted::plant(Some(name));
    }
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(name: Option<&str>) {
    if name.is_some() {
        eprintln!("this build has no planted bugs: --features planted-bugs");
    }
}

struct Arguments {
    seed: u64,
    seeds: u64,
    jobs: usize,
    minimize: Option<u32>,
    page: Option<String>,
    plant: Option<String>,
    hunt: Option<String>,
    #[cfg_attr(not(feature = "planted-bugs"), allow(dead_code))]
    seconds: u64,
}

impl Arguments {
    fn read() -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (mut seed, mut seeds, mut jobs, mut seconds) = (None, 1, cores, 90);
        let (mut plant, mut hunt, mut minimize, mut page) = (None, None, None, None);
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next()?;
            match name.as_str() {
                "--seed" => seed = Some(value.parse().ok()?),
                "--seeds" => seeds = value.parse().ok()?,
                "--jobs" => jobs = value.parse().ok()?,
                "--seconds" => seconds = value.parse().ok()?,
                "--minimize" => minimize = Some(value.parse().ok()?),
                "--page" => page = Some(value),
                "--plant" => plant = Some(value),
                "--hunt" => (hunt, seed) = (Some(value), seed.or(Some(0))),
                _ => return None,
            }
        }
        Some(Self { seed: seed?, seeds, jobs, minimize, page, plant, hunt, seconds })
    }
}
