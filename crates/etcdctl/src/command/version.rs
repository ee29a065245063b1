//! `version`.

use crate::cli::Spec;
use crate::context::write_out;
use crate::failure::Failure;

/// What the command takes.
pub fn spec() -> Spec {
    Spec { name: "version", summary: "Shows the version of etcdctl", ..Spec::default() }
}

/// Runs it.
///
/// # Errors
/// If nobody reads the answer.
pub fn run() -> Result<(), Failure> {
    let text = format!(
        "etcdctl version: {}\nAPI version: {}\n",
        proto::version::SERVER,
        proto::version::API
    );
    write_out(text.as_bytes())
}
