//! The values of flags by type.

use crate::flag::{FlagSet, Value};
use membership::Url;
use std::time::Duration;
use telemetry::GoDuration;

/// The values of flags by type; asking for another type than the table's is a bug, and panics.
#[derive(Clone, Copy)]
pub struct Settings<'a>(pub &'a FlagSet);

impl Settings<'_> {
    pub fn bool(self, name: &str) -> bool {
        match self.0.value(name) {
            Value::Bool(value) => *value,
            other => panic!("--{name} is {other:?}, not a bool"),
        }
    }

    pub fn int(self, name: &str) -> i64 {
        match self.0.value(name) {
            Value::Int(value) => *value,
            other => panic!("--{name} is {other:?}, not an int"),
        }
    }

    pub fn uint(self, name: &str) -> u64 {
        match self.0.value(name) {
            Value::Uint(value) => *value,
            other => panic!("--{name} is {other:?}, not a uint"),
        }
    }

    /// As Go has it, maybe negative.
    pub fn go_duration(self, name: &str) -> GoDuration {
        match self.0.value(name) {
            Value::Duration(value) => *value,
            other => panic!("--{name} is {other:?}, not a duration"),
        }
    }

    /// A duration whose zero stands for `default`. Go's timers take a negative one as "at once", so
    /// it becomes the shortest there is.
    pub fn duration_or(self, name: &str, default: Duration) -> Duration {
        match self.go_duration(name).0 {
            0 => default,
            nanos => Duration::from_nanos(nanos.max(1).unsigned_abs()),
        }
    }

    /// A duration, a negative one as none at all.
    pub fn duration_or_zero(self, name: &str) -> Duration {
        Duration::from_nanos(u64::try_from(self.go_duration(name).0).unwrap_or(0))
    }

    /// A period whose zero stands for never. As above, a negative one is the shortest there is.
    pub fn period(self, name: &str) -> Option<Duration> {
        let nanos = self.go_duration(name).0;
        (nanos != 0).then(|| Duration::from_nanos(nanos.max(1).unsigned_abs()))
    }

    /// A duration, raised to a least one.
    pub fn at_least(self, name: &str, least: Duration) -> Duration {
        let nanos = u64::try_from(self.go_duration(name).0).unwrap_or(0);
        Duration::from_nanos(nanos).max(least)
    }

    pub fn text(self, name: &str) -> String {
        match self.0.value(name) {
            Value::Text(value) => value.clone(),
            other => panic!("--{name} is {other:?}, not a text"),
        }
    }

    pub fn texts(self, name: &str) -> Vec<String> {
        match self.0.value(name) {
            Value::Texts(value) => value.clone(),
            other => panic!("--{name} is {other:?}, not a list"),
        }
    }

    pub fn urls(self, name: &str) -> Vec<Url> {
        match self.0.value(name) {
            Value::Urls(value) => value.clone(),
            other => panic!("--{name} is {other:?}, not a list of URLs"),
        }
    }

    pub fn is_set(self, name: &str) -> bool {
        self.0.is_set(name)
    }
}
