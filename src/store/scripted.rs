//! A server of S3's dialect that plays tricks, for the tests of everything between a request and the network.

use super::transport::traffic::Kind;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// It is not done, and this is the reply.
    Say(u16, Vec<(&'static str, String)>, &'static str),
    /// It is done, and this is the reply.
    DoAndSay(u16, &'static str),
    /// It is not done, and the connection is closed without a word.
    Reset,
    /// It is done, and the connection is closed without a word.
    LoseReply,
    /// It is done, and half the body of the reply comes.
    Cut,
    /// Neither done nor answered.
    Stall,
    /// It is done, and after half the body of the reply nothing more comes.
    StallBody,
    /// The body of the request is read at so many bytes per second.
    ReadSlowly(u64),
    /// What is stored differs in a bit.
    Spoil,
}

/// The server. It listens as long as it lives.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    counts: HashMap<&'static str, u64>,
    planned: HashMap<(&'static str, u64), Act>,
    always: HashMap<&'static str, Act>,
    requests: Vec<Request>,
    /// Keys on a page of a listing.
    page: usize,
    /// Pages come in the wrong order, and some keys twice.
    unsorted: bool,
    /// There is always another page.
    endless: Option<Endless>,
}

/// What is on the pages of a listing that never ends, under a new token each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Endless {
    /// No name.
    Nothing,
    /// The same names.
    Same,
    /// Other names, ascending, of no objects.
    Other,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let server = Self { address, state };
        let listening = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = listening.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `n`-th request of a kind, counted from 1 since the last [`Server::reset`].
    pub(super) fn at(&self, kind: Kind, n: u64, act: Act) {
        self.state().planned.insert((text(kind), n), act);
    }

    pub(super) fn always(&self, kind: Kind, act: Act) {
        self.state().always.insert(text(kind), act);
    }

    /// No tricks, counts from 0; objects stay.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        let objects = std::mem::take(&mut state.objects);
        *state = State { objects, page: 1000, ..State::default() };
    }

    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.state().counts.get(text(kind)).copied().unwrap_or(0)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub(super) fn set_pages(&self, page: usize, unsorted: bool) {
        let mut state = self.state();
        (state.page, state.unsorted) = (page, unsorted);
    }

    /// Puts objects there as if somebody else had.
    pub(super) fn put_objects(&self, objects: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.state().objects.extend(objects);
    }

    pub(super) fn set_endless(&self, endless: Endless) {
        self.state().endless = Some(endless);
    }

    pub(super) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().objects.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).expect("an open connection");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        while self.answer(&mut reader, &stream).unwrap_or(false) {}
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }

    /// Whether the connection can be used again.
    fn answer(&self, reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<bool> {
        let Some(mut request) = Request::read_head(reader)? else { return Ok(false) };
        let kind = text(request.kind());
        let act = {
            let mut state = self.state();
            let count = state.counts.entry(kind).or_default();
            *count += 1;
            let n = *count;
            state.requests.push(request.clone());
            state.planned.get(&(kind, n)).or(state.always.get(kind)).cloned()
        };
        let rate = if let Some(Act::ReadSlowly(rate)) = act { rate } else { u64::MAX };
        match act {
            Some(Act::Reset) => return Ok(false),
            Some(Act::Stall) => {
                // Until the client gives up.
                io::copy(reader, &mut io::sink())?;
                return Ok(false);
            }
            _ => request.read_body(reader, rate)?,
        }
        let is_head = request.method == "HEAD";
        let reply = match act {
            Some(Act::Say(status, ref headers, body)) => Reply { status, headers: headers.clone(), body: body.into() },
            Some(Act::DoAndSay(status, body)) => {
                self.state().done(&request);
                Reply { status, headers: Vec::new(), body: body.into() }
            }
            Some(Act::Spoil) => {
                let middle = request.body.len() / 2;
                request.body[middle] ^= 1;
                self.state().done(&request)
            }
            _ => self.state().done(&request),
        };
        let half = match act {
            Some(Act::LoseReply) => return Ok(false),
            Some(Act::Cut | Act::StallBody) => Some(reply.body.len() / 2),
            _ => None,
        };
        let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
        for (name, value) in &reply.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !reply.headers.iter().any(|(name, _)| *name == "content-length") && reply.status != 204 {
            let _ = write!(head, "content-length: {}\r\n", reply.body.len());
        }
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        match half {
            _ if is_head => {}
            Some(half) => {
                stream.write_all(&reply.body[..half])?;
                if matches!(act, Some(Act::StallBody)) {
                    io::copy(reader, &mut io::sink())?;
                }
                return Ok(false);
            }
            None => stream.write_all(&reply.body)?,
        }
        Ok(true)
    }
}

impl State {
    fn done(&mut self, request: &Request) -> Reply {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        // Path style: /bucket/key. Keys of vaults need no escapes.
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
        match request.method.as_str() {
            "GET" if key.is_empty() => self.list(query),
            "GET" | "HEAD" => self.get(&key, request),
            "PUT" if request.headers.contains_key("if-none-match") && self.objects.contains_key(&key) => {
                error(412, "PreconditionFailed")
            }
            "PUT" => {
                self.objects.insert(key, request.body.clone());
                Reply { status: 200, headers: vec![("etag", etag(&request.body))], body: Vec::new() }
            }
            "DELETE" => {
                self.objects.remove(&key);
                Reply { status: 204, headers: Vec::new(), body: Vec::new() }
            }
            "POST" => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                let mut body = String::from("<DeleteResult>");
                for part in text.split("<Key>").skip(1) {
                    let key = part.split("</Key>").next().unwrap_or_default();
                    self.objects.remove(key);
                    let _ = write!(body, "<Deleted><Key>{key}</Key></Deleted>");
                }
                xml(body + "</DeleteResult>")
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn get(&self, key: &str, request: &Request) -> Reply {
        let Some(object) = self.objects.get(key) else { return error(404, "NoSuchKey") };
        let mut headers = vec![("etag", etag(object)), ("last-modified", DATE.into())];
        if request.method == "HEAD" {
            headers.push(("content-length", object.len().to_string()));
            return Reply { status: 200, headers, body: Vec::new() };
        }
        let Some(range) = request.headers.get("range") else {
            return Reply { status: 200, headers, body: object.clone() };
        };
        let (start, end) = range.trim_start_matches("bytes=").split_once('-').expect("a range");
        let start: usize = start.parse().expect("a number");
        let end = end.parse::<usize>().expect("a number").min(object.len().saturating_sub(1));
        if start >= object.len() {
            return error(416, "InvalidRange");
        }
        headers.push(("content-range", format!("bytes {start}-{end}/{}", object.len())));
        Reply { status: 206, headers, body: object[start..=end].to_vec() }
    }

    fn list(&self, query: &str) -> Reply {
        let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (get("prefix"), get("delimiter"));
        let after = get("continuation-token").max(get("start-after")).to_owned();
        if let Some(endless) = self.endless {
            return self.endless_page(endless, prefix);
        }
        let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult>");
        let below = self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && **key > after);
        if !delimiter.is_empty() {
            let folders = below.filter_map(|(key, _)| {
                key[prefix.len()..].split_once('/').map(|(folder, _)| format!("{prefix}{folder}/"))
            });
            for folder in folders.collect::<std::collections::BTreeSet<_>>() {
                let _ = write!(body, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
            }
            return xml(body + "<IsTruncated>false</IsTruncated></ListBucketResult>");
        }
        let keys: Vec<_> = below.collect();
        let mut page: Vec<_> = keys.iter().take(self.page).collect();
        let next = (keys.len() > self.page).then(|| page.last().map(|(key, _)| key.to_string())).flatten();
        if self.unsorted {
            page.extend(page.first().cloned());
            page.reverse();
        }
        for (key, object) in page {
            let _ = write!(
                body,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size></Contents>",
                etag(object),
                object.len()
            );
        }
        if let Some(next) = next {
            let _ = write!(body, "<NextContinuationToken>{next}</NextContinuationToken>");
        }
        xml(body + "</ListBucketResult>")
    }
}

impl State {
    fn endless_page(&self, endless: Endless, prefix: &str) -> Reply {
        let page = self.counts.get("list").copied().unwrap_or(0);
        let keys: Vec<String> = match endless {
            Endless::Nothing => Vec::new(),
            Endless::Same => self.objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect(),
            Endless::Other => (0..1000).map(|n| format!("{prefix}{page:08}-{n:04}")).collect(),
        };
        let mut body = String::from("<ListBucketResult><IsTruncated>true</IsTruncated>");
        for key in keys {
            let _ = write!(
                body,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>"
            );
        }
        xml(format!("{body}<NextContinuationToken>t{page}</NextContinuationToken></ListBucketResult>"))
    }
}

impl Request {
    /// None: the connection was closed.
    fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut request = Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            ..Self::default()
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                None => return Ok(Some(request)),
                Some((name, value)) => request.headers.insert(name.to_ascii_lowercase(), value.trim().into()),
            };
        }
    }

    fn read_body(&mut self, reader: &mut impl Read, rate: u64) -> io::Result<()> {
        let len: usize = self.headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        self.body = vec![0; len];
        for piece in self.body.chunks_mut(4096) {
            reader.read_exact(piece)?;
            if rate < u64::MAX {
                thread::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64));
            }
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        let request = http::Request::builder().method(self.method.as_str()).uri(self.target.as_str());
        let request = request.body(object_store::client::HttpRequestBody::empty());
        Kind::of(&request.expect("a request"))
    }
}

fn text(kind: Kind) -> &'static str {
    match kind {
        Kind::List => "list",
        Kind::Get => "get",
        Kind::Put => "put",
        Kind::Head => "head",
        Kind::Delete => "delete",
        Kind::Other => "other",
    }
}

fn xml(body: String) -> Reply {
    Reply { status: 200, headers: vec![("content-type", "application/xml".into())], body: body.into() }
}

fn error(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message></Error>");
    Reply { status, headers: vec![("content-type", "application/xml".into())], body: body.into() }
}

/// As good as any: the library compares it only with itself.
fn etag(object: &[u8]) -> String {
    format!("\"{:08x}\"", crc_fast::crc32_iscsi(object))
}

const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
