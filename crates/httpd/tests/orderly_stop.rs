//! What a client of HTTP/2 reads, byte by byte, when the server stops.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use httpd::{Address, Limits, Listener, serve};
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A server whose requests wait, each for a permit.
struct Slow {
    address: SocketAddr,
    begun: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Slow {
    async fn start() -> Self {
        let any = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = Listener::bind(&any).await.unwrap();
        let Address::Tcp(address) = listener.local().unwrap() else { panic!("no TCP address") };
        let (stop, stopped) = watch::channel(false);
        let (begun, permits) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (has_begun, permitted) = (Arc::clone(&begun), Arc::clone(&permits));
        let service = move |_| {
            let (has_begun, permitted) = (Arc::clone(&has_begun), Arc::clone(&permitted));
            service_fn(move |_| {
                has_begun.add_permits(1);
                let permitted = Arc::clone(&permitted);
                async move {
                    permitted.acquire().await.unwrap().forget();
                    let body = Full::new(bytes::Bytes::from_static(b"here"));
                    Ok::<_, Infallible>(Response::new(body))
                }
            })
        };
        let task = serve(
            listener,
            service,
            Limits { concurrent_streams_max: 100, connections: None },
            stopped,
        );
        Self { address, begun, permits, stop, task: tokio::spawn(task) }
    }
}

/// A client that follows the protocol by hand.
struct Client {
    stream: TcpStream,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut client = Self { stream: TcpStream::connect(address).await.unwrap() };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        client.send(SETTINGS, 0, 0, &[]).await;
        client
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// `GET http:///`, all of it in HPACK's static table.
    async fn request(&mut self, stream: u32) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &[0x82, 0x86, 0x84]).await;
    }

    /// The next frame; `None` at an orderly end.
    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) => panic!("the connection is broken: {error}"),
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await.unwrap();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    async fn read_until(&mut self, kind: u8, flags: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("more frames");
            if (frame.kind, frame.flags) == (kind, flags) {
                return frame;
            }
        }
    }

    /// Waits until the server has written its last byte, and reads none.
    async fn wait_for_end(&self) {
        while !self.stream.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            tokio::task::yield_now().await;
        }
    }
}

/// The last stream that is answered, and the reason.
fn goaway(frame: &Frame) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}

async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("it ends")
}

#[tokio::test]
async fn requests_that_cross_the_stop_are_answered_and_the_end_can_be_read() {
    within(async {
        let server = Slow::start().await;
        let mut client = Client::connect(server.address).await;
        client.read_until(SETTINGS, ACK).await;
        client.request(1).await;
        server.begun.acquire().await.unwrap().forget();

        server.stop.send(true).unwrap();
        // No stream is excluded yet, but no new one is to be begun.
        assert_eq!(goaway(&client.read_until(GOAWAY, 0).await), (u32::MAX >> 1, 0));
        let ping = client.read_until(PING, 0).await;
        // One that was begun before the client read that.
        client.request(3).await;
        client.send(PING, ACK, 0, &ping.payload).await;
        server.begun.acquire().await.unwrap().forget();
        assert_eq!(goaway(&client.read_until(GOAWAY, 0).await), (3, 0));

        server.permits.add_permits(2);
        client.wait_for_end().await;
        // What a client says before it has read all that: nobody wants to know it any more.
        for _ in 0..3 {
            client.send(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).await;
        }
        let mut answered = Vec::new();
        while let Some(frame) = client.read().await {
            if frame.kind == DATA && frame.flags & END_STREAM != 0 {
                answered.push(frame.stream);
            }
        }
        answered.sort_unstable();
        assert_eq!(answered, [1, 3]);
        drop(client);
        server.task.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_client_that_never_closes_does_not_hold_up_the_stop() {
    within(async {
        let server = Slow::start().await;
        let mut client = Client::connect(server.address).await;
        client.read_until(SETTINGS, ACK).await;
        server.stop.send(true).unwrap();
        let ping = client.read_until(PING, 0).await;
        client.send(PING, ACK, 0, &ping.payload).await;
        client.wait_for_end().await;
        server.task.await.unwrap();
    })
    .await;
}
