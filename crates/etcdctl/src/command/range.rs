//! The range of keys that `--prefix`, `--from-key` and a second argument name.

use bytes::Bytes;
use client::end_of_prefix;

use crate::cli::Arguments;
use crate::failure::Failure;

/// "To the end" as the end of a range, and the first key there can be.
const ZERO: Bytes = Bytes::from_static(b"\0");

/// The first key and the end of the range; an empty end means one key.
///
/// # Errors
/// Flags that contradict each other or the arguments.
pub fn key_range(arguments: &Arguments) -> Result<(Bytes, Bytes), Failure> {
    let (prefix, from_key) = (arguments.is_set("prefix"), arguments.is_set("from-key"));
    let end = arguments.positional.get(1);
    if end.is_some() && (prefix || from_key) {
        let message = "too many arguments, only accept one argument when `--prefix` or \
                       `--from-key` is set";
        return Err(Failure::arguments(message));
    }
    let key = arguments.positional[0].clone();
    Ok(match (key.is_empty(), end) {
        (true, _) if prefix || from_key => (ZERO, ZERO),
        _ if prefix => (key.clone(), end_of_prefix(&key)),
        _ if from_key => (key, ZERO),
        (_, end) => (key, end.cloned().unwrap_or_default()),
    })
}

/// Refuses `--prefix` and `--from-key` together.
///
/// # Errors
/// If both are set.
pub fn refuse_both(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.is_set("prefix") && arguments.is_set("from-key") {
        let message = "`--prefix` and `--from-key` cannot be set at the same time, choose one";
        return Err(Failure::arguments(message));
    }
    Ok(())
}
