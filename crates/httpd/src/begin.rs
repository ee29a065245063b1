//! Whether a connection has said enough for whoever serves it to have a time limit of its own.
//!
//! The first bytes tell HTTP/2 from HTTP/1; until there are enough of them, nobody else counts the
//! time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of HTTP/2's preface: whatever begins differently is HTTP/1.
const PREFACE_BYTES: usize = 24;

/// How much a connection has said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begin(Arc<AtomicUsize>);

impl Begin {
    /// A request has come.
    pub(crate) fn done(&self) {
        self.add(PREFACE_BYTES);
    }

    /// Comes back after this time if nothing has begun by then, else never.
    pub(crate) async fn missed(&self, limit: Duration) {
        tokio::time::sleep(limit).await;
        if self.0.load(Ordering::Relaxed) >= PREFACE_BYTES {
            std::future::pending::<()>().await;
        }
    }

    /// The connection, watched.
    pub(crate) fn watch<T>(&self, inner: T) -> Watched<T> {
        Watched { inner, begin: self.clone() }
    }

    fn add(&self, bytes: usize) {
        if self.0.load(Ordering::Relaxed) < PREFACE_BYTES {
            self.0.fetch_add(bytes.min(PREFACE_BYTES), Ordering::Relaxed);
        }
    }
}

/// A connection whose first bytes are counted.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    inner: T,
    begin: Begin,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.begin.add(buffer.filled().len() - before);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
