//! Which bug is planted in the running process: that of [`VARIABLE`], until another is.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BUGS, number};

/// The environment variable that names the bug, for tests that know of none.
const VARIABLE: &str = "OXETCD_PLANTED_BUG";

const NONE: usize = BUGS.len();

static PLANTED: LazyLock<AtomicUsize> = LazyLock::new(|| {
    let named = std::env::var(VARIABLE);
    AtomicUsize::new(named.map_or(NONE, |name| number(&name)))
});

/// Plants a bug in place of the one before; `None` for none.
///
/// # Panics
/// When there is no bug of that name.
pub fn plant(name: Option<&str>) {
    PLANTED.store(name.map_or(NONE, number), Ordering::Relaxed);
}

/// Asked by [`planted!`](crate::planted).
#[must_use]
pub fn is_planted(number: usize) -> bool {
    PLANTED.load(Ordering::Relaxed) == number
}
