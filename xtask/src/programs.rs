//! The workspace's test programs: built at once, then run several at a time, since many of them wait
//! for elections, leases and deadlines while the processors idle.

use crate::outcome::{Outcome, lines};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};

/// So many run at once.
const LANES: usize = 2;

/// Begun first, in this order, because they take longest.
const FIRST: &[&str] = &[
    "harness third_party",
    "harness etcdctl_differential",
    "harness bad_flags",
    "harness disk_faults",
    "harness golden_directories",
    "etcdctl differential",
    "harness cluster_golden",
];

/// Run when all others have ended: they look at times, rates and memory, or keep one leader, which
/// others on the same processors would change.
const ALONE: &[&str] = &[
    "harness cluster_basic",
    "harness cluster_catchup",
    "harness cluster_faults",
    "harness cluster_load",
    "harness cluster_mixed",
    "harness process_limits",
    "peer transport",
];

/// A program that `cargo test` would run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// `<package>` for a package's unit tests, else `<package> <file>`.
    name: String,
    path: PathBuf,
    /// Of the package.
    folder: PathBuf,
}

impl Program {
    /// Out of a line of `cargo test --no-run --message-format=json`, if it names one.
    fn of(message: &Value) -> Option<Self> {
        let path = PathBuf::from(message["executable"].as_str()?);
        if message["profile"]["test"] != true {
            return None;
        }
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
        let package = folder.file_name()?.to_string_lossy().into_owned();
        let target = &message["target"];
        let is_unit_test = target["kind"][0] != "test";
        let name =
            if is_unit_test { package } else { format!("{package} {}", target["name"].as_str()?) };
        Some(Self { name, path, folder })
    }

    /// How cargo runs it.
    fn job(self) -> Job {
        let mut command = Command::new(self.path);
        command.env("CARGO_MANIFEST_DIR", &self.folder).current_dir(self.folder);
        Job { name: self.name, command }
    }
}

/// Something that runs tests.
pub struct Job {
    /// Shown where it fails, or is slow.
    pub name: String,
    pub command: Command,
}

/// Builds all test programs. Gives them, or what the compiler said.
pub fn build(mut cargo: Command) -> Result<Result<Vec<Program>, String>> {
    cargo.args(["test", "--workspace", "--no-run", "--quiet"]);
    cargo.arg("--message-format=json-render-diagnostics");
    let (mut programs, mut said) = (Vec::new(), String::new());
    let status = lines(cargo, |line| match serde_json::from_str(line) {
        Ok(message) => programs.extend(Program::of(&message)),
        Err(_) => {
            said.push_str(line);
            said.push('\n');
        }
    })?;
    if !status.success() {
        return Ok(Err(said));
    }
    ensure!(!programs.is_empty(), "cargo has built no test programs");
    // The compiler is done with them in another order each time.
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Ok(programs))
}

/// The programs' jobs: those that run side by side, and those that run alone.
///
/// # Errors
/// If this file names a program that is not there.
pub fn arranged(programs: Vec<Program>) -> Result<(Vec<Job>, Vec<Job>)> {
    arrange(programs, FIRST, ALONE)
}

fn arrange(
    mut programs: Vec<Program>,
    first: &[&str],
    alone: &[&str],
) -> Result<(Vec<Job>, Vec<Job>)> {
    let mut taken = |names: &[&str]| -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for &name in names {
            let place = programs.iter().position(|program| program.name == name);
            let place = place.with_context(|| format!("there is no test program {name}"))?;
            jobs.push(programs.remove(place).job());
        }
        Ok(jobs)
    };
    let (alone, mut beside) = (taken(alone)?, taken(first)?);
    beside.extend(programs.into_iter().map(Program::job));
    Ok((beside, alone))
}

/// Runs jobs in their order, two at a time; tells what each did when it has ended.
pub fn run_beside(jobs: Vec<Job>, each: impl FnMut(String, Outcome)) {
    run(LANES, jobs, each);
}

/// Runs jobs one after the other.
pub fn run_alone(jobs: Vec<Job>, each: impl FnMut(String, Outcome)) {
    run(1, jobs, each);
}

/// Runs jobs so many at a time.
fn run(lanes: usize, jobs: Vec<Job>, mut each: impl FnMut(String, Outcome)) {
    let (sender, receiver) = mpsc::sync_channel(lanes);
    let jobs = Mutex::new(VecDeque::from(jobs));
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            let (jobs, sender) = (&jobs, sender.clone());
            scope.spawn(move || {
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(job) = next() {
                    let outcome = Outcome::of(job.command);
                    let outcome = outcome.unwrap_or_else(|error| Outcome::broken(&error));
                    // Whoever receives does so until the last lane has ended.
                    let _ = sender.send((job.name, outcome));
                }
            });
        }
        drop(sender);
        for (name, outcome) in receiver {
            each(name, outcome);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn programs_are_named_after_their_package_and_file() {
        let message = |kind: &str, is_test: bool, executable: Value| {
            json!({
                "reason": "compiler-artifact",
                "manifest_path": "/w/crates/mvcc/Cargo.toml",
                "target": {"name": "golden", "kind": [kind]},
                "profile": {"test": is_test},
                "executable": executable,
            })
        };
        let name = |message| Program::of(&message).map(|program| program.name);
        assert_eq!(name(message("test", true, json!("/x"))).as_deref(), Some("mvcc golden"));
        assert_eq!(name(message("lib", true, json!("/x"))).as_deref(), Some("mvcc"));
        assert_eq!(name(message("bin", false, json!("/x"))), None);
        assert_eq!(name(message("lib", true, Value::Null)), None);
        assert_eq!(name(json!({"reason": "build-finished", "success": true})), None);
    }

    fn names(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.name.as_str()).collect()
    }

    #[test]
    fn long_ones_are_first_and_sensitive_ones_alone() {
        let programs = |names: &[&str]| -> Vec<Program> {
            let program = |name: &&str| Program {
                name: (*name).to_owned(),
                path: "x".into(),
                folder: "/".into(),
            };
            names.iter().map(program).collect()
        };
        let all = ["a", "b", "c", "d"];
        let (beside, alone) = arrange(programs(&all), &["d", "c"], &["b"]).unwrap();
        assert_eq!((names(&beside), names(&alone)), (vec!["d", "c", "a"], vec!["b"]));
        assert!(arrange(programs(&all), &["e"], &[]).is_err());
    }

    #[test]
    fn jobs_run_side_by_side_and_each_is_heard_of() {
        // Each ends when the other runs, too.
        let folder = harness::Folder::new("lanes").unwrap();
        let meet = |own: &str, other: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "touch $0; until [ -e $1 ]; do sleep 0.01; done", own, other]);
            command.current_dir(folder.path());
            Job { name: own.to_owned(), command }
        };
        let missing = Job { name: "missing".to_owned(), command: Command::new("/no/program") };
        let mut seen = Vec::new();
        run_beside(vec![meet("one", "two"), missing, meet("two", "one")], |name, outcome| {
            seen.push((name, outcome.counts.passed, outcome.counts.failed));
        });
        seen.sort();
        let seen: Vec<_> = seen.iter().map(|(name, ok, bad)| (name.as_str(), *ok, *bad)).collect();
        assert_eq!(seen, [("missing", 0, 1), ("one", 1, 0), ("two", 1, 0)]);
    }
}
