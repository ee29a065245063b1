//! `cargo xtask test`: everything that must pass, in one command.
//!
//! Prints a line per step, the output of what failed, and at the end `N passed, N failed`.

use crate::{acceptance, tidy, workspace};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// Tests counted over all steps.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Runs every step, also after one that failed.
pub fn run() -> Result<()> {
    let mut counts = Counts::default();
    // Installed first: tests that need it would otherwise wait for each other to install it.
    gate("reference", &mut counts, || harness::reference().map(|_| None));
    gate("format", &mut counts, || cargo(&["fmt", "--all", "--check"]));
    gate("clippy", &mut counts, || {
        cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
    });
    gate("tidy", &mut counts, tidy_faults);
    let tests = ["test", "--workspace", "--no-fail-fast"];
    counted("tests", &mut counts, cargo_command(&tests))?;
    for program in acceptance::PROGRAMS {
        let mut command = Command::new(program.command[0]);
        command.args(&program.command[1..]);
        counted(program.name, &mut counts, command)?;
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

/// A step that either is well (`Ok(None)`) or says what is wrong; counted only when it fails.
fn gate(name: &str, counts: &mut Counts, step: impl FnOnce() -> Result<Option<String>>) {
    let start = Instant::now();
    let fault = step().unwrap_or_else(|error| Some(format!("{error:#}")));
    let outcome = if fault.is_some() { "FAILED" } else { "ok" };
    println!("{name}: {outcome} ({:.0?})", start.elapsed());
    if let Some(fault) = fault {
        println!("{}", fault.trim_end());
        counts.failed += 1;
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

/// How lines begin that a test writes past the test runner, to be seen also when all is well.
const REMARKS: [&str; 2] = ["ran: ", "not run: "];

/// A step whose tests are counted. Prints the output of each test program that failed, and remarks.
fn counted(name: &str, counts: &mut Counts, command: Command) -> Result<()> {
    let start = Instant::now();
    let mut step = Counts::default();
    // The output since the last test program ended well.
    let mut pending: Vec<String> = Vec::new();
    let status = lines(command, |line| {
        if REMARKS.iter().any(|remark| line.starts_with(remark)) {
            println!("  {line}");
        }
        pending.push(line.to_owned());
        if let Some(result) = test_result(line) {
            step.passed += result.passed;
            step.failed += result.failed;
            if result.failed > 0 || line.contains("FAILED") {
                println!("{}", failure(&pending));
            }
            pending.clear();
        }
    })?;
    if step == Counts::default() {
        // Not a test runner, or one that could not even be built.
        step = Counts { passed: u64::from(status.success()), failed: 0 };
    }
    if !status.success() && step.failed == 0 {
        println!("{}", pending.join("\n"));
        step.failed = 1;
    }
    let outcome = if step.failed > 0 { "FAILED" } else { "ok" };
    let Counts { passed, failed } = step;
    println!("{name}: {outcome}, {passed} passed, {failed} failed ({:.0?})", start.elapsed());
    counts.passed += passed;
    counts.failed += failed;
    Ok(())
}

/// Of a test program's output: where it ran, and everything but the tests that passed.
fn failure(output: &[String]) -> String {
    let shown = output.iter().filter(|line| {
        let passed = line.starts_with("test ") && line.ends_with("ok");
        let building = ["Compiling ", "Finished ", "Downloading ", "Downloaded "];
        !passed && !building.iter().any(|word| line.trim_start().starts_with(word))
    });
    shown.map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Runs a command in the workspace and gives its lines, of both outputs, as they come.
fn lines(mut command: Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    let program = command.get_program().to_string_lossy().into_owned();
    command.current_dir(workspace::root()).stdin(Stdio::null());
    command.stdout(writer.try_clone().context("copy a pipe")?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("run {program}"))?;
    // The command holds the writing ends of the pipe; while it lives, so does the reading loop.
    drop(command);
    for line in BufReader::new(reader).split(b'\n') {
        each(&String::from_utf8_lossy(&line.context("read a command's output")?));
    }
    child.wait().with_context(|| format!("wait for {program}"))
}

/// The counts in a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; ...`.
fn test_result(line: &str) -> Option<Counts> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: number(" passed")?, failed: number(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_test_runner() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 2 filtered \
                    out; finished in 0.11s";
        assert_eq!(test_result(line), Some(Counts { passed: 12, failed: 3 }));
        assert_eq!(test_result("test a ... ok"), None);
    }

    #[test]
    fn a_program_counts_its_tests_or_itself() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let mut counts = Counts::default();
            counted("x", &mut counts, command).unwrap();
            (counts.passed, counts.failed)
        };
        assert_eq!(shell("true"), (1, 0));
        assert_eq!(shell("echo broken >&2; exit 3"), (0, 1));
        assert_eq!(shell("echo 'test result: ok. 4 passed; 0 failed; 0'"), (4, 0));
        assert_eq!(shell("echo 'test result: FAILED. 4 passed; 2 failed; 0'; exit 1"), (4, 2));
        // Some tests passed, then a program could not be built.
        assert_eq!(shell("echo 'test result: ok. 4 passed; 0 failed; 0'; exit 1"), (4, 1));
    }
}
