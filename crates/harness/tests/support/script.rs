//! Programs that are started by way of a script.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Writes a shell script that can be run at once; gives its path.
pub fn script(path: &Path, text: &str) -> PathBuf {
    // By a process of its own: a file that this one has open for writing, if only in a child that
    // is about to run something else, cannot be run.
    let mut command = Command::new("sh");
    command.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(path);
    let (stdin, deadline) = (text.as_bytes().to_vec(), Duration::from_secs(10));
    let done = harness::run(harness::Run { command, stdin, deadline });
    assert_eq!(done.unwrap().code, 0);
    path.to_owned()
}
