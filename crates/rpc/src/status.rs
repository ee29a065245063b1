//! The API's errors as gRPC statuses.

use tonic::{Code, Status};

/// The status of an error: code and text as they are.
pub(crate) fn status(error: api::Error) -> Status {
    Status::new(Code::from_i32(error.code.number()), error.message)
}
