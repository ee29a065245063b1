//! `cargo xtask test`: everything that must pass, in one command.
//!
//! Prints a line per step, the output of what failed, the slowest test programs, and at the end
//! `N passed, N failed`.

use crate::outcome::{Counts, Outcome, lines};
use crate::programs::{self, Job, Program};
use crate::{acceptance, tidy};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// So many of the slowest test programs are named, if they take this long.
const SLOWEST: usize = 20;
const SLOW: Duration = Duration::from_secs(2);

/// All that was done so far.
#[derive(Default)]
struct Report {
    counts: Counts,
    /// Of each test program.
    times: Vec<(Duration, String)>,
}

/// Runs every step, also after one that failed.
pub fn run() -> Result<()> {
    let mut report = Report::default();
    // Fetched while the compiler works: tests that need it would wait for each other to do it.
    let reference = std::thread::spawn(harness::reference);
    report.gate("format", || cargo(&["fmt", "--all", "--check"]));
    report.gate("clippy", || {
        cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
    });
    report.gate("tidy", tidy_faults);
    report.gate("reference", || match reference.join() {
        Ok(found) => found.map(|_| None),
        Err(panic) => std::panic::resume_unwind(panic),
    });
    let mut programs = Vec::new();
    report.gate("build", || {
        Ok(match programs::build(cargo_command(&[]))? {
            Ok(built) => {
                programs = built;
                None
            }
            Err(fault) => Some(fault),
        })
    });
    if let Err(error) = report.tests(programs) {
        report.gate("tests", || Err(error));
    }
    let others = acceptance::PROGRAMS.iter().map(acceptance::Program::job);
    programs::run_alone(others.collect(), |name, outcome| {
        outcome.print();
        report.total(&name, &outcome);
    });
    report.print_slowest();
    println!("{} passed, {} failed", report.counts.passed, report.counts.failed);
    if report.counts.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

impl Report {
    /// A step that either is well (`Ok(None)`) or says what is wrong; counted only when it fails.
    fn gate(&mut self, name: &str, step: impl FnOnce() -> Result<Option<String>>) {
        let start = Instant::now();
        let fault = step().unwrap_or_else(|error| Some(format!("{error:#}")));
        let outcome = if fault.is_some() { "FAILED" } else { "ok" };
        println!("{name}: {outcome} ({:.0?})", start.elapsed());
        if let Some(fault) = fault {
            println!("{}", fault.trim_end());
            self.counts.failed += 1;
        }
    }

    /// All tests of the workspace, if they could be built.
    fn tests(&mut self, programs: Vec<Program>) -> Result<()> {
        if programs.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let (mut beside, alone) = programs::arranged(programs)?;
        let doc_tests = cargo_command(&["test", "--workspace", "--doc", "--no-fail-fast"]);
        beside.push(Job { name: "doc tests".to_owned(), command: doc_tests });
        let mut sum = Outcome::default();
        let mut each = |name: String, outcome: Outcome| {
            if outcome.counts.failed > 0 {
                println!("{name}: FAILED");
            }
            outcome.print();
            sum.counts += outcome.counts;
            self.times.push((outcome.took, name));
        };
        programs::run_beside(beside, &mut each);
        programs::run_alone(alone, &mut each);
        sum.took = start.elapsed();
        self.total("tests", &sum);
        Ok(())
    }

    /// A step whose tests are counted.
    fn total(&mut self, name: &str, outcome: &Outcome) {
        let Counts { passed, failed } = outcome.counts;
        let result = if failed > 0 { "FAILED" } else { "ok" };
        println!("{name}: {result}, {passed} passed, {failed} failed ({:.0?})", outcome.took);
        self.counts += outcome.counts;
    }

    fn print_slowest(&mut self) {
        self.times.sort_by(|one, other| other.cmp(one));
        let slow = self.times.iter().filter(|(took, _)| *took >= SLOW).take(SLOWEST);
        let slow: Vec<String> =
            slow.map(|(took, name)| format!("{name} {} s", took.as_secs())).collect();
        if !slow.is_empty() {
            println!("slowest: {}", slow.join(", "));
        }
    }
}

fn tidy_faults() -> Result<Option<String>> {
    let faults = tidy::check()?;
    Ok((!faults.is_empty()).then(|| faults.join("\n")))
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn cargo(arguments: &[&str]) -> Result<Option<String>> {
    let mut output = String::new();
    let status = lines(cargo_command(arguments), |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    Ok((!status.success()).then_some(output))
}
