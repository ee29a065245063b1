//! What is said on standard error.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

/// The exit code of who writes to what nobody reads any more: that of SIGPIPE, as a shell says it.
pub const BROKEN_PIPE: u8 = 141;

/// Writes a line to standard error; ends the process if nobody reads it, as the signal would.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::say::line(format_args!($($words)*))
    };
}
pub(crate) use say;

/// See [`say!`].
pub fn line(words: Arguments<'_>) {
    let written = writeln!(std::io::stderr().lock(), "{words}");
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(BROKEN_PIPE.into());
    }
}
