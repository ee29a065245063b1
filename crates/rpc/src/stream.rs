//! Streams of replies, cut when their caller wants a leader and there is none for too long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::{Caller, Replies, Service};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tonic::Status;

use crate::calls::Call;
use crate::status::status;

type Cut = Pin<Box<dyn Future<Output = Status> + Send>>;

/// What tonic takes a stream's answers from.
pub(crate) struct ReplyStream<T> {
    replies: Replies<T>,
    cut: Option<Cut>,
    call: Call,
}

impl<T> ReplyStream<T> {
    /// The answers as they come.
    pub(crate) fn new<S: Service>(
        replies: Replies<T>,
        service: &Arc<S>,
        caller: Caller,
        call: Call,
    ) -> Self {
        Self { replies, cut: Some(cut(service, caller)), call }
    }

    /// The same, which ends also with what is wrong with the caller's own messages.
    pub(crate) fn or_broken(mut self, broken: oneshot::Receiver<Status>) -> Self {
        if let Some(cut) = self.cut.take() {
            self.cut = Some(Box::pin(async move {
                tokio::select! {
                    status = cut => status,
                    Ok(status) = broken => status,
                }
            }));
        }
        self
    }
}

/// The status that ends a stream of this caller, when it is time.
pub(crate) fn cut<S: Service>(service: &Arc<S>, caller: Caller) -> Cut {
    let service = Arc::clone(service);
    Box::pin(async move { status(service.cut(&caller).await) })
}

impl<T> Stream for ReplyStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Answers that are there go out before a cut.
        if let Poll::Ready(next) = self.replies.poll_next(context) {
            return Poll::Ready(match next {
                Some(Ok(reply)) => {
                    self.call.sent();
                    Some(Ok(reply))
                }
                Some(Err(error)) => Some(Err(self.call.failed(error))),
                None => {
                    self.call.succeeded();
                    None
                }
            });
        }
        let Some(cut) = &mut self.cut else { return Poll::Ready(None) };
        cut.as_mut().poll(context).map(|status| {
            self.cut = None;
            Some(Err(self.call.refused(status)))
        })
    }
}
