//! The acceptance programs that `cargo xtask test` runs after the tests: everything that is a
//! program of its own, not a `#[test]`.

/// A program that ends with 0 when all is well. Where its output has lines as cargo's tests print
/// them (`test result: ok. 3 passed; 0 failed;`), they are counted; else it counts as one.
pub struct Program {
    /// Shown while it runs.
    pub name: &'static str,
    /// Run in the workspace's folder.
    pub command: &'static [&'static str],
}

/// In the order in which they run.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "fail points",
        command: &[
            "cargo",
            "test",
            "--quiet",
            "--package=etcd",
            "--package=backend",
            "--features=etcd/failpoints,backend/failpoints",
            "--test=failpoints",
        ],
    },
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
];
