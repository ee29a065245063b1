//! Which server is tested.

use harness::{ours, reference};
use std::path::PathBuf;

/// Whether the tests run against the real etcd, which shows that they are right:
/// `OXETCD_UNDER_TEST=reference`.
pub fn reference_is_under_test() -> bool {
    match std::env::var("OXETCD_UNDER_TEST").as_deref() {
        Ok("reference") => true,
        Ok("ours") | Err(_) => false,
        Ok(other) => panic!("OXETCD_UNDER_TEST={other}: it is \"ours\" or \"reference\""),
    }
}

/// The `etcd` program under test: ours, unless `OXETCD_UNDER_TEST` says otherwise.
pub fn server_under_test() -> PathBuf {
    if reference_is_under_test() {
        reference().unwrap().program("etcd")
    } else {
        ours().unwrap().join("etcd")
    }
}

/// How much of a long test to run: the number in a variable, or the small one that CI runs.
pub fn count(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => default,
    }
}
