//! Why a call failed, in the words of Go's client.

use proto::error::Error as Known;
use tonic::{Code, Status};

/// Why a call or a connection failed. `Display` prints what Go's client prints.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is not an address.
    #[error("{endpoint:?} is not an endpoint: {reason}")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no endpoint at all.
    #[error("etcdclient: no available endpoints")]
    NoEndpoints,
    /// Nobody answered.
    #[error("connect to {endpoint}: {source}")]
    Connect {
        /// As given.
        endpoint: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// The token holds characters that metadata cannot.
    #[error("the token is not text")]
    Token,
    /// Time is up. Whether the call has changed something is unknown.
    #[error("context deadline exceeded")]
    Deadline,
    /// The server's answer, or the transport's word that there is none.
    #[error("{}", status_text(.0))]
    Status(Box<Status>),
    /// A session's lease is gone.
    #[error("mutex: session is expired")]
    SessionExpired,
    /// A watch ended before what was waited for came.
    #[error("lost watcher waiting for delete")]
    WatchLost,
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if status.code() == Code::DeadlineExceeded {
            Self::Deadline
        } else {
            Self::Status(Box::new(status))
        }
    }
}

impl Error {
    /// The error of etcd's own table that this is.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        match self {
            Self::Status(status) => Known::from_text(status.message()),
            _ => None,
        }
    }

    /// Nobody answered, or somebody who can't just now: another member or moment may do.
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Status(status) => {
                status.code() == Code::Unavailable
                    || status.code() == Code::Unknown
                        && std::error::Error::source(&**status).is_some()
            }
            _ => false,
        }
    }
}

/// A status as Go's client prints it: etcd's own texts as they are, others with their code.
#[must_use]
pub fn status_text(status: &Status) -> String {
    let message = status.message();
    // The texts of the table without this prefix are not known to Go's client.
    if message.starts_with("etcdserver: ") && Known::from_text(message).is_some() {
        return message.to_owned();
    }
    format!("rpc error: code = {} desc = {message}", code_name(status.code()))
}

fn code_name(code: Code) -> String {
    match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_go() {
        let known = Status::invalid_argument("etcdserver: user name is empty");
        assert_eq!(Error::from(known).to_string(), "etcdserver: user name is empty");
        let other = Status::cancelled("stream gone");
        let text = "rpc error: code = Canceled desc = stream gone";
        assert_eq!(Error::from(other).to_string(), text);
        let unknown = Status::unknown("mutex: session is expired");
        let text = "rpc error: code = Unknown desc = mutex: session is expired";
        assert_eq!(Error::from(unknown).to_string(), text);
        let late = Status::deadline_exceeded("whatever");
        assert_eq!(Error::from(late).to_string(), "context deadline exceeded");
    }
}
