//! The runner of scripts: finds them, chooses who carries the commands out, compares.

mod confchange;
mod datadriven;
mod interaction;
mod quorum;

use std::path::{Path, PathBuf};

use datadriven::{Command, Piece, parse, render};

/// Whether the expected output is replaced by the actual one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    Always,
    Never,
}

/// What was run, and what came out wrong.
#[derive(Default)]
pub struct Outcome {
    pub scripts: usize,
    pub commands: usize,
    pub failures: Vec<String>,
}

/// Carries out the commands of one script.
trait Handler {
    fn handle(&mut self, command: &Command) -> String;
}

/// Runs the scripts of a folder by the interaction environment, and those of its subfolders
/// `confchange` and `quorum` by their own runners.
pub fn run_folder(folder: &Path, rewrite: Rewrite) -> Outcome {
    let mut outcome = Outcome::default();
    for script in scripts(folder) {
        run_script(&script, &mut interaction::Interaction::default(), rewrite, &mut outcome);
    }
    for script in scripts(&folder.join("confchange")) {
        run_script(&script, &mut confchange::ConfChanges::default(), rewrite, &mut outcome);
    }
    for script in scripts(&folder.join("quorum")) {
        run_script(&script, &mut quorum::Quorum, rewrite, &mut outcome);
    }
    outcome
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = found.map(|file| file.unwrap().path());
    let mut scripts: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    scripts.sort();
    scripts
}

fn run_script(path: &Path, handler: &mut dyn Handler, rewrite: Rewrite, outcome: &mut Outcome) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut pieces = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    outcome.scripts += 1;
    for piece in &mut pieces {
        let Piece::Command(command) = piece else {
            continue;
        };
        outcome.commands += 1;
        let mut actual = handler.handle(command);
        if !actual.is_empty() && !actual.ends_with('\n') {
            actual.push('\n');
        }
        if rewrite == Rewrite::Always {
            command.expected = actual;
        } else if command.expected != actual {
            outcome.failures.push(format!(
                "{}:{}: {}\nexpected:\n{}actual:\n{actual}",
                path.display(),
                command.line,
                command.head,
                command.expected
            ));
            // What follows would only fail for the same reason.
            return;
        }
    }
    if rewrite == Rewrite::Always {
        std::fs::write(path, render(&pieces)).unwrap();
    }
}
