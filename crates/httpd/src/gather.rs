//! A stream that writes after everybody else who is ready has had a turn: what they have to say in
//! the meantime leaves in the same system call.
//!
//! Knows nothing of what is written. Works for whoever flushes behind what belongs together.
//!
//! Invariant: a write waits once, for one turn of the scheduler, and then goes on until the flush.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// See the module.
pub(crate) struct Gathering<S> {
    stream: S,
    state: State,
}

enum State {
    /// The next write gives the others a turn.
    Flushed,
    /// They have their turn.
    Waiting,
    /// Writes go through.
    Writing,
}

impl<S> Gathering<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, state: State::Flushed }
    }

    /// Ready when the others had their turn: a task that wakes itself comes behind them.
    fn turn(&mut self, context: &Context<'_>) -> Poll<()> {
        match self.state {
            State::Writing => Poll::Ready(()),
            State::Waiting => {
                self.state = State::Writing;
                Poll::Ready(())
            }
            State::Flushed => {
                self.state = State::Waiting;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        std::task::ready!(this.turn(context));
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        std::task::ready!(this.turn(context));
        Pin::new(&mut this.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.state = State::Flushed;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::AsyncWriteExt as _;

    /// Counts writes.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl AsyncWrite for Writes {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().0.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn the_first_write_behind_a_flush_waits_one_turn() {
        let mut stream = Gathering::new(Writes::default());
        let waker = std::task::Waker::noop();
        let mut context = Context::from_waker(waker);
        for _ in 0..2 {
            assert!(Pin::new(&mut stream).poll_write(&mut context, b"a").is_pending());
            assert!(Pin::new(&mut stream).poll_write(&mut context, b"a").is_ready());
            assert!(Pin::new(&mut stream).poll_write(&mut context, b"b").is_ready());
            assert!(Pin::new(&mut stream).poll_flush(&mut context).is_ready());
        }
        assert_eq!(stream.stream.0.len(), 4);
    }

    #[tokio::test]
    async fn what_is_written_arrives() {
        let mut stream = Gathering::new(Writes::default());
        stream.write_all(b"first").await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"second").await.unwrap();
        assert_eq!(stream.stream.0, [b"first".to_vec(), b"second".to_vec()]);
    }
}
