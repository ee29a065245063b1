//! Programs that run to their end, with a deadline.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program to run.
#[derive(Debug)]
pub struct Run {
    /// The program with its arguments, environment and folder; its streams are set by [`run`].
    pub command: Command,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// When it is killed.
    pub deadline: Duration,
}

/// What a program left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code; 128 + n when signal n ended it, as a shell says it.
    pub code: i32,
}

impl Finished {
    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Runs a program to its end.
///
/// # Errors
/// If it can't be started, or is not done at the deadline.
pub fn run(run: Run) -> Result<Finished> {
    let Run { mut command, stdin, deadline } = run;
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
    let mut input = child.stdin.take().context("standard input is piped")?;
    // A program that ends without reading closes the pipe; what it then says is what counts.
    let writer = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let stdout = read_all(child.stdout.take().context("standard output is piped")?);
    let stderr = read_all(child.stderr.take().context("standard error is piped")?);
    let ended = wait(&mut child, deadline)?;
    if ended.is_none() {
        child.kill().context("kill a program at its deadline")?;
        child.wait().context("wait for a killed program")?;
    }
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    let _ = writer.join();
    match ended {
        Some(status) => Ok(Finished { stdout, stderr, code: code(status) }),
        None => bail!(
            "{shown}: not done after {deadline:?}; it said: {}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        ),
    }
}

/// Waits for the end of a program; `None` at the deadline.
///
/// # Errors
/// As the system says.
pub fn wait(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().context("wait for a program")? {
            return Ok(Some(status));
        }
        if start.elapsed() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// The exit code as a shell would say it.
pub fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdin: &[u8], deadline: Duration) -> Result<Finished> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(Run { command, stdin: stdin.to_vec(), deadline })
    }

    #[test]
    fn output_and_code_are_kept() {
        let long = Duration::from_secs(10);
        let done = shell("cat; echo err >&2; exit 3", b"in", long).unwrap();
        assert_eq!((done.out().as_str(), done.err().as_str(), done.code), ("in", "err\n", 3));
        assert_eq!(shell("kill -TERM $$", b"", long).unwrap().code, 143);
        let error = shell("echo begun; exec sleep 100", b"", Duration::from_millis(200));
        assert!(error.unwrap_err().to_string().contains("begun"));
    }
}
