//! A small server of the XML interface of Google Cloud Storage, of the tests' own: no emulator that can be installed
//! speaks it.
//!
//! It does what the client library asks for: put, get with ranges and conditions, copy, list with pages, multipart
//! uploads, delete, `x-goog-if-generation-match` under a lock, checksums of uploads, bearer tokens, URLs and tokens that a
//! service account has signed, and the metadata service that gives tokens out. It proves that the path through the code works, and nothing about how Google behaves.

use super::account::account;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The server of this process, started by the first who asks. Its pages are short, so that there are many.
pub(crate) fn gcs() -> &'static Gcs {
    static SERVER: OnceLock<Gcs> = OnceLock::new();
    SERVER.get_or_init(|| Gcs::start(7))
}

/// A running server.
pub(crate) struct Gcs {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Gcs {
    /// Starts one, whose lists have at most so many names a page.
    pub(crate) fn start(page: usize) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("it has one");
        listener.set_nonblocking(true).expect("async");
        let state = Arc::new(Mutex::new(State { page, ..State::default() }));
        let serving = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, &serving));
        });
        Self { address, state }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new bucket; its name starts with `name`.
    pub(crate) fn bucket(&self, name: &str) -> String {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("{name}-{}", BUCKETS.fetch_add(1, Relaxed));
        lock(&self.state).buckets.insert(bucket.clone(), BTreeMap::new());
        bucket
    }

    /// The same, and what is overwritten in it can still be read by its generation.
    pub(crate) fn versioned(&self, name: &str) -> String {
        let bucket = self.bucket(name);
        lock(&self.state).versioned.insert(bucket.clone(), BTreeMap::new());
        bucket
    }

    /// Puts an object into a bucket, past all that is tested.
    pub(crate) fn put(&self, bucket: &str, name: &str, content: &[u8]) {
        let mut state = lock(&self.state);
        let object = state.object(Bytes::copy_from_slice(content), Vec::new());
        state.buckets.get_mut(bucket).expect("a bucket").insert(name.to_owned(), object);
    }

    /// An object's bytes, past all that is tested.
    pub(crate) fn get(&self, bucket: &str, name: &str) -> Vec<u8> {
        let state = lock(&self.state);
        state.buckets.get(bucket).and_then(|objects| objects.get(name)).expect("an object").content.to_vec()
    }

    /// Takes an object out of a bucket, past all that is tested.
    pub(crate) fn remove(&self, bucket: &str, name: &str) {
        lock(&self.state).buckets.get_mut(bucket).and_then(|objects| objects.remove(name)).expect("an object");
    }

    /// The names of all objects in a bucket.
    pub(crate) fn list(&self, bucket: &str) -> Vec<String> {
        lock(&self.state).buckets.get(bucket).expect("a bucket").keys().cloned().collect()
    }
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: BTreeMap<String, BTreeMap<u32, Object>>,
    /// Buckets that keep what is overwritten, and all generations that were ever in them.
    versioned: BTreeMap<String, BTreeMap<(String, u64), Object>>,
    generation: u64,
    page: usize,
}

#[derive(Clone)]
struct Object {
    content: Bytes,
    generation: u64,
    modified: Timestamp,
    /// What the client wants back with it.
    attributes: Vec<(String, String)>,
}

impl State {
    fn object(&mut self, content: Bytes, attributes: Vec<(String, String)>) -> Object {
        self.generation += 1;
        // Of times of HTTP the second is the smallest part.
        let modified = Timestamp::from_second(Timestamp::now().as_second()).expect("now");
        Object { content, generation: self.generation, modified, attributes }
    }
}

impl Object {
    fn tag(&self) -> String {
        format!("\"{:x}\"", self.generation)
    }

    fn modified(&self) -> String {
        self.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

async fn serve(listener: std::net::TcpListener, state: &Arc<Mutex<State>>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let state = state.clone();
        let service = hyper::service::service_fn(move |request| {
            let state = state.clone();
            async move { answer(request, &state).await }
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(async move {
            // A client that goes away in the middle is its own business.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

/// A request, taken apart.
struct Asked {
    method: Method,
    bucket: String,
    name: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    // Half a request changes nothing.
    let Ok(body) = body.collect().await else { return Ok(error(StatusCode::BAD_REQUEST, "IncompleteBody")) };
    let signed = account().judges(&parts.method, &parts.uri);
    let path = parts.uri.path().trim_start_matches('/');
    if path == TOKEN_PATH {
        return Ok(token(&parts.headers));
    }
    let (bucket, name) = path.split_once('/').unwrap_or((path, ""));
    let query = parts.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (bucket, name) = (decoded(bucket), decoded(name));
    let asked = Asked { method: parts.method, bucket, name, query, headers: parts.headers, body: body.to_bytes() };
    let bearer = asked.header("authorization").unwrap_or_default();
    let is_own = bearer.strip_prefix("Bearer ").is_some_and(|token| account().is_token(token));
    if let Some(Err(code)) = signed {
        let status = if code == "ExpiredToken" { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        return Ok(error(status, code));
    }
    if signed.is_none() && !is_own && bearer != format!("Bearer {TOKEN}") {
        let is_expired = bearer == format!("Bearer {EXPIRED}");
        return Ok(error(StatusCode::UNAUTHORIZED, if is_expired { "TokenExpired" } else { "AuthenticationRequired" }));
    }
    // All of it under one lock: a generation that was compared is still the one when the object is written.
    let mut state = lock(state);
    if !state.buckets.contains_key(&asked.bucket) {
        return Ok(error(StatusCode::NOT_FOUND, "NoSuchBucket"));
    }
    Ok(asked.answer(&mut state))
}

impl Asked {
    fn answer(self, state: &mut State) -> Answer {
        let has = |name: &str| self.query.contains_key(name);
        match self.method.as_str() {
            "GET" if self.name.is_empty() => self.list(state),
            "GET" | "HEAD" => self.get(state),
            "PUT" if has("uploadId") => self.put_part(state),
            "PUT" => self.put(state),
            "POST" if has("uploads") => self.begin(state),
            "POST" if has("uploadId") => self.complete(state),
            "DELETE" if has("uploadId") => {
                state.uploads.remove(&self.query["uploadId"]);
                empty(StatusCode::NO_CONTENT)
            }
            "DELETE" => match self.objects(state).remove(&self.name) {
                Some(_) => empty(StatusCode::NO_CONTENT),
                None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn objects<'s>(&self, state: &'s mut State) -> &'s mut BTreeMap<String, Object> {
        state.buckets.get_mut(&self.bucket).expect("it was looked for before")
    }

    /// The refusal of a write whose generation is not the one there.
    fn refused(&self, state: &mut State) -> Option<Answer> {
        let wanted: u64 = self.header("x-goog-if-generation-match")?.parse().unwrap_or(u64::MAX);
        let there = self.objects(state).get(&self.name).map_or(0, |object| object.generation);
        (wanted != there).then(|| error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"))
    }

    /// The refusal of a body that is not what its sender says.
    fn damaged(&self) -> Option<Answer> {
        let sums = self.header("x-goog-hash")?;
        let told = sums.split(',').find_map(|sum| sum.trim().strip_prefix("crc32c="))?;
        (told != base64(&crc32c(&self.body).to_be_bytes())).then(|| error(StatusCode::BAD_REQUEST, "BadDigest"))
    }

    fn put(self, state: &mut State) -> Answer {
        if let Some(no) = self.damaged().or_else(|| self.refused(state)) {
            return no;
        }
        let mut object = state.object(self.body.clone(), self.attributes());
        if let Some(source) = self.header("x-goog-copy-source") {
            let (bucket, name) = source.trim_start_matches('/').split_once('/').unwrap_or_default();
            let Some(copied) = state.buckets.get(&decoded(bucket)).and_then(|objects| objects.get(&decoded(name)))
            else {
                return error(StatusCode::NOT_FOUND, "NoSuchKey");
            };
            object = Object { content: copied.content.clone(), attributes: copied.attributes.clone(), ..object };
        }
        let answer = stored(&object, String::new());
        self.store(state, object);
        answer
    }

    fn store(&self, state: &mut State, object: Object) {
        if let Some(all) = state.versioned.get_mut(&self.bucket) {
            all.insert((self.name.clone(), object.generation), object.clone());
        }
        self.objects(state).insert(self.name.clone(), object);
    }

    fn attributes(&self) -> Vec<(String, String)> {
        let kept = |name: &str| KEPT.contains(&name) || name.starts_with("x-goog-meta-");
        let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())).filter(|(name, _)| kept(name))
        };
        self.headers.iter().filter_map(text).collect()
    }

    fn get(self, state: &mut State) -> Answer {
        let wanted = self.query.get("generation").map(|generation| generation.parse().unwrap_or(0));
        let old = state.versioned.get(&self.bucket).zip(wanted);
        let old = old.and_then(|(all, wanted)| all.get(&(self.name.clone(), wanted))).cloned();
        let now =
            self.objects(state).get(&self.name).filter(|now| wanted.is_none_or(|wanted| wanted == now.generation));
        let Some(object) = now.or(old.as_ref()) else { return error(StatusCode::NOT_FOUND, "NoSuchKey") };
        let is_tag = |list: &str| list.split(',').any(|tag| tag.trim() == "*" || tag.trim() == object.tag());
        let since = |name| self.header(name).and_then(date);
        let fails = self.header("if-match").is_some_and(|list| !is_tag(list))
            || since("if-unmodified-since")
                .is_some_and(|at| object.modified > at && !self.headers.contains_key("if-match"));
        let is_same = self.header("if-none-match").is_some_and(is_tag)
            || since("if-modified-since")
                .is_some_and(|at| object.modified <= at && !self.headers.contains_key("if-none-match"));
        let length = object.content.len() as u64;
        let range = match self.header("range").map(|text| range(text, length)) {
            _ if fails => return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            _ if is_same => return empty(StatusCode::NOT_MODIFIED),
            Some(None) => return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
            Some(Some(range)) => Some(range),
            None => None,
        };
        let mut response = Response::builder()
            .header("etag", object.tag())
            .header("last-modified", object.modified())
            .header("x-goog-generation", object.generation);
        for (name, value) in &object.attributes {
            response = response.header(name, value);
        }
        if let Some(Range { start, end }) = range {
            response = response.status(206).header("content-range", format!("bytes {start}-{}/{length}", end - 1));
        }
        let content = object.content.slice(range.map_or(0..length as usize, |r| r.start as usize..r.end as usize));
        if self.method == Method::HEAD {
            return response.header("content-length", length).body(Full::default()).expect("a reply");
        }
        response.body(Full::new(content)).expect("a reply")
    }

    /// One page, in order, of what is below a prefix and after an offset; what is below a delimiter is one entry.
    fn list(self, state: &mut State) -> Answer {
        let get = |name: &str| self.query.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let (prefix, delimiter) = (get("prefix").unwrap_or_default(), get("delimiter"));
        let after = get("continuation-token").max(get("start-after")).unwrap_or_default().to_owned();
        let most = get("max-keys").and_then(|most| most.parse().ok()).unwrap_or(usize::MAX).min(state.page);
        let (mut objects, mut folders, mut last, mut more) = (String::new(), BTreeSet::new(), String::new(), false);
        let mut count = 0;
        for (name, object) in self.objects(state).iter().filter(|(name, _)| name.starts_with(prefix)) {
            let folder = delimiter.and_then(|d| name[prefix.len()..].find(d).map(|at| prefix.len() + at + d.len()));
            let entry = &name[..folder.unwrap_or(name.len())];
            if *name <= after || entry <= after.as_str() || folders.contains(entry) {
                continue;
            }
            if count == most {
                more = true;
                break;
            }
            count += 1;
            last = entry.to_owned();
            if folder.is_some() {
                folders.insert(entry.to_owned());
                continue;
            }
            let (key, tag, size) = (escaped(name), escaped(&object.tag()), object.content.len());
            write!(
                objects,
                "<Contents><Key>{key}</Key><Generation>{}</Generation><LastModified>{}</LastModified>\
                 <ETag>{tag}</ETag><Size>{size}</Size></Contents>",
                object.generation,
                object.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
            .expect("a string grows");
        }
        for folder in folders {
            write!(objects, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&folder))
                .expect("it grows");
        }
        if more {
            write!(objects, "<NextContinuationToken>{}</NextContinuationToken>", escaped(&last)).expect("it grows");
        }
        let name = escaped(&self.bucket);
        let text = format!(
            "<ListBucketResult><Name>{name}</Name><IsTruncated>{more}</IsTruncated>{objects}</ListBucketResult>"
        );
        xml(StatusCode::OK, &text)
    }

    fn begin(self, state: &mut State) -> Answer {
        state.generation += 1;
        let id = format!("upload-{}", state.generation);
        let first = state.object(Bytes::new(), self.attributes());
        state.uploads.insert(id.clone(), BTreeMap::from([(0, first)]));
        let name = escaped(&self.name);
        let text = format!(
            "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{name}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
            self.bucket
        );
        xml(StatusCode::OK, &text)
    }

    fn put_part(self, state: &mut State) -> Answer {
        if let Some(no) = self.damaged() {
            return no;
        }
        let part = state.object(self.body.clone(), Vec::new());
        let number = self.query.get("partNumber").and_then(|number| number.parse().ok()).filter(|number| *number > 0);
        match (state.uploads.get_mut(&self.query["uploadId"]), number) {
            (Some(parts), Some(number)) => {
                let answer = stored(&part, String::new());
                parts.insert(number, part);
                answer
            }
            (None, _) => error(StatusCode::NOT_FOUND, "NoSuchUpload"),
            _ => error(StatusCode::BAD_REQUEST, "InvalidArgument"),
        }
    }

    fn complete(self, state: &mut State) -> Answer {
        let id = &self.query["uploadId"];
        let Some(parts) = state.uploads.get(id) else { return error(StatusCode::NOT_FOUND, "NoSuchUpload") };
        let text = String::from_utf8_lossy(&self.body).replace("&quot;", "\"");
        let mut content = Vec::new();
        for part in text.split("<Part>").skip(1) {
            let inner = |name: &str| part.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once('<'));
            let number = inner("PartNumber").and_then(|(number, _)| number.parse().ok());
            let found = number.and_then(|number: u32| parts.get(&number));
            match (found, inner("ETag")) {
                (Some(found), Some((tag, _))) if tag == found.tag() => content.extend_from_slice(&found.content),
                _ => return error(StatusCode::BAD_REQUEST, "InvalidPart"),
            }
        }
        let attributes = parts.get(&0).map(|first| first.attributes.clone()).unwrap_or_default();
        if let Some(no) = self.refused(state) {
            return no;
        }
        state.uploads.remove(id);
        let object = state.object(content.into(), attributes);
        let tag = escaped(&object.tag());
        let (name, bucket) = (escaped(&self.name), escaped(&self.bucket));
        let text = format!(
            "<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{name}</Key><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        );
        let answer = stored(&object, text);
        self.store(state, object);
        answer
    }
}

/// What a machine at Google is told who asks for its account's token.
fn token(headers: &HeaderMap) -> Answer {
    if headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return empty(StatusCode::FORBIDDEN);
    }
    let text = format!(r#"{{"access_token":"{TOKEN}","expires_in":3600,"token_type":"Bearer"}}"#);
    let response = Response::builder().header("content-type", "application/json").header("metadata-flavor", "Google");
    response.body(Full::new(text.into())).expect("a reply")
}

fn stored(object: &Object, body: String) -> Answer {
    let response = Response::builder().header("etag", object.tag()).header("x-goog-generation", object.generation);
    response.body(Full::new(body.into())).expect("a reply")
}

fn empty(status: StatusCode) -> Answer {
    Response::builder().status(status).body(Full::default()).expect("a reply")
}

fn error(status: StatusCode, code: &str) -> Answer {
    xml(status, &format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

fn xml(status: StatusCode, text: &str) -> Answer {
    let text = format!("<?xml version='1.0' encoding='UTF-8'?>{text}");
    let response = Response::builder().status(status).header("content-type", "application/xml; charset=UTF-8");
    response.body(Full::new(text.into())).expect("a reply")
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None`: it begins where nothing is, or is no range.
fn range(text: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) => first..length,
        (Err(_), Ok(last)) => length.saturating_sub(last)..length,
        (Err(_), Err(_)) => return None,
    };
    (range.start < range.end).then_some(range)
}

fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = (*first == b'%')
            .then(|| after.get(..2).and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()));
        match escape.flatten() {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(*first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// CRC-32C as in RFC 3720, appendix B.4, bit by bit: the client's code is not asked whether the client is right.
fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let step = |value: u32| (value >> 1) ^ if value & 1 == 1 { 0x82f6_3b78 } else { 0 };
        std::array::from_fn(|byte| (0..8).fold(byte as u32, |value, _| step(value)))
    });
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)])
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= group.len() { digit.into() } else { '=' });
        }
    }
    text
}

/// The one token that is valid.
pub(crate) const TOKEN: &str = "ya29.the-token-of-the-tests";
/// One that was.
pub(crate) const EXPIRED: &str = "ya29.an-old-token";
const TOKEN_PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";
/// Headers that an upload stores and a download gives back.
const KEPT: &[&str] = &["cache-control", "content-disposition", "content-encoding", "content-language", "content-type"];

#[cfg(test)]
mod tests {
    use super::super::http::{Connection, request};
    use super::*;

    #[test]
    fn what_it_computes_is_right() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value of RFC 3720");
        assert_eq!(
            [base64(b""), base64(b"f"), base64(b"fo"), base64(b"foo"), base64(b"foob")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
        assert_eq!(decoded("a%2Fb%zz%2"), "a/b%zz%2");
        assert_eq!(
            [range("bytes=0-1", 5), range("bytes=3-9", 5), range("bytes=-2", 5)],
            [Some(0..2), Some(3..5), Some(3..5)]
        );
        assert_eq!([range("bytes=5-6", 5), range("bytes=x", 5)], [None, None]);
    }

    #[test]
    fn generations_tokens_pages_and_sums() {
        let server = Gcs::start(2);
        let bucket = server.bucket("own");
        let bearer = format!("Bearer {TOKEN}");
        let mut connection = Connection::new(server.address()).expect("it listens");
        let mut go = |method: &str, target: &str, more: &[(&str, &str)], body: &[u8]| {
            let headers = [&[("Authorization", bearer.as_str())], more].concat();
            connection.request(method, target, &headers, body).expect("a reply")
        };
        let create = [("x-goog-if-generation-match", "0")];
        let at = |name: &str| format!("/{bucket}/{name}");
        go("PUT", &at("d%2Fa"), &create, b"content").expect(200);
        go("PUT", &at("d%2Fa"), &create, b"other").expect(412);
        assert_eq!(go("GET", &at("d/a"), &[("Range", "bytes=1-2")], b"").expect(206).body, b"on");
        go("GET", &at("d/a"), &[("Range", "bytes=7-")], b"").expect(416);
        go("PUT", &at("b"), &[("x-goog-hash", "crc32c=4waSgw==")], b"123456789").expect(200);
        go("PUT", &at("c"), &[("x-goog-hash", "crc32c=4waSgw==")], b"123456788").expect(400);
        go("PUT", &at("d/b"), &[], b"").expect(200);
        let page = go("GET", &format!("/{bucket}?list-type=2"), &[], b"").expect(200);
        assert_eq!((page.text().matches("<Key>").count(), page.element("NextContinuationToken")), (2, "d/a".into()));
        let rest = go("GET", &format!("/{bucket}?list-type=2&continuation-token=d/a"), &[], b"").expect(200);
        assert_eq!((rest.text().matches("<Key>").count(), rest.text().contains("NextC")), (1, false));
        let tops = go("GET", &format!("/{bucket}?list-type=2&delimiter=/"), &[], b"").expect(200);
        assert_eq!((tops.element("Key"), tops.element("Prefix")), ("b".into(), "d/".into()));
        go("DELETE", &at("b"), &[], b"").expect(204);
        go("GET", &at("b"), &[], b"").expect(404);
        for wrong in ["Bearer other", &format!("Bearer {EXPIRED}"), ""] {
            request(server.address(), "GET", &at("d/a"), &[("Authorization", wrong)], b"")
                .expect("a reply")
                .expect(401);
        }
        request(server.address(), "GET", &format!("/{TOKEN_PATH}"), &[], b"").expect("a reply").expect(403);
        let told = request(server.address(), "GET", &format!("/{TOKEN_PATH}"), &[("Metadata-Flavor", "Google")], b"");
        assert!(told.expect("a reply").expect(200).text().contains(TOKEN));
    }

    #[test]
    fn of_many_who_create_one_wins() {
        let server = gcs();
        let bucket = server.bucket("race");
        let (bearer, target) = (format!("Bearer {TOKEN}"), format!("/{bucket}/one"));
        let put = |n: u8| {
            let headers = [("Authorization", bearer.as_str()), ("x-goog-if-generation-match", "0")];
            request(server.address(), "PUT", &target, &headers, &[n]).expect("a reply").status
        };
        let mut all: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || put(n))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        all.sort_unstable();
        assert_eq!((all[0], all[1], all[15]), (200, 412, 412));
    }
}
