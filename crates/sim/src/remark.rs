//! Remarks of tests: what ran is to be seen also when all is well.

use std::io::Write as _;

/// Writes a line past the test runner.
pub fn remark(what: &str) {
    // A test that cannot tell what it did has done it nevertheless.
    let _ = writeln!(std::io::stderr(), "\nran: {what}");
}
