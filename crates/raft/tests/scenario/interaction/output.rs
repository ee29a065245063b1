//! What a command prints: its own lines, and the members' log lines down to a level.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use raft::{Level, Logger};

/// The names of levels, least first; the last one silences everything but errors of commands.
const LEVELS: [&str; 6] = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"];

#[derive(Default)]
struct State {
    text: String,
    level: usize,
}

/// A text that the members' loggers share.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<State>>);

impl Output {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn level(&self) -> usize {
        self.state().level
    }

    pub fn set_level(&self, level: usize) {
        self.state().level = level;
    }

    /// The level of this name.
    pub fn level_named(name: &str) -> Result<usize, String> {
        let found = LEVELS.iter().position(|level| level.eq_ignore_ascii_case(name));
        found.ok_or(format!("log levels must be either of {LEVELS:?}"))
    }

    pub fn is_quiet(&self) -> bool {
        self.level() == LEVELS.len() - 1
    }

    pub fn write(&self, text: &str) {
        if !self.is_quiet() {
            self.state().text.push_str(text);
        }
    }

    pub fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// The text so far, which is gone then.
    pub fn take(&self) -> String {
        std::mem::take(&mut self.state().text)
    }

    /// Puts text in front of what comes, and what came since then behind it, indented.
    pub fn put_back_indented(&self, before: String) {
        let inner = self.take();
        let indented: String = inner.lines().map(|line| format!("  {line}\n")).collect();
        self.state().text = before + &indented;
    }
}

impl Logger for Output {
    fn enabled(&self, level: Level) -> bool {
        self.level() <= position(level)
    }

    fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        self.line(&format!("{} {line}", LEVELS[position(level)]));
    }
}

fn position(level: Level) -> usize {
    match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warn => 2,
        Level::Error => 3,
    }
}
