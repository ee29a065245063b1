//! A TCP proxy that delays what passes through it. The order of bytes stays, as TCP promises it.

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is read at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Pieces under way in one direction of a connection; then the sender has to wait.
const PIECES_MAX: usize = 256;

/// How long an attempt to connect may take, and how many there are.
const CONNECT_MAX: Duration = Duration::from_millis(300);
const CONNECT_TRIES: u32 = 40;

/// What happens to bytes on one way of a link.
#[derive(Debug)]
pub struct Weather {
    delay_us: AtomicU64,
    jitter_us: AtomicU64,
    random: AtomicU64,
}

impl Weather {
    /// No delay.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let (delay_us, jitter_us) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { delay_us, jitter_us, random: AtomicU64::new(seed) }
    }

    /// Each piece takes `delay` and up to `jitter` more from now on.
    pub fn set(&self, delay: Duration, jitter: Duration) {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.delay_us.store(us(delay), Ordering::Relaxed);
        self.jitter_us.store(us(jitter), Ordering::Relaxed);
    }

    /// No delay from now on.
    pub fn calm(&self) {
        self.set(Duration::ZERO, Duration::ZERO);
    }

    fn next(&self) -> Duration {
        let jitter = self.jitter_us.load(Ordering::Relaxed);
        let more = if jitter == 0 { 0 } else { self.random() % jitter };
        Duration::from_micros(self.delay_us.load(Ordering::Relaxed) + more)
    }

    /// SplitMix64.
    fn random(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Where a connection goes on.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who is connected to.
    pub target: SocketAddr,
    /// The address to connect from.
    pub source: IpAddr,
    /// For what the one who connected sends.
    pub forward: Arc<Weather>,
    /// For what it gets.
    pub back: Arc<Weather>,
}

/// A listening proxy. It and its connections end when this goes.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens at an address. `route` says where a connection from an address goes on; `None`
    /// refuses it.
    ///
    /// # Errors
    /// If the address can't be had.
    pub fn start(
        address: SocketAddr,
        route: impl Fn(SocketAddr) -> Option<Route> + Send + 'static,
    ) -> Result<Self> {
        let listener =
            TcpListener::bind(address).with_context(|| format!("listen at {address}"))?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if let Some(route) = stream.peer_addr().ok().and_then(&route) {
                    let shared = Arc::clone(&for_thread);
                    std::thread::spawn(move || {
                        // A connection that can't be made is one that ends.
                        let _ = pass(stream, &route, &shared);
                    });
                }
            }
        });
        Ok(Self { address, shared })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// Joins two connections until one of them ends.
fn pass(client: TcpStream, route: &Route, shared: &Shared) -> Result<()> {
    let server = connect(route)?;
    client.set_nodelay(true).context("set an option")?;
    server.set_nodelay(true).context("set an option")?;
    let copy = |stream: &TcpStream| stream.try_clone().context("copy a socket's handle");
    {
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([copy(&client)?, copy(&server)?]);
    }
    let forward = (copy(&client)?, copy(&server)?, Arc::clone(&route.forward));
    let back = (copy(&server)?, copy(&client)?, Arc::clone(&route.back));
    let threads = [forward, back].map(|(from, to, weather)| {
        let (sender, receiver) = sync_channel(PIECES_MAX);
        let reader = std::thread::spawn(move || read_pieces(from, &sender, &weather));
        (reader, std::thread::spawn(move || write_pieces(to, &receiver)))
    });
    for (reader, writer) in threads {
        let _ = (reader.join(), writer.join());
    }
    let ends = [client.peer_addr().ok(), server.peer_addr().ok()];
    let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|stream| {
        let other = stream.peer_addr().ok();
        other.is_some() && !ends.contains(&other)
    });
    Ok(())
}

/// Tries often: where a link is cut for a while, whoever connects has to wait no longer for it than
/// without a proxy, which the pauses of one attempt's own repetitions would add to theirs.
fn connect(route: &Route) -> Result<TcpStream> {
    for _ in 0..CONNECT_TRIES {
        match attempt(route) {
            Err(Errno::INPROGRESS | Errno::AGAIN) => {}
            outcome => return outcome.context("connect"),
        }
    }
    bail!("{} does not answer", route.target)
}

fn attempt(route: &Route) -> rustix::io::Result<TcpStream> {
    let family = if route.source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((route.source, 0)))?;
    // A connection that is not there by then is given up.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(CONNECT_MAX))?;
    rustix::net::connect(&socket, &route.target)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
    Ok(TcpStream::from(socket))
}

/// A piece and when it is due.
type Piece = (Instant, Vec<u8>);

fn read_pieces(mut from: TcpStream, to: &SyncSender<Piece>, weather: &Weather) {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let due = Instant::now() + weather.next();
        if to.send((due, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    // Nobody will read what comes later.
    let _ = from.shutdown(Shutdown::Read);
}

fn write_pieces(mut to: TcpStream, from: &Receiver<Piece>) {
    while let Ok((due, piece)) = from.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            // The other way can't go on either.
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// A server that sends back what it gets, behind a proxy.
    fn echo_behind_proxy() -> (Proxy, Arc<Weather>, TcpStream) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = TcpListener::bind(any).unwrap();
        let target = server.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut copy = stream.try_clone().unwrap();
            std::io::copy(&mut stream, &mut copy).unwrap();
            let _ = copy.shutdown(Shutdown::Write);
        });
        let weather = Arc::new(Weather::new(1));
        let (forward, back) = (Arc::clone(&weather), Arc::new(Weather::new(2)));
        let route = Route { target, source: IpAddr::from(Ipv4Addr::LOCALHOST), forward, back };
        let port = crate::Port::take().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let proxy = Proxy::start(listen, move |_| Some(route.clone())).unwrap();
        let stream = TcpStream::connect(listen).unwrap();
        stream.set_nodelay(true).unwrap();
        (proxy, weather, stream)
    }

    fn answer_time(stream: &mut TcpStream) -> Duration {
        let start = Instant::now();
        stream.write_all(b"ping").unwrap();
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"ping");
        start.elapsed()
    }

    #[test]
    fn bytes_are_delayed() {
        let (_proxy, weather, mut stream) = echo_behind_proxy();
        answer_time(&mut stream);
        weather.set(Duration::from_millis(150), Duration::from_millis(100));
        for _ in 0..3 {
            assert!(answer_time(&mut stream) >= Duration::from_millis(150));
        }
        weather.calm();
        let fastest = (0..20).map(|_| answer_time(&mut stream)).min().unwrap();
        assert!(fastest < Duration::from_millis(100), "{fastest:?} without delay");
    }

    #[test]
    fn a_target_that_takes_nobody_for_a_while_is_tried_again() {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let route = Route {
            target: listener.local_addr().unwrap(),
            source: IpAddr::from(Ipv4Addr::LOCALHOST),
            forward: Arc::new(Weather::new(1)),
            back: Arc::new(Weather::new(2)),
        };
        let mut waiting = Vec::new();
        let refusal = loop {
            match attempt(&route) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(refusal, Errno::INPROGRESS);
        let connecting = std::thread::spawn(move || connect(&route).unwrap());
        for _ in 0..=waiting.len() {
            listener.accept().unwrap();
        }
        connecting.join().unwrap();
    }

    #[test]
    fn an_end_passes_through() {
        let (_proxy, _, mut stream) = echo_behind_proxy();
        stream.write_all(b"last").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        assert_eq!(reply, b"last");
    }

    #[test]
    fn connections_end_with_the_proxy() {
        let (proxy, _, mut stream) = echo_behind_proxy();
        answer_time(&mut stream);
        drop(proxy);
        let mut rest = Vec::new();
        assert!(matches!(stream.read_to_end(&mut rest), Ok(0) | Err(_)));
    }
}
