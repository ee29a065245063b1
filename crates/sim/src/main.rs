//! `sim`: runs seeds. One prints its trace; of several the sums are printed, and the traces' ends of
//! those that went wrong.

use std::num::NonZero;
use std::process::ExitCode;

use sim::{Lines, Plan, Sum, run};

const USAGE: &str = "usage: sim --seed N [--seeds COUNT] [--jobs COUNT]";

fn main() -> ExitCode {
    let Some(Arguments { seed, seeds, jobs }) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let is_wrong = if seeds == 1 {
        let plan = Plan::of(seed);
        println!("{plan:#?}");
        let outcome = run(&plan, Lines::Printed);
        for (name, count) in outcome.counts.named() {
            println!("{count:>12} {name}");
        }
        println!("{outcome}");
        !outcome.wrong.is_empty()
    } else {
        let sum = Sum::of(seed..seed + seeds, jobs);
        print!("{sum}");
        !sum.wrong.is_empty()
    };
    ExitCode::from(u8::from(is_wrong))
}

struct Arguments {
    seed: u64,
    seeds: u64,
    jobs: usize,
}

fn arguments() -> Option<Arguments> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (mut seed, mut seeds, mut jobs) = (None, 1, cores);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.parse::<u64>().ok()?;
        match name.as_str() {
            "--seed" => seed = Some(value),
            "--seeds" => seeds = value,
            "--jobs" => jobs = usize::try_from(value).ok()?,
            _ => return None,
        }
    }
    Some(Arguments { seed: seed?, seeds, jobs })
}
