//! Loads that are the same on fresh servers in every round: puts, and events to watches.

use anyhow::Result;

use super::Scale;
use super::subject::{Figures, Load, Pair, Subjects, order};
use super::table::{Bar, Table};

/// Puts of 256 bytes.
const PUT: [&str; 4] = ["put", "--key-size=16", "--val-size=256", "--key-space-size=100000"];

/// A thousand watches of one key on four streams.
const WATCH: [&str; 4] = ["watch", "--streams=4", "--watchers=1000", "--val-size=256"];

/// What CPU a put may cost at 1000 clients, as a part of the reference's.
const PUT_CPU_BAR: f64 = 0.6;

/// What CPU a put may cost three members, as a part of the reference's.
const MEMBERS_CPU_BAR: f64 = 0.5;
/// How many puts a second three members have to reach, in those of the reference.
const MEMBERS_RATE_BAR: f64 = 2.0;

/// Puts with 1, 100 and 1000 clients.
pub fn puts(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    let bar = Bar::PartOfReference(PUT_CPU_BAR);
    let loads = [
        ("put, 1 client", Load::new(1, 1, scale.puts / 30), Bar::None),
        ("put, 100 clients", Load::new(100, 100, scale.puts / 3), Bar::None),
        ("put, 1000 clients on 100 connections", Load::new(1000, 100, scale.puts), bar),
    ];
    measure(subjects, scale, &loads, &PUT, table)
}

/// Events of one writer's puts, and of sixteen's.
pub fn watches(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    // Every put is a thousand events.
    let puts = scale.puts / 100;
    let loads = [
        ("events to 1000 watches, 1 writer", Load::new(1, 8, puts), Bar::None),
        ("events to 1000 watches, 16 writers", Load::new(16, 8, 4 * puts), Bar::None),
    ];
    measure(subjects, scale, &loads, &WATCH, table)
}

/// Puts to three members with 100 clients.
pub fn members(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    let name = "three members: put, 100 clients";
    let load = Load::new(100, 100, scale.puts / 3);
    let mut rounds: Pair<Vec<Figures>> = Pair::default();
    for round in 0..scale.rounds {
        for side in order(round) {
            let shown = subjects.start_three(side)?.load(load, &PUT)?;
            super::progress(side, name, &shown);
            rounds.side(side).push(shown);
        }
    }
    let (cpu, rate) =
        (Bar::PartOfReference(MEMBERS_CPU_BAR), Bar::TimesReference(MEMBERS_RATE_BAR));
    table.load(name, &rounds, cpu, rate);
    Ok(())
}

fn measure(
    subjects: &Subjects,
    scale: Scale,
    loads: &[(&str, Load, Bar)],
    workload: &[&str],
    table: &mut Table,
) -> Result<()> {
    let mut rounds: Vec<Pair<Vec<Figures>>> = vec![Pair::default(); loads.len()];
    for round in 0..scale.rounds {
        for side in order(round) {
            let subject = subjects.start(side)?;
            for ((name, load, _), figures) in loads.iter().zip(&mut rounds) {
                let shown = subject.load(*load, workload)?;
                super::progress(side, name, &shown);
                figures.side(side).push(shown);
            }
        }
    }
    for ((name, _, bar), figures) in loads.iter().zip(&rounds) {
        table.load(name, figures, *bar, Bar::None);
    }
    Ok(())
}
