//! The project's own commands: `cargo xtask <command>`.

mod acceptance;
mod bench;
mod layers;
mod outcome;
mod programs;
mod source;
mod test_command;
mod tidy;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "Usage: cargo xtask <command>

  test       everything that must pass: formatting, clippy, tidy, all tests, acceptance programs
  bench      costs beside the real etcd 3.5.16, as a table (bench --help)
  tidy       the layer table, sizes of functions and files, headers, calls that only `env` may make
  reference  prints the folder of the reference binaries, and installs them where they are missing
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "));
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["test"] => test_command::run(),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["tidy"] => tidy::run(),
        ["reference"] => {
            println!("{}", harness::reference()?.folder.display());
            Ok(())
        }
        ["-h" | "--help" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such command: {}\n{USAGE}", arguments.join(" ")),
    }
}
