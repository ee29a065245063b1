//! The `tracing` layer: filters by level, encodes, writes to every sink.

use super::encode::{Fields, Head};
use super::level::LEVELS;
use super::{Format, Level, TimeSource};
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What a logger needs from the binary.
pub struct LoggerOptions {
    /// How lines look.
    pub format: Format,
    /// The least severe level that is printed at first.
    pub level: Level,
    /// Where times come from.
    pub time: Box<dyn TimeSource>,
    /// Where lines go; each line is one `write_all`, and a failed one is dropped.
    pub sinks: Vec<Box<dyn Write + Send>>,
    /// Crates whose events are printed from `warn` on only, whatever the level: libraries that
    /// trace every frame at `debug`.
    pub quiet: Vec<&'static str>,
}

/// The `tracing` layer that prints lines as zap does.
pub struct Logger {
    format: Format,
    level: LevelHandle,
    time: Box<dyn TimeSource>,
    sinks: Mutex<Vec<Box<dyn Write + Send>>>,
    quiet: Vec<&'static str>,
}

/// Changes the level of a running logger.
#[derive(Clone, Debug)]
pub struct LevelHandle(Arc<AtomicU8>);

impl LevelHandle {
    /// The least severe level that is printed.
    #[must_use]
    pub fn get(&self) -> Level {
        LEVELS[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Changes it, for every event from now on.
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

impl Logger {
    /// A logger, not yet in use.
    #[must_use]
    pub fn new(options: LoggerOptions) -> Self {
        let LoggerOptions { format, level, time, sinks, quiet } = options;
        let level = LevelHandle(Arc::new(AtomicU8::new(level as u8)));
        Self { format, level, time, sinks: Mutex::new(sinks), quiet }
    }

    /// The handle that changes this logger's level.
    #[must_use]
    pub fn level(&self) -> LevelHandle {
        self.level.clone()
    }

    /// Makes this the process's logger; later calls in the same process change nothing.
    pub fn install(self) -> LevelHandle {
        let level = self.level();
        let subscriber = tracing_subscriber::registry().with(self);
        // A second logger in one process is a test's affair; the first one stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        level
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target().split("::").next().unwrap_or_default();
        let least = if self.quiet.contains(&target) {
            self.level.get().tracing().min(tracing::Level::WARN)
        } else {
            self.level.get().tracing()
        };
        // tracing orders levels by verbosity: ERROR is the smallest.
        // What only asks whether lines are wanted is neither a span nor an event.
        !metadata.is_span() && *metadata.level() <= least
    }
}

impl<S: Subscriber> Layer<S> for Logger {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Changing the level rebuilds this answer, so it need not be asked per event.
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level.get().tracing()))
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if !self.wants(event.metadata()) {
            return;
        }
        let mut fields = Fields::new(self.format);
        event.record(&mut fields);
        let level = fields.level().unwrap_or_else(|| (*event.metadata().level()).into());
        if level < self.level.get() {
            return;
        }
        let caller = caller(event.metadata());
        let head = Head { time: self.time.now(), level, caller: &caller };
        let line = fields.line(self.format, &head);
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in sinks.iter_mut() {
            let _ = sink.write_all(line.as_bytes());
        }
    }
}

/// `crate/file.rs:line`, the crate being the folder that holds `src`.
fn caller(metadata: &Metadata<'_>) -> String {
    let Some(path) = metadata.file() else {
        return "undefined".to_owned();
    };
    let parts: Vec<&str> = path.split(['/', '\\']).collect();
    let file = parts.last().copied().unwrap_or_default();
    let source = parts.iter().rposition(|part| *part == "src");
    let folder = match source {
        Some(position) if position > 0 => parts[position - 1],
        _ => parts.iter().rev().nth(1).copied().unwrap_or_default(),
    };
    let line = metadata.line().unwrap_or_default();
    format!("{folder}/{file}:{line}")
}

#[cfg(test)]
#[path = "layer_test.rs"]
mod tests;
