//! The two ends of a stream, free of any transport: bounded queues with back-pressure.

use tokio::sync::mpsc;

use crate::Error;

/// Messages that a stream holds before its sender waits. What a message may weigh is bounded by
/// who makes it.
pub const STREAM_MESSAGES_MAX: usize = 16;

/// Where a transport puts the caller's messages.
#[derive(Debug)]
pub struct Requests<T>(mpsc::Sender<T>);

impl<T> Requests<T> {
    /// Hands over a message, waiting for room; `false` when the stream has ended.
    pub async fn send(&self, request: T) -> bool {
        self.0.send(request).await.is_ok()
    }

    /// Resolves when the stream has ended.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Where a transport takes the answers from. An error is the last one.
#[derive(Debug)]
pub struct Replies<T>(mpsc::Receiver<Result<T, Error>>);

impl<T> Replies<T> {
    /// The next answer; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        self.0.recv().await
    }

    /// The next answer, in the manner of a `Stream`.
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<T, Error>>> {
        self.0.poll_recv(context)
    }
}

/// A queue of requests: the transport's end and the server's.
#[must_use]
pub fn requests<T>() -> (Requests<T>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::channel(STREAM_MESSAGES_MAX);
    (Requests(sender), receiver)
}

/// A queue of replies: the server's end and the transport's.
#[must_use]
pub fn replies<T>() -> (mpsc::Sender<Result<T, Error>>, Replies<T>) {
    replies_of(STREAM_MESSAGES_MAX)
}

/// As [`replies`], for messages of such weight that fewer may wait.
#[must_use]
pub(crate) fn replies_of<T>(messages_max: usize) -> (mpsc::Sender<Result<T, Error>>, Replies<T>) {
    let (sender, receiver) = mpsc::channel(messages_max);
    (sender, Replies(receiver))
}
