//! `cargo xtask bench`: what requests, memory and starts cost beside the real etcd 3.5.16, in one
//! run on one machine.
//!
//! Both servers get the same requests from the same program ([`subject`]), one after the other and
//! in alternating order; CPU time and memory are the server processes' own. Where the machine is
//! busy, throughput and latency say little: CPU seconds and ratios are what is judged.

mod loads;
mod million;
mod subject;
mod table;

use anyhow::{Context, Result, bail};

const USAGE: &str = "Usage: cargo xtask bench [--quick] [--rounds N] [--only PART[,PART]]

  --quick      a tenth of the requests and keys: to see that it works, not to judge
  --rounds N   runs of everything that is given as a median (3)
  --only       some of: puts, watches, members, million, one-key
";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Keys of the large store, and puts to one key.
    keys: u64,
    /// Requests of the largest load of puts; others have fixed parts of it.
    puts: u64,
    /// Runs that a median is taken of.
    rounds: usize,
}

/// What is measured.
#[derive(Debug)]
struct Plan {
    scale: Scale,
    parts: Vec<String>,
}

const PARTS: [&str; 5] = ["puts", "watches", "members", "million", "one-key"];

/// Measures, and prints the table.
pub fn run(arguments: &[&str]) -> Result<()> {
    if arguments.iter().any(|argument| ["-h", "--help"].contains(argument)) {
        print!("{USAGE}");
        return Ok(());
    }
    let plan = parse(arguments)?;
    let subjects = subject::Subjects::prepare()?;
    let mut table = table::Table::new(&subjects.reference_version);
    let measured = plan.parts.iter().try_for_each(|part| match part.as_str() {
        "puts" => loads::puts(&subjects, plan.scale, &mut table),
        "watches" => loads::watches(&subjects, plan.scale, &mut table),
        "members" => loads::members(&subjects, plan.scale, &mut table),
        "million" => million::measure(&subjects, plan.scale, &mut table),
        _ => million::one_key(&subjects, plan.scale, &mut table),
    });
    // What was measured before a failure counts too.
    print!("{table}");
    measured
}

/// A line about a load that is done, for those who watch.
fn progress(side: subject::Side, name: &str, shown: &subject::Figures) {
    let subject::Figures { per_second, p50_ms, p99_ms, cpu_s_per_100k, resident_mib, .. } = shown;
    eprintln!(
        "{side:?}: {name}: {per_second:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, \
         {cpu_s_per_100k:.2} CPU s per 100k, {resident_mib:.0} MiB"
    );
}

fn parse(arguments: &[&str]) -> Result<Plan> {
    let mut scale = Scale { keys: 1_000_000, puts: 300_000, rounds: 3 };
    let mut parts: Vec<String> = PARTS.iter().map(|part| (*part).to_owned()).collect();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match *argument {
            "--quick" => {
                scale.keys /= 10;
                scale.puts /= 10;
            }
            "--rounds" => scale.rounds = value()?.parse().context("--rounds")?,
            "--only" => parts = value()?.split(',').map(str::to_owned).collect(),
            other => bail!("bench knows no {other}\n{USAGE}"),
        }
    }
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("bench has no part {unknown}\n{USAGE}");
    }
    anyhow::ensure!(scale.rounds > 0, "--rounds must be at least 1");
    Ok(Plan { scale, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_choose_scale_and_parts() {
        let plan = parse(&["--quick", "--rounds", "5", "--only", "million,puts"]).unwrap();
        assert_eq!((plan.scale.keys, plan.scale.puts, plan.scale.rounds), (100_000, 30_000, 5));
        assert_eq!(plan.parts, ["million", "puts"]);
        assert_eq!(parse(&[]).unwrap().parts, PARTS);
        for wrong in [&["--only", "gets"][..], &["--rounds"], &["--rounds", "0"], &["fast"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
