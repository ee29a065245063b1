//! How a command fails: a sentence on standard error and an exit code, both Go's.

use crate::say::say;
use std::fmt::Display;
use std::process::ExitCode;

/// The request failed.
pub const ERROR: u8 = 1;
/// There is no connection, or the user is not who they say.
pub const BAD_CONNECTION: u8 = 2;
/// What was read from standard input makes no sense.
pub const INVALID_INPUT: u8 = 3;
/// A value or format that is not supported.
pub const BAD_FEATURE: u8 = 4;
/// The server ended it.
pub const INTERRUPTED: u8 = 5;
/// The arguments are wrong.
pub const BAD_ARGUMENTS: u8 = 128;

/// Why a command ends with an exit code other than 0.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    /// Printed behind `Error: `; nothing is printed where everything has been said.
    message: Option<String>,
    /// Printed behind the message as it is.
    usage: Option<String>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(code: u8, message: impl Display) -> Self {
        Self { code, message: Some(message.to_string()), usage: None }
    }

    /// The arguments are wrong.
    pub fn arguments(message: impl Display) -> Self {
        Self::new(BAD_ARGUMENTS, message)
    }

    /// Everything has been said already.
    pub fn silent(code: u8) -> Self {
        Self { code, message: None, usage: None }
    }

    /// The same, with a text behind the message.
    pub fn with_usage(self, usage: String) -> Self {
        Self { usage: Some(usage), ..self }
    }

    /// What is wrong, for those who put it into a sentence of their own.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// Says what is wrong and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if let Some(message) = &self.message {
            say!("Error: {message}");
        }
        if let Some(usage) = &self.usage {
            say!("{usage}");
        }
        ExitCode::from(self.code)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::new(ERROR, error)
    }
}
