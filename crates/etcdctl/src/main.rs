//! `etcdctl`: etcd's client for people and scripts.
//!
//! Answers with the words, formats and exit codes of Go's `etcdctl` 3.7. The folder `command` holds
//! a file per command, `print` what replies look like in each format, `cli` how a command line is
//! read.

mod cli;
mod command;
mod context;
mod failure;
mod print;
mod quote;
mod say;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(command::run(std::env::args_os().skip(1).collect()));
            // A thread that waits for a line of input must not hold up the end.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(failure::Failure::new(failure::ERROR, error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
