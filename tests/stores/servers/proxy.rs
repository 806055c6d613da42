//! A proxy that misbehaves on demand, between a client and a server that speak HTTP/1.1.
//!
//! What it forwards it forwards byte for byte, the `Host` line included, so that signatures of requests stay valid. One
//! thread a connection, plain blocking I/O; what a client closes, its threads notice. `examples/fault_proxy.rs` runs it
//! by hand.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What happens to a request, or to its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It goes through, this much later.
    Latency(Duration),
    /// The proxy answers; the server never sees the request.
    Reply(Reply),
    /// The server does what was asked, and the proxy answers in its place.
    ReplyAfter(Reply),
    /// The connection is reset once the head of the request is read; the server never sees it.
    ResetBefore,
    /// The server gets half of the request, or of its head where there is no body; both connections are reset.
    ResetWithin,
    /// The server gets the whole request; both connections are reset without waiting for what it does with it.
    ResetAfter,
    /// The server does what was asked; the connection is reset instead of the reply.
    LoseReply,
    /// Half of the reply's body comes, then the connection ends.
    TruncateReply,
    /// One bit in the middle of the reply's body is flipped.
    FlipReply,
    /// One bit in the middle of the request's body is flipped before the server sees it.
    FlipRequest,
    /// The head of the request is read, and nothing happens until the client goes away.
    StallBefore,
    /// The server does what was asked; half of the reply's body comes, and nothing more.
    StallWithin,
}

/// An answer that is not the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whole lines without their ends, such as `Retry-After: 1`; the length of the body is added.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Reply {
    /// An answer of a status line alone.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// The same with a header line.
    pub(crate) fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// The same with a body.
    pub(crate) fn body(mut self, kind: &str, body: impl Into<String>) -> Self {
        self.body = body.into();
        self.header(format!("Content-Type: {kind}"))
    }

    /// An error as S3 words it.
    pub(crate) fn s3(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>by the fault proxy</Message></Error>"
        );
        Self::status(status).body("application/xml", body)
    }

    fn bytes(&self, of: &Head) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} By the fault proxy\r\n", self.status);
        for line in &self.headers {
            text += &format!("{line}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        if of.method != "HEAD" {
            text += &self.body;
        }
        text.into_bytes()
    }
}

/// Which of the requests that a rule is about it takes, counted from 1 since the rules were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// This one.
    Nth(u64),
    /// This one and all after it.
    From(u64),
    /// Every n-th.
    Every(u64),
    /// The first n.
    First(u64),
}

impl When {
    fn takes(self, n: u64) -> bool {
        match self {
            Self::Nth(at) => n == at,
            Self::From(at) => n >= at,
            Self::Every(step) => n.is_multiple_of(step.max(1)),
            Self::First(count) => n <= count,
        }
    }
}

/// A fault, and what it happens to.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    fault: Fault,
    when: When,
    method: Option<String>,
    path: Option<String>,
    except: Vec<String>,
    matched: u64,
}

impl Rule {
    /// `fault` for the `n`-th request.
    pub(crate) fn nth(n: u64, fault: Fault) -> Self {
        Self::when(When::Nth(n), fault)
    }

    /// `fault` for these requests.
    pub(crate) fn when(when: When, fault: Fault) -> Self {
        Self { fault, when, method: None, path: None, except: Vec::new(), matched: 0 }
    }

    /// Only requests with this method are counted.
    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests with this in their target (path and query) are counted.
    pub(crate) fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Requests with this in their target are not counted.
    pub(crate) fn except(mut self, part: &str) -> Self {
        self.except.push(part.to_owned());
        self
    }
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// What became of it, `None` if nothing special.
    pub(crate) fault: Option<Fault>,
}

/// A proxy on loopback, until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// One that takes what `to` serves, on a free port.
    pub(crate) fn to(to: SocketAddr) -> Self {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), to).expect("a port on loopback")
    }

    /// The same on a port of one's choice.
    pub(crate) fn listen(at: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { to, ..Shared::new() });
        let accepting = shared.clone();
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this from now on, and counts requests from 1 again. The first rule that takes a request wins.
    pub(crate) fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        let mut state = self.shared.state();
        state.rules = rules.into_iter().collect();
        state.seen.clear();
        self.shared.up.moved.store(0, Relaxed);
        self.shared.down.moved.store(0, Relaxed);
    }

    /// Bytes that went to the server, and to the client, since the rules were set: heads and bodies.
    pub(crate) fn moved(&self) -> (u64, u64) {
        (self.shared.up.moved.load(Relaxed), self.shared.down.moved.load(Relaxed))
    }

    /// What came since the rules were set.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// How many came since the rules were set.
    pub(crate) fn count(&self) -> u64 {
        self.shared.state().seen.len() as u64
    }

    /// Every request is forwarded this much later.
    pub(crate) fn latency(&self, latency: Duration) {
        self.shared.state().latency = latency;
    }

    /// Bytes a second, all connections together; `None`: as fast as it goes.
    pub(crate) fn throttle(&self, up: Option<u64>, down: Option<u64>) {
        self.shared.up.set(up);
        self.shared.down.set(down);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        // The thread that accepts sees it at the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    up: Pace,
    down: Pace,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    latency: Duration,
    seen: Vec<Seen>,
}

impl Shared {
    fn new() -> Self {
        Self {
            to: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: Mutex::default(),
            up: Pace::default(),
            down: Pace::default(),
            stopped: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and says what happens to it and how late.
    fn next(&self, head: &Head) -> (Option<Fault>, Duration) {
        let mut state = self.state();
        let mut fault = None;
        for rule in &mut state.rules {
            let is_about = rule.method.as_ref().is_none_or(|method| *method == head.method)
                && rule.path.as_ref().is_none_or(|part| head.target.contains(part))
                && !rule.except.iter().any(|part| head.target.contains(part));
            if is_about {
                rule.matched += 1;
                if fault.is_none() && rule.when.takes(rule.matched) {
                    fault = Some(rule.fault.clone());
                }
            }
        }
        let seen = Seen { method: head.method.clone(), target: head.target.clone(), fault: fault.clone() };
        state.seen.push(seen);
        (fault, state.latency)
    }
}

/// Bytes a second, shared by all connections.
#[derive(Default)]
struct Pace {
    rate: Mutex<(Option<u64>, Option<Instant>)>,
    moved: AtomicU64,
}

impl Pace {
    fn set(&self, rate: Option<u64>) {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = (rate, None);
    }

    /// Waits until this many bytes may go.
    fn wait(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Relaxed);
        let until = {
            let mut state = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(rate) = state.0 else { return };
            let now = Instant::now();
            // A link has a queue, so that a sender who comes a little late leaves it no gap.
            let free = state.1.map_or(now, |free| free.max(now.checked_sub(QUEUE).unwrap_or(now)));
            let until = free + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
            state.1 = Some(until);
            until
        };
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopped.load(Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = shared.clone();
        // A connection that breaks is what this is for.
        thread::spawn(move || drop(serve(Wire::new(client), &shared)));
    }
}

/// The requests of one connection, one after the other.
fn serve(mut client: Wire, shared: &Shared) -> io::Result<()> {
    let mut kept: Option<(Wire, Instant)> = None;
    while let Some(head) = Head::read(&mut client)? {
        let (fault, latency) = shared.next(&head);
        let latency = latency + if let Some(Fault::Latency(more)) = fault { more } else { Duration::ZERO };
        if !latency.is_zero() {
            thread::sleep(latency);
        }
        match &fault {
            Some(Fault::Reply(reply)) => {
                head.request_body().read(&mut client)?;
                client.write(&reply.bytes(&head), &shared.down)?;
                continue;
            }
            Some(Fault::ResetBefore) => return client.reset(),
            Some(Fault::StallBefore) => return client.stall(),
            _ => {}
        }
        // Servers close what is idle: a new connection is taken in time, so that no fault is the proxy's own.
        let server = kept.take().filter(|(_, used)| used.elapsed() < KEPT).map(|(server, _)| server);
        let mut server = match server {
            Some(server) => server,
            None => Wire::new(TcpStream::connect(shared.to)?),
        };
        if fault == Some(Fault::ResetWithin) {
            let body = head.request_body().read(&mut client)?;
            let bytes = [&head.bytes[..], &body.bytes[..]].concat();
            let from = if body.bytes.is_empty() { 0 } else { head.bytes.len() };
            server.write(&bytes[..from + (bytes.len() - from) / 2], &shared.up)?;
            server.reset()?;
            return client.reset();
        }
        server.write(&head.bytes, &shared.up)?;
        if fault == Some(Fault::FlipRequest) {
            let mut body = head.request_body().read(&mut client)?;
            body.flip();
            server.write(&body.bytes, &shared.up)?;
        } else {
            head.request_body().copy(&mut client, &mut server, &shared.up)?;
        }
        if fault == Some(Fault::ResetAfter) {
            server.reset()?;
            return client.reset();
        }
        let Some(reply) = Head::read(&mut server)? else { return client.reset() };
        let body = reply.reply_body(&head.method);
        match fault {
            Some(Fault::LoseReply) => {
                body.read(&mut server)?;
                return client.reset();
            }
            Some(Fault::ReplyAfter(other)) => {
                body.read(&mut server)?;
                client.write(&other.bytes(&head), &shared.down)?;
            }
            Some(Fault::TruncateReply | Fault::StallWithin) => {
                let whole = body.read(&mut server)?;
                // Where there is no body, half of the head.
                let bytes = [&reply.bytes[..], &whole.bytes[..]].concat();
                let from = if whole.bytes.is_empty() { 0 } else { reply.bytes.len() };
                client.write(&bytes[..from + (bytes.len() - from) / 2], &shared.down)?;
                if fault == Some(Fault::StallWithin) {
                    return client.stall();
                }
                return client.stream.shutdown(Shutdown::Both);
            }
            Some(Fault::FlipReply) => {
                let mut whole = body.read(&mut server)?;
                whole.flip();
                client.write(&reply.bytes, &shared.down)?;
                client.write(&whole.bytes, &shared.down)?;
            }
            _ => {
                client.write(&reply.bytes, &shared.down)?;
                body.copy(&mut server, &mut client, &shared.down)?;
            }
        }
        if body == Framing::ToEnd || reply.closes() || head.closes() {
            return client.stream.shutdown(Shutdown::Both);
        }
        kept = Some((server, Instant::now()));
    }
    Ok(())
}

/// A connection, and what was read ahead from it.
struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        // Small heads are not held back for more to come.
        let _ = stream.set_nodelay(true);
        Self { stream, ahead: Vec::new() }
    }

    /// Reads what there is. `false`: nothing more comes.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; PIECE];
        loop {
            match self.stream.read(&mut piece) {
                Ok(len) => {
                    self.ahead.extend_from_slice(&piece[..len]);
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What was read and not taken, at most `most`; empty at the end.
    fn take(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        let rest = self.ahead.split_off(most.min(self.ahead.len()));
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    /// All up to this mark and the mark itself, `None` if the end comes before anything.
    fn until(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.ahead[looked..].windows(mark.len()).position(|window| window == mark) {
                let rest = self.ahead.split_off(looked + at + mark.len());
                return Ok(Some(std::mem::replace(&mut self.ahead, rest)));
            }
            looked = self.ahead.len().saturating_sub(mark.len());
            if self.ahead.len() > MOST_HEAD {
                return Err(ErrorKind::InvalidData.into());
            }
            if !self.fill()? {
                return if self.ahead.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn write(&mut self, bytes: &[u8], pace: &Pace) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            pace.wait(piece.len());
            self.stream.write_all(piece)?;
        }
        Ok(())
    }

    /// Makes the end of the connection, when this is dropped, a reset: what is on its way is lost.
    fn reset(&mut self) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?)
    }

    /// Says nothing and takes nothing in until the other side is gone.
    fn stall(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(LOOK))?;
        let end = Instant::now() + STALLED;
        while Instant::now() < end {
            match self.stream.peek(&mut [0]) {
                Ok(0) => break,
                // What was sent before is not taken, and hides whether more comes.
                Ok(_) => thread::sleep(LOOK),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The first line and the headers of a request or a reply.
struct Head {
    bytes: Vec<u8>,
    method: String,
    target: String,
    lines: Vec<String>,
}

impl Head {
    /// `None`: the connection ended in order.
    fn read(from: &mut Wire) -> io::Result<Option<Self>> {
        let Some(bytes) = from.until(b"\r\n\r\n")? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let head = Self { bytes, method, target, lines: lines.collect() };
        // An interim reply comes before the one that counts.
        if head.target == "100" && head.method.starts_with("HTTP/") { Self::read(from) } else { Ok(Some(head)) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&String| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        self.lines.iter().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn request_body(&self) -> Framing {
        match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap_or(0)),
            (None, None) => Framing::Length(0),
        }
    }

    /// The same for a reply, where `target` is the status.
    fn reply_body(&self, method: &str) -> Framing {
        match (self.header("transfer-encoding"), self.header("content-length")) {
            _ if method == "HEAD" || self.target == "204" || self.target == "304" => Framing::Length(0),
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap_or(0)),
            (None, None) => Framing::ToEnd,
        }
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    ToEnd,
}

/// A whole body as it is on the wire.
struct Body {
    bytes: Vec<u8>,
    /// An offset in the middle of the content, outside of what frames it.
    middle: usize,
}

impl Body {
    fn flip(&mut self) {
        if let Some(byte) = self.bytes.get_mut(self.middle) {
            *byte ^= 1;
        }
    }
}

impl Framing {
    /// The whole body.
    fn read(self, from: &mut Wire) -> io::Result<Body> {
        let (mut bytes, mut middle, mut longest) = (Vec::new(), 0, 0);
        self.pieces(from, &mut |piece, is_content| {
            if is_content && piece.len() > longest {
                longest = piece.len();
                middle = bytes.len() + piece.len() / 2;
            }
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        if self != Self::Chunked {
            middle = bytes.len() / 2;
        }
        Ok(Body { bytes, middle })
    }

    /// The whole body, as it comes.
    fn copy(self, from: &mut Wire, to: &mut Wire, pace: &Pace) -> io::Result<()> {
        self.pieces(from, &mut |piece, _| to.write(piece, pace))
    }

    /// The body piece by piece, and whether a piece is content or frames it.
    fn pieces(self, from: &mut Wire, each: &mut dyn FnMut(&[u8], bool) -> io::Result<()>) -> io::Result<()> {
        let content = |from: &mut Wire, mut left: u64, each: &mut dyn FnMut(&[u8], bool) -> io::Result<()>| {
            while left > 0 {
                let piece = from.take(usize::try_from(left).unwrap_or(PIECE).min(PIECE))?;
                if piece.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                left -= piece.len() as u64;
                each(&piece, true)?;
            }
            Ok(())
        };
        match self {
            Self::Length(length) => content(from, length, each),
            Self::ToEnd => loop {
                let piece = from.take(PIECE)?;
                if piece.is_empty() {
                    return Ok(());
                }
                each(&piece, true)?;
            },
            Self::Chunked => loop {
                let line = from.until(b"\r\n")?.ok_or(ErrorKind::UnexpectedEof)?;
                let text = String::from_utf8_lossy(&line);
                let size = text.trim().split(';').next().unwrap_or_default();
                let size = u64::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
                each(&line, false)?;
                content(from, size, each)?;
                // The end of a chunk; after the last one the trailers and an empty line.
                loop {
                    let line = from.until(b"\r\n")?.ok_or(ErrorKind::UnexpectedEof)?;
                    each(&line, false)?;
                    if line == b"\r\n" {
                        break;
                    }
                }
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }
}

const PIECE: usize = 16 << 10;
/// What a link has waiting to be sent.
const QUEUE: Duration = Duration::from_millis(25);
const MOST_HEAD: usize = 1 << 20;
/// Azurite closes what is idle for 5 s, and says so to nobody.
const KEPT: Duration = Duration::from_secs(2);
/// No client of a test waits longer than this.
const STALLED: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);
