//! Requests with short answers, over connections that are kept between them.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use crate::address::PeerUrl;
use crate::connect::{Connection, Error, RequestBody};
use crate::headers::Incompatible;
use crate::limits::ANSWER_BYTES_MAX;
use crate::shared::Shared;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// A connection that is kept between requests.
#[derive(Default)]
pub(crate) struct Kept {
    idle: Option<(PeerUrl, Connection)>,
}

impl Kept {
    /// Sends a request and waits for the whole answer. `make` may be asked for the request twice.
    pub(crate) async fn exchange(
        &mut self,
        shared: &Shared,
        url: &PeerUrl,
        timeout: Duration,
        make: impl Fn() -> Result<Request<RequestBody>, http::Error>,
    ) -> Result<Answer, Error> {
        let exchange = async {
            let idle =
                self.idle.take().filter(|(to, connection)| to == url && connection.is_usable());
            if let Some((_, mut connection)) = idle {
                let request = make()?;
                let may_repeat = request.method() == Method::GET;
                match connection.send(request).await {
                    Ok(answer) => return self.finish(url, connection, answer).await,
                    // The other end closed it while it was idle.
                    Err(error) if error.is_canceled() || error.is_closed() => {}
                    Err(error) if may_repeat && error.is_incomplete_message() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let mut connection =
                Connection::open(&*shared.connector, url, shared.dial_timeout).await?;
            let answer = connection.send(make()?).await?;
            self.finish(url, connection, answer).await
        };
        let outcome = tokio::time::timeout(timeout, exchange).await;
        outcome.unwrap_or(Err(Error::Timeout { action: "wait for an answer" }))
    }

    async fn finish(
        &mut self,
        url: &PeerUrl,
        connection: Connection,
        answer: hyper::Response<Incoming>,
    ) -> Result<Answer, Error> {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(Error::Body)?.to_bytes();
        self.idle = Some((url.clone(), connection));
        Ok(Answer { status, body })
    }
}

/// A body that is here already.
pub(crate) fn whole(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|error| match error {}).boxed_unsync()
}

/// Why a message that was posted is not with raft on the other side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("no valid URL")]
    NoUrl,
    #[error("{0}")]
    Exchange(#[from] Error),
    #[error("{0}")]
    Incompatible(Incompatible),
    #[error("unhandled error {0:?} when precondition failed")]
    Precondition(String),
    #[error("the member has been permanently removed from the cluster")]
    Removed,
    #[error("another member answers there: {0}")]
    OtherMember(String),
    #[error("unexpected http status {status} while posting to {url:?}")]
    Status { status: StatusCode, url: String },
}

/// What the answer to a posted message means.
pub(crate) fn check_post(url: &PeerUrl, path: &str, answer: &Answer) -> Result<(), PostError> {
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status {
        StatusCode::NO_CONTENT => Ok(()),
        StatusCode::PRECONDITION_FAILED => match Incompatible::of_answer(&answer.body) {
            Some(reason) => Err(PostError::Incompatible(reason)),
            None => Err(PostError::Precondition(text())),
        },
        // Go takes this for a removal as well, and stops a member that only called at a wrong URL.
        StatusCode::FORBIDDEN if text().contains("mismatch member") => {
            Err(PostError::OtherMember(text()))
        }
        StatusCode::FORBIDDEN => Err(PostError::Removed),
        status => Err(PostError::Status { status, url: format!("{url}{path}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_posts_are_understood() {
        let url: PeerUrl = "http://m1:2380".parse().unwrap();
        let check = |status: u16, body: &'static [u8]| {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, body: Bytes::from_static(body) };
            check_post(&url, "/raft", &answer).map_err(|error| error.to_string())
        };
        let removed = "the member has been permanently removed from the cluster";
        assert_eq!(check(204, b""), Ok(()));
        assert_eq!(check(412, b"cluster ID mismatch\n"), Err("cluster ID mismatch".to_owned()));
        assert_eq!(
            check(403, br#"{"message":"cannot process message from removed member"}"#),
            Err(removed.to_owned())
        );
        let other = check(403, br#"{"message":"cannot process message to mismatch member"}"#);
        assert!(other.unwrap_err().starts_with("another member answers there"));
        assert_eq!(
            check(500, b"error processing raft message\n").unwrap_err(),
            "unexpected http status 500 Internal Server Error while posting to \
             \"http://m1:2380/raft\""
        );
    }
}
