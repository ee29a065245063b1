//! The acceptance programs that `cargo xtask test` runs besides the tests: everything that is a
//! program of its own, not a `#[test]`, or is built in a way of its own.

use crate::programs::Job;
use std::process::Command;

/// A program that ends with 0 when all is well. Where its output has lines as cargo's tests print
/// them (`test result: ok. 3 passed; 0 failed;`), they are counted; else it counts as one.
pub struct Program {
    /// Shown while it runs.
    pub name: &'static str,
    /// Whether it may run beside the tests, before all of them: it builds nothing where they build,
    /// and does not mind how busy the machine is. Else it runs when they have ended.
    pub beside_tests: bool,
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
    // Its seeds and images in their full numbers, and the quick planted bugs. It is the tests that
    // are to have the processors when they want them.
    Program {
        name: "simulator",
        beside_tests: true,
        command: &[
            "nice",
            "-n5",
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
        beside_tests: false,
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
