//! The project's own commands: `cargo xtask <command>`.

mod acceptance;
mod layers;
mod source;
mod test_command;
mod tidy;
mod workspace;

use anyhow::{Result, bail};

const USAGE: &str = "Usage: cargo xtask <command>

  test       everything that must pass: formatting, clippy, tidy, all tests, acceptance programs
  tidy       the layer table, sizes of functions and files, headers, calls that only `env` may make
  reference  prints the folder of the reference binaries, and installs them where they are missing
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test_command::run(),
        ["tidy"] => tidy::run(),
        ["-h" | "--help" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            bail!("no such command: {}", arguments.join(" "))
        }
    }
}
