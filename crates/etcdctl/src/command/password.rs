//! Passwords from the terminal, not shown while they are typed.

use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::io::{self, BufRead};

use crate::context::write_out;
use crate::failure::Failure;

/// Asks for a password. Where standard input is no terminal, its next line is taken.
///
/// # Errors
/// As the system says.
pub fn ask(prompt: &str) -> io::Result<String> {
    let broken = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    write_out(prompt.as_bytes()).map_err(broken)?;
    let password = read_hidden();
    write_out(b"\n").map_err(broken)?;
    password
}

/// Asks twice, and takes only what is the same.
///
/// # Errors
/// An empty password, two different ones.
pub fn ask_new(user: &str) -> Result<String, Failure> {
    let failed = |error| Failure::arguments(format_args!("failed to ask password: {error}"));
    let first = ask(&format!("Password of {user}: ")).map_err(failed)?;
    if first.is_empty() {
        return Err(Failure::arguments("empty password"));
    }
    let prompt = format!("Type password of {user} again for confirmation: ");
    if ask(&prompt).map_err(failed)? != first {
        return Err(Failure::arguments("given passwords are different"));
    }
    Ok(first)
}

/// The first word of the next line, shown or not: for `--interactive=false`.
pub fn read_word() -> String {
    let line = read_line().unwrap_or_default();
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

fn read_hidden() -> io::Result<String> {
    let stdin = io::stdin();
    if !isatty(&stdin) {
        return read_line();
    }
    let before = tcgetattr(&stdin)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let line = read_line();
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    line
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
