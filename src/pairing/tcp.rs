//! Flights over TCP: frames, connections and the sponsor's listener (SPEC section 18.6).
//!
//! ```text
//! session id 16 | step u8 | len u32 | flight
//! ```

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vault_format::{limits, pairing::Step};

use super::via::{News, Source, Teller};
use crate::sync::lock;

/// Where a sponsor listens unless it is told otherwise: on all interfaces, at a port that the system chooses.
pub fn bind(at: Option<SocketAddr>) -> io::Result<TcpListener> {
    match at {
        Some(at) => TcpListener::bind(at),
        // One socket for both families, where the system has IPv6.
        None => {
            TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))
        }
    }
}

/// Where others reach a listener, what is most likely to work first.
pub fn addresses(listener: &TcpListener) -> io::Result<Vec<SocketAddr>> {
    let at = listener.local_addr()?;
    if !at.ip().is_unspecified() {
        return Ok(vec![at]);
    }
    let mut found: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up())
        .map(|interface| interface.ip())
        .filter(|ip| is_reachable(ip) && (ip.is_ipv4() || at.is_ipv6()))
        .collect();
    found.sort_by_key(|ip| (rank(ip), *ip));
    found.dedup();
    found.truncate(limits::TICKET_ADDRESSES);
    Ok(found.into_iter().map(|ip| SocketAddr::new(ip, at.port())).collect())
}

/// One end of a connection. Clones of the `Arc` are the same.
pub(super) struct Connection {
    stream: TcpStream,
    /// A frame of one of our sessions came.
    has_spoken: AtomicBool,
}

/// A flight with its place, as it travels.
struct Frame {
    session: [u8; 16],
    step: Step,
    flight: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Arc<Self>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(FIRST_FRAME))?;
        Ok(Arc::new(Self { stream, has_spoken: AtomicBool::new(false) }))
    }

    /// Connects, and gives up early: there are other ways.
    pub(super) fn open(to: &SocketAddr) -> io::Result<Arc<Self>> {
        Self::new(TcpStream::connect_timeout(to, CONNECT)?)
    }

    /// Sends a flight.
    pub(super) fn send(&self, session: &[u8; 16], step: Step, flight: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(HEAD + flight.len());
        frame.extend_from_slice(session);
        frame.push(step.number());
        frame.extend_from_slice(&(flight.len() as u32).to_le_bytes());
        frame.extend_from_slice(flight);
        (&self.stream).write_all(&frame)
    }

    /// Tells all flights of these sessions until the connection ends. The first one must come in time, if there is one.
    pub(super) fn tell_all(self: &Arc<Self>, sessions: &[[u8; 16]], first: Option<Duration>, teller: &Teller) {
        let mut until = first.map(|first| Instant::now() + first);
        while let Ok(Frame { session, step, flight }) = self.read(until) {
            self.has_spoken.store(sessions.contains(&session), Relaxed);
            let from = Source::Tcp { connection: Arc::clone(self), session };
            if !sessions.contains(&session) || teller.send(News::Flight { from, step, flight }).is_err() {
                break;
            }
            until = None;
        }
        self.hang_up();
        let _ = teller.send(News::Gone(Arc::clone(self)));
    }

    /// Nothing more is sent or read. What was sent arrives.
    pub(super) fn hang_up(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn read(&self, until: Option<Instant>) -> io::Result<Frame> {
        let mut head = [0; HEAD];
        self.fill(&mut head, until)?;
        let (session, rest) = head.split_first_chunk::<16>().expect("a head has 21 bytes");
        let len = u32::from_le_bytes(*rest[1..].first_chunk().expect("4 are left")) as usize;
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let step = Step::from_number(rest[0]).ok_or_else(wrong)?;
        if len > limits::FLIGHT {
            return Err(wrong());
        }
        let mut flight = vec![0; len];
        self.fill(&mut flight, until)?;
        Ok(Frame { session: *session, step, flight })
    }

    /// The deadline is that of all of it: who sends a byte now and then gains nothing.
    fn fill(&self, mut into: &mut [u8], until: Option<Instant>) -> io::Result<()> {
        while !into.is_empty() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(left)?;
            match (&self.stream).read(into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => into = &mut into[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes connections, each a candidate, until it is dropped.
pub(super) struct Listener {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    sessions: Vec<[u8; 16]>,
    teller: Teller,
    ended: AtomicBool,
    open: Mutex<Vec<Arc<Connection>>>,
}

impl Listener {
    pub(super) fn start(socket: TcpListener, sessions: Vec<[u8; 16]>, teller: Teller) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let shared = Arc::new(Shared { sessions, teller, ended: AtomicBool::new(false), open: Mutex::default() });
        let accept = {
            let shared = Arc::clone(&shared);
            move || shared.accept(&socket)
        };
        let thread = thread::Builder::new().name("pair listener".into()).spawn(accept)?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        for connection in lock(&self.shared.open).drain(..) {
            connection.hang_up();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // One that was taken in the meantime.
        for connection in lock(&self.shared.open).drain(..) {
            connection.hang_up();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, socket: &TcpListener) {
        while !self.ended.load(Relaxed) {
            match socket.accept() {
                Ok((stream, _)) if self.has_room() => self.serve(stream),
                Ok((stream, _)) => drop(stream),
                Err(_) => {
                    // Nobody is there, or nothing is left to take somebody with.
                    let mut sockets = [PollFd::new(socket, PollFlags::IN)];
                    let _ = poll(&mut sockets, Some(&Timespec { tv_sec: 0, tv_nsec: LOOK }));
                }
            }
        }
    }

    /// Makes room if it must: who has said nothing for longest leaves.
    fn has_room(&self) -> bool {
        let mut open = lock(&self.open);
        if open.len() >= OPEN
            && let Some(silent) = open.iter().position(|connection| !connection.has_spoken.load(Relaxed))
        {
            open.remove(silent).hang_up();
        }
        open.len() < OPEN
    }

    fn serve(self: &Arc<Self>, stream: TcpStream) {
        let Ok(connection) = Connection::new(stream) else { return };
        lock(&self.open).push(Arc::clone(&connection));
        let (shared, served) = (Arc::clone(self), Arc::clone(&connection));
        let serve = move || {
            served.tell_all(&shared.sessions, Some(FIRST_FRAME), &shared.teller);
            shared.forget(&served);
        };
        if thread::Builder::new().name("pair connection".into()).spawn(serve).is_err() {
            self.forget(&connection);
        }
    }

    fn forget(&self, connection: &Arc<Connection>) {
        lock(&self.open).retain(|open| !Arc::ptr_eq(open, connection));
    }
}

/// Not an address that means something else on another machine.
fn is_reachable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        // Link-local ones need the name of an interface, which differs between the two.
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// Addresses of local networks first.
fn rank(ip: &IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_private() => 0,
        IpAddr::V6(ip) if ip.is_unique_local() => 1,
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 3,
    }
}

/// Before the bytes of a flight.
const HEAD: usize = 16 + 1 + 4;
/// Connections at the same time.
const OPEN: usize = 16;
/// How long somebody who has connected may take to say something.
const FIRST_FRAME: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Nanoseconds between two looks at whether it is over.
const LOOK: i64 = 50_000_000;
