//! Serving connections: HTTP/1 and HTTP/2 (with prior knowledge) on one port.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api::Remote;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::begin::Begin;
use crate::gather::Gathering;
use crate::limits;
use crate::linger::Lingering;
use crate::listener::{Listener, Stream};

/// How long a listener rests after an error that would repeat at once (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is decided about connections elsewhere.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Streams that one connection may have open.
    pub concurrent_streams_max: u32,
    /// How many connections there may be; shared by the listeners that count together. Who comes
    /// when all are taken waits in the system's queue.
    pub connections: Option<Arc<Semaphore>>,
}

/// Accepts and serves until `stop` turns true; then lets connections finish what they are at, for
/// at most [`limits::DRAIN_TIMEOUT`]. Each connection has a service of its own, which is told who is
/// at the other end.
pub async fn serve<S, B>(
    listener: Listener,
    service: impl Fn(Option<Remote>) -> S + Send,
    settings: Limits,
    stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let builder = builder(&settings);
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        tokio::select! {
            biased;
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            (permit, accepted) = accept(&listener, settings.connections.as_ref()) => match accepted {
                Ok(stream) => {
                    let remote = stream.remote().map(|remote| Remote::new(&remote));
                    let served =
                        connection(builder.clone(), stream, service(remote), stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is still open after that is cut when the set is dropped.
    let _ = tokio::time::timeout(limits::DRAIN_TIMEOUT, drained).await;
}

/// Accepts a connection once there may be one more.
async fn accept(
    listener: &Listener,
    connections: Option<&Arc<Semaphore>>,
) -> (Option<OwnedSemaphorePermit>, std::io::Result<Stream>) {
    let permit = match connections {
        // The semaphore is never closed.
        Some(connections) => Arc::clone(connections).acquire_owned().await.ok(),
        None => None,
    };
    (permit, listener.accept().await)
}

fn builder(settings: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_buf_size(limits::HTTP1_BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.concurrent_streams_max)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(limits::SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(limits::HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS_MAX);
    builder
}

async fn connection<S, B>(
    builder: auto::Builder<TokioExecutor>,
    stream: Stream,
    service: S,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begin = Begin::default();
    let begun = begin.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        begun.done();
        service.call(request)
    });
    let served = builder.serve_connection(
        TokioIo::new(begin.watch(Gathering::new(Lingering::new(stream)))),
        service,
    );
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = begin.missed(limits::FIRST_BYTES_TIMEOUT) => return,
        () = told(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// Waits until `stop` turns true, or its sender is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::listener::Address;

    async fn start() -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let any = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = Listener::bind(&any).await.expect("bind");
        let Address::Tcp(address) = listener.local().expect("address") else {
            panic!("not a TCP address")
        };
        let (stop, stopped) = watch::channel(false);
        let service = |_| {
            service_fn(|_| async {
                Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from_static(b"here"))))
            })
        };
        let settings = Limits { concurrent_streams_max: 100, connections: None };
        (address, stop, tokio::spawn(serve(listener, service, settings, stopped)))
    }

    #[tokio::test]
    async fn it_answers_http1_and_stops_when_told() {
        let (address, stop, task) = start().await;
        let mut client = TcpStream::connect(address).await.expect("connect");
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
        let mut answer = vec![0; 4096];
        let mut filled = 0;
        while !answer[..filled].ends_with(b"here") {
            filled += client.read(&mut answer[filled..]).await.expect("read");
        }
        stop.send(true).expect("a receiver");
        assert_eq!(client.read(&mut answer).await.expect("closed"), 0);
        drop(client);
        task.await.expect("no panic");
    }

    #[tokio::test]
    async fn it_speaks_http2_with_prior_knowledge() {
        let (address, _stop, _task) = start().await;
        let mut client = TcpStream::connect(address).await.expect("connect");
        let settings = [0u8, 0, 0, 4, 0, 0, 0, 0, 0];
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("write");
        client.write_all(&settings).await.expect("write");
        let mut frame = [0; 9];
        client.read_exact(&mut frame).await.expect("read");
        assert_eq!(frame[3], 4, "the server's first frame is SETTINGS");
    }
}
