//! Puts of 256 bytes with 1, 100 and 1000 clients.

use anyhow::Result;

use super::Scale;
use super::subject::{Figures, Load, Pair, Subjects, median, order};
use super::table::{Bar, Table};

const WORKLOAD: [&str; 4] = ["put", "--key-size=16", "--val-size=256", "--key-space-size=100000"];

/// What CPU a put may cost at 1000 clients, as a part of the reference's.
const CPU_BAR: f64 = 0.6;

/// Each round on fresh servers; medians over the rounds.
pub fn measure(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    let loads = [
        ("put, 1 client", Load::new(1, 1, scale.puts / 30), None),
        ("put, 100 clients", Load::new(100, 100, scale.puts / 3), None),
        ("put, 1000 clients on 100 connections", Load::new(1000, 100, scale.puts), Some(CPU_BAR)),
    ];
    let mut rounds: Vec<Pair<Vec<Figures>>> = vec![Pair::default(); loads.len()];
    for round in 0..scale.rounds {
        for side in order(round) {
            let subject = subjects.start(side)?;
            for ((name, load, _), figures) in loads.iter().zip(&mut rounds) {
                let shown = subject.load(*load, &WORKLOAD)?;
                super::progress(side, name, &shown);
                figures.side(side).push(shown);
            }
        }
    }
    for ((name, _, bar), figures) in loads.into_iter().zip(&rounds) {
        let bar = bar.map_or(Bar::None, Bar::PartOfReference);
        let of = |figure: fn(&Figures) -> f64| {
            let middle = |all: &[Figures]| median(all.iter().map(figure).collect());
            Pair { reference: middle(&figures.reference), ours: middle(&figures.ours) }
        };
        table.row(&format!("{name}: CPU s per 100k"), of(|f| f.cpu_s_per_100k), bar);
        table.row(&format!("{name}: per second"), of(|f| f.per_second), Bar::None);
        table.row(&format!("{name}: p99 ms"), of(|f| f.p99_ms), Bar::None);
        table.row(&format!("{name}: resident MiB"), of(|f| f.resident_mib), Bar::None);
    }
    Ok(())
}
