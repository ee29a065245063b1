//! Fail points: named places where a test can stop, slow or break the program.
//!
//! The names are etcd's (`compat/features.tsv`, kind `failpoint`), so that etcd's own robustness
//! harness can drive this program. Without the cargo feature `failpoints` the macro expands to
//! nothing.
//!
//! Terms are gofail's: `panic`, `sleep(<ms>|"<duration>")`, `return("text")`, `off`.

/// Marks a fail point. With one argument it can panic or sleep; with a closure behind the name,
/// `return("text")` makes the enclosing function return what the closure makes of the text.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        let _ = $crate::fail::evaluate($name);
    };
    ($name:literal, $then:expr) => {
        if let Some(text) = $crate::fail::evaluate($name) {
            return $then(text);
        }
    };
}

/// Marks a fail point; this build has none.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {};
    ($name:literal, $then:expr) => {};
}

#[cfg(feature = "failpoints")]
pub use active::{Term, evaluate, list, remove, set};

#[cfg(feature = "failpoints")]
mod active {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    /// What a fail point does when it is reached.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Term {
        /// Ends the process by a panic.
        Panic,
        /// Waits.
        Sleep(Duration),
        /// Makes the enclosing function return early.
        Return(String),
        /// Nothing.
        Off,
    }

    static ACTIVE: Mutex<BTreeMap<&'static str, Term>> = Mutex::new(BTreeMap::new());

    fn active() -> std::sync::MutexGuard<'static, BTreeMap<&'static str, Term>> {
        ACTIVE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fail point.
    pub fn set(name: &'static str, term: Term) {
        active().insert(name, term);
    }

    /// Disarms a fail point; whether it was armed.
    pub fn remove(name: &str) -> bool {
        active().remove(name).is_some()
    }

    /// The armed ones.
    #[must_use]
    pub fn list() -> Vec<(&'static str, Term)> {
        active().iter().map(|(name, term)| (*name, term.clone())).collect()
    }

    /// Called by [`fail_point!`](crate::fail_point): the text of a `return`, if one is due.
    pub fn evaluate(name: &str) -> Option<String> {
        let term = active().get(name).cloned();
        match term? {
            Term::Panic => panic!("failpoint panic: {name}"),
            Term::Sleep(duration) => {
                std::thread::sleep(duration);
                None
            }
            Term::Return(text) => Some(text),
            Term::Off => None,
        }
    }
}
