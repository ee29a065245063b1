//! Fuzz targets: a plain function of bytes for every decoder and every stateful core, and a driver
//! that needs nothing but this workspace.
//!
//! `cargo run --profile=simulator -p fuzz -- TARGET --seconds 60` runs one, `--all` all of them in
//! turn, `--list` names them; a finding is written to a file, and `--replay FILE` takes it again.
//! Inputs are near those of a corpus, which begins with what encoders here make and grows by what
//! went a new way ([`features`]). Wrong is a panic, an input that takes longer than a second, and
//! more than 64 MiB allocated at a time. Targets compare with a model, or with what an encoder makes
//! of what was decoded, wherever there is one.
//!
//! What has no target since it does not exist here: the JSON gateway, WebSockets, JSON web tokens,
//! an interval tree (ranges are merged lists), discovery by SRV records.
//!
//! Knows nothing of a server that runs on its own; nothing here is part of one.

pub mod engine;
pub mod features;
pub mod input;
pub mod measure;
pub mod mutate;
pub mod target;
pub mod targets;
