//! A store of a million keys: what it takes to fill, to hold, to read a little of and to start.

use anyhow::Result;

use super::Scale;
use super::subject::{Figures, Load, Pair, SIDES, Side, Subject, Subjects, median, order};
use super::table::{Bar, Table};

/// Bytes of a key; zeros fill it in front.
const KEY_SIZE: u64 = 20;
/// Bytes of a value.
const VALUE_SIZE: u64 = 64;
/// From one overwritten key to the next: a prime, so that they are spread and none comes twice.
const OVERWRITE_STRIDE: u64 = 7919;

/// What is asked of the figures.
const RANGE_MS_MAX: f64 = 2.0;
const ONE_KEY_CPU_BAR: f64 = 1.1;
const RESIDENT_BAR: f64 = 0.5;
const RESTART_BAR: f64 = 1.1;

/// The ranges, with the server's limit.
const LIMITS: [u64; 2] = [1, 500];

/// What one server showed.
#[derive(Default, Clone, Debug)]
struct Shown {
    load: Figures,
    /// For each of [`LIMITS`], at the newest revision and at the old one.
    ranges: [[f64; 2]; 2],
    resident_after_ranges: f64,
    restarts: Vec<f64>,
    restart_cpu: Vec<f64>,
    resident_after_restart: Vec<f64>,
}

/// Fills, reads and restarts each server.
pub fn measure(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    let mut shown: Pair<Shown> = Pair::default();
    let mut running: Pair<Option<Subject<'_>>> = Pair::default();
    for side in SIDES {
        let subject = subjects.start(side)?;
        *shown.side(side) = fill_and_read(&subject, side, scale)?;
        *running.side(side) = Some(subject);
    }
    for round in 0..scale.rounds {
        for side in order(round) {
            let Some(subject) = running.side(side).take() else { continue };
            let (subject, seconds) = subject.restart()?;
            // The smallest request, to read the process's figures.
            let figures = subject.load(Load::new(1, 1, 1), &["range", "0"])?;
            eprintln!("{side:?}: restart in {seconds:.2} s, {:.2} CPU s", figures.cpu_s);
            let its = shown.side(side);
            its.restarts.push(seconds);
            its.restart_cpu.push(figures.cpu_s);
            its.resident_after_restart.push(figures.resident_mib);
            *running.side(side) = Some(subject);
        }
    }
    rows(scale, &shown, table);
    Ok(())
}

fn fill_and_read(subject: &Subject<'_>, side: Side, scale: Scale) -> Result<Shown> {
    let keys = scale.keys;
    let load = fill(subject, side, keys, keys)?;
    let newest_only = load.newest_revision;
    let many = |requests| Load::new(100, 100, requests).cold();
    let overwrites = put(keys, OVERWRITE_STRIDE, "");
    subject.load(many(keys / 10), &arguments(&overwrites))?;
    // Between the others, one in each thousandth of the range.
    let creates = put(keys, 1000, "x");
    subject.load(many(keys / 1000), &arguments(&creates))?;
    let mut shown = Shown { load, ..Shown::default() };
    for (limit, medians) in LIMITS.iter().zip(&mut shown.ranges) {
        for (revision, median) in [0, newest_only].into_iter().zip(medians) {
            let flags = [format!("--limit={limit}"), format!("--rev={revision}")];
            let range = ["range", "0", ":", &flags[0], &flags[1]];
            let requests = if side == Side::Ours { 1000 } else { 30 };
            let figures = subject.load(Load::new(1, 1, requests), &range)?;
            super::progress(side, &format!("range limit {limit} at {revision}"), &figures);
            *median = figures.p50_ms;
            shown.resident_after_ranges = figures.resident_mib;
        }
    }
    Ok(shown)
}

/// As many puts as given, to as many keys.
fn fill(subject: &Subject<'_>, side: Side, puts: u64, keys: u64) -> Result<Figures> {
    let load = Load::new(1000, 100, puts).cold();
    let figures = subject.load(load, &arguments(&put(keys, 1, "")))?;
    super::progress(side, &format!("{puts} puts to {keys} keys"), &figures);
    Ok(figures)
}

fn put(keys: u64, stride: u64, suffix: &str) -> Vec<String> {
    vec![
        "put".to_owned(),
        format!("--key-size={KEY_SIZE}"),
        format!("--val-size={VALUE_SIZE}"),
        format!("--key-space-size={keys}"),
        format!("--key-stride={stride}"),
        format!("--key-suffix={suffix}"),
    ]
}

fn arguments(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

fn rows(scale: Scale, shown: &Pair<Shown>, table: &mut Table) {
    let keys = scale.keys;
    let pair = |figure: &dyn Fn(&Shown) -> f64| Pair {
        reference: figure(&shown.reference),
        ours: figure(&shown.ours),
    };
    let mut row =
        |name: &str, bar, figure: &dyn Fn(&Shown) -> f64| table.row(name, pair(figure), bar);
    for (at, limit) in LIMITS.iter().enumerate() {
        let ms = Bar::Figure(RANGE_MS_MAX);
        row(&format!("range limit {limit} of {keys} keys, newest: p50 ms"), ms, &|shown| {
            shown.ranges[at][0]
        });
        let since = format!("{} overwrites and {} creates ago", keys / 10, keys / 1000);
        row(&format!("range limit {limit} of {keys} keys, {since}: p50 ms"), ms, &|shown| {
            shown.ranges[at][1]
        });
    }
    let half = Bar::PartOfReference(RESIDENT_BAR);
    row(&format!("{keys} keys, after the load: resident MiB"), half, &|shown| {
        shown.load.resident_mib
    });
    row(&format!("{keys} keys, after the ranges: resident MiB"), half, &|shown| {
        shown.resident_after_ranges
    });
    row(&format!("{keys} keys, after a restart: resident MiB"), half, &|shown| {
        median(shown.resident_after_restart.clone())
    });
    row(&format!("{keys} keys, restart: seconds"), Bar::PartOfReference(RESTART_BAR), &|shown| {
        median(shown.restarts.clone())
    });
    row(&format!("{keys} keys, restart: CPU s"), Bar::None, &|shown| {
        median(shown.restart_cpu.clone())
    });
}

/// As many puts to one key as to as many keys, on fresh servers in turn.
pub fn one_key(subjects: &Subjects, scale: Scale, table: &mut Table) -> Result<()> {
    let mut costs: Pair<[Vec<f64>; 2]> = Pair::default();
    for round in 0..scale.rounds {
        // The reference is shown for comparison; once is enough.
        let sides = if round == 0 { &SIDES[..] } else { &SIDES[1..] };
        for side in sides {
            let both = if round.is_multiple_of(2) { [0, 1] } else { [1, 0] };
            for which in both {
                let subject = subjects.start(*side)?;
                let keys = if which == 0 { scale.keys } else { 1 };
                let figures = fill(&subject, *side, scale.keys, keys)?;
                costs.side(*side)[which].push(figures.cpu_s_per_100k);
            }
        }
    }
    let [many, one] = [0, 1].map(|which| Pair {
        reference: median(costs.reference[which].clone()),
        ours: median(costs.ours[which].clone()),
    });
    let puts = scale.keys;
    table.row(&format!("{puts} puts to as many keys: CPU s per 100k"), many.clone(), Bar::None);
    table.row(&format!("{puts} puts to one key: CPU s per 100k"), one.clone(), Bar::None);
    let part = Pair { reference: one.reference / many.reference, ours: one.ours / many.ours };
    table.row("a put to one key as a part of one to many", part, Bar::Figure(ONE_KEY_CPU_BAR));
    Ok(())
}
