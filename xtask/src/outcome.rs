//! What a command's tests came to, read from what the test runner prints.
//!
//! Knows neither which commands there are nor in which order they run.

use crate::workspace;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How lines begin that a test writes past the test runner, to be seen also when all is well.
const REMARKS: [&str; 2] = ["ran: ", "not run: "];

/// Tests counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What one command did.
#[derive(Default, Debug)]
pub struct Outcome {
    pub counts: Counts,
    /// The lines of it that are always shown.
    pub remarks: Vec<String>,
    /// The output of each test program that failed.
    pub failures: Vec<String>,
    pub took: Duration,
}

impl Outcome {
    /// Runs a command in the workspace's folder, unless it names another, to its end. Where it runs
    /// no tests, it counts as one itself.
    ///
    /// # Errors
    /// If it can't be run.
    pub fn of(command: Command) -> Result<Self> {
        let start = Instant::now();
        let mut outcome = Self::default();
        let mut are_tests = false;
        // The output since the last test program ended well.
        let mut pending: Vec<String> = Vec::new();
        let status = lines(command, |line| {
            if REMARKS.iter().any(|remark| line.starts_with(remark)) {
                outcome.remarks.push(line.to_owned());
            }
            pending.push(line.to_owned());
            if let Some(result) = test_result(line) {
                are_tests = true;
                outcome.counts += result;
                if result.failed > 0 || line.contains("FAILED") {
                    outcome.failures.push(failure(&pending));
                }
                pending.clear();
            }
        })?;
        outcome.counts.passed += u64::from(!are_tests && status.success());
        if !status.success() && outcome.counts.failed == 0 {
            // One that could not even be built, or that was ended by something else.
            outcome.failures.push(failure(&pending));
            outcome.failures.push(format!("ended with {status}"));
            outcome.counts.failed = 1;
        }
        outcome.took = start.elapsed();
        Ok(outcome)
    }

    /// Of something that could not be run at all.
    pub fn broken(error: &anyhow::Error) -> Self {
        let counts = Counts { passed: 0, failed: 1 };
        Self { counts, failures: vec![format!("{error:#}")], ..Self::default() }
    }

    /// Remarks, and what failed.
    pub fn print(&self) {
        for remark in &self.remarks {
            println!("  {remark}");
        }
        for failure in &self.failures {
            println!("{failure}");
        }
    }
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

/// Runs a command, in the workspace unless it says where, and gives its lines, of both outputs, as
/// they come.
///
/// # Errors
/// If it can't be run.
pub fn lines(mut command: Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    let program = command.get_program().to_string_lossy().into_owned();
    if command.get_current_dir().is_none() {
        command.current_dir(workspace::root());
    }
    command.stdin(Stdio::null());
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

    fn shell(script: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Outcome::of(command).unwrap()
    }

    #[test]
    fn a_program_counts_its_tests_or_itself() {
        let counts = |script: &str| {
            let Counts { passed, failed } = shell(script).counts;
            (passed, failed)
        };
        assert_eq!(counts("true"), (1, 0));
        assert_eq!(counts("echo broken >&2; exit 3"), (0, 1));
        assert_eq!(counts("echo 'test result: ok. 4 passed; 0 failed; 0'"), (4, 0));
        assert_eq!(counts("echo 'test result: ok. 0 passed; 0 failed; 0'"), (0, 0));
        assert_eq!(counts("echo 'test result: FAILED. 4 passed; 2 failed; 0'; exit 1"), (4, 2));
        // Some tests passed, then a program could not be built.
        assert_eq!(counts("echo 'test result: ok. 4 passed; 0 failed; 0'; exit 1"), (4, 1));
    }

    #[test]
    fn what_failed_is_shown_and_remarks_always() {
        let script = "echo 'ran: 3 seeds'; echo 'test a ... ok'; echo 'a panicked' >&2; \
                      echo 'test result: FAILED. 1 passed; 1 failed; 0'; exit 1";
        let outcome = shell(script);
        assert_eq!(outcome.remarks, ["ran: 3 seeds"]);
        let [failure] = &outcome.failures[..] else { panic!("{outcome:?}") };
        assert!(failure.contains("a panicked") && !failure.contains("test a"), "{failure}");
        assert!(shell("echo lost; kill -9 $$").failures.concat().contains("lost"));
    }
}
