//! The acceptance programs that `cargo xtask test` runs after the tests: everything that is a
//! program of its own, not a `#[test]`, or is built in a way of its own.

use crate::programs::Job;
use std::process::Command;

/// A program that ends with 0 when all is well. Where its output has lines as cargo's tests print
/// them (`test result: ok. 3 passed; 0 failed;`), they are counted; else it counts as one.
pub struct Program {
    /// Shown while it runs.
    pub name: &'static str,
    /// Run in the workspace's folder.
    command: &'static [&'static str],
}

impl Program {
    /// As something to run.
    pub fn job(&self) -> Job {
        let mut command = Command::new(self.command[0]);
        command.args(&self.command[1..]);
        Job { name: self.name.to_owned(), command }
    }
}

/// In the order in which they run.
pub const PROGRAMS: &[Program] = &[
    // Seeds and images in their full numbers, and the quick planted bugs.
    Program {
        name: "simulator",
        command: &[
            "env",
            "OXETCD_SEEDS=150",
            "OXETCD_IMAGES=1250",
            "cargo",
            "test",
            "--quiet",
            "--profile=simulator",
            "--package=sim",
            "--features=planted-bugs",
        ],
    },
    // Selected out of the whole workspace, so that other packages are built with the features that
    // they have in the tests, and not a second time.
    Program {
        name: "fail points",
        command: &[
            "cargo",
            "test",
            "--quiet",
            "--workspace",
            "--features=etcd/failpoints,backend/failpoints",
            "--test=failpoints",
        ],
    },
];
