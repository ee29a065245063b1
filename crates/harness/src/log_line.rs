//! What servers log: one JSON object per line, as zap writes it.

use serde_json::Value;
use std::path::Path;

/// A line of a server's log.
#[derive(Clone, PartialEq, Debug)]
pub struct LogLine {
    /// `debug`, `info`, `warn`, `error`, `dpanic`, `panic` or `fatal`; for what is no such line,
    /// such as the trace of a crash, `none`.
    pub level: String,
    /// What happened.
    pub message: String,
    /// All of it.
    pub fields: Value,
}

impl LogLine {
    /// Reads a line.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let plain =
            || Self { level: "none".to_owned(), message: line.to_owned(), fields: Value::Null };
        let Ok(fields @ Value::Object(_)) = serde_json::from_str::<Value>(line) else {
            return plain();
        };
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        match (text("level"), text("msg")) {
            (Some(level), Some(message)) => Self { level, message, fields },
            _ => plain(),
        }
    }

    /// Whether it is a warning or worse.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !["debug", "info"].contains(&self.level.as_str()) && !self.message.trim().is_empty()
    }
}

/// Reads a file of such lines. One that is not there has none.
#[must_use]
pub fn read_log(path: &Path) -> Vec<LogLine> {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(LogLine::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = LogLine::parse(r#"{"level":"warn","ts":"2026","msg":"slow","took":"1s"}"#);
        assert_eq!((line.level.as_str(), line.message.as_str()), ("warn", "slow"));
        assert!(line.is_fault() && line.fields["took"] == "1s");
        assert!(!LogLine::parse(r#"{"level":"info","msg":"ready"}"#).is_fault());
        let trace = LogLine::parse("goroutine 1 [running]:");
        assert_eq!((trace.level.as_str(), trace.is_fault()), ("none", true));
    }
}
