//! The HTTP below `object_store`: one place where requests are counted, bodies are paced and watched, uploads are
//! checked, and where is noted what a failed reply said.

mod body;
mod limit;
pub(super) mod reply;
pub(super) mod tls;
pub(super) mod traffic;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use body::{Download, Meter, Upload, Watch};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method};
use http_body::Body;
use http_body_util::BodyExt;
use limit::Limit;
use md5::{Digest, Md5};
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reply::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::VecDeque;
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};
use traffic::{Counters, Kind};

/// What a [`Transport`] is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct TransportOptions {
    /// Certificates in PEM that are trusted beside the system's.
    pub(super) ca_cert: Option<PathBuf>,
    /// Bytes per second, all requests together.
    pub(super) limit_upload: Option<u64>,
    /// The same for what comes back.
    pub(super) limit_download: Option<u64>,
    /// Whether a host that is not this one may be spoken to without TLS.
    pub(super) allow_http: bool,
    /// How it is seen that the store got the bytes that were sent.
    pub(super) check: UploadCheck,
    /// How long things may take.
    pub(super) times: Times,
}

/// How it is seen that a store got the bytes that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UploadCheck {
    /// The library sees to it, as for S3 with `Checksum::SHA256`.
    #[default]
    None,
    /// GCS compares `x-goog-hash: crc32c=`.
    GoogHash,
    /// Azure tells the MD5 of what it got, and it is compared here.
    ReplyMd5,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Until there is a connection, TLS included.
    pub(super) connect: Duration,
    /// Without that a byte moves.
    pub(super) stall: Duration,
    /// One attempt, however small.
    pub(super) attempt: Duration,
    /// Bytes per second that a link has at least: an attempt may take longer by its size over this.
    pub(super) slowest: u64,
}

/// The transport cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TransportError {
    /// The file of certificates cannot be read.
    #[error("the certificates in {path} cannot be read")]
    CaCert { path: PathBuf, source: io::Error },
    /// It holds no certificate.
    #[error("{path} holds no certificate in PEM")]
    NoCert { path: PathBuf },
    /// The HTTP client cannot be set up.
    #[error("HTTP cannot be set up")]
    Client(#[from] reqwest::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// This program speaks TLS by a FIPS module with approved parameters, or not at all.
    #[cfg(feature = "fips")]
    #[error("TLS is not in FIPS mode")]
    NotFips,
}

/// A client that every request of a store goes through. Clones are the same one.
#[derive(Clone)]
pub(super) struct Transport(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    /// The metadata of an instance is never asked for through a proxy.
    direct: OnceLock<reqwest::Client>,
    counters: Arc<Counters>,
    upload: Option<Arc<Limit>>,
    download: Option<Arc<Limit>>,
    options: TransportOptions,
}

impl Transport {
    pub(super) fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        let trusted = options.ca_cert.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let limit = |rate: Option<u64>| rate.map(|rate| Arc::new(Limit::new(rate)));
        Ok(Self(Arc::new(Inner {
            client: tls::set_up(builder(&options.times), trusted)?.build()?,
            direct: OnceLock::new(),
            counters: Arc::default(),
            upload: limit(options.limit_upload),
            download: limit(options.limit_download),
            options: options.clone(),
        })))
    }

    /// Where the store counts its retries, too.
    pub(super) fn counters(&self) -> Arc<Counters> {
        self.0.counters.clone()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl HttpConnector for Transport {
    /// Of the library's options, only whether plain HTTP is allowed counts: it allows it for metadata.
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let allow_http = self.0.options.allow_http || allowed;
        Ok(HttpClient::new(Service { inner: self.0.clone(), allow_http }))
    }
}

struct Service {
    inner: Arc<Inner>,
    allow_http: bool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let kind = Kind::of(&request);
        reply::begin(kind).await;
        if kind == Kind::List && reply::is_endless() {
            return Err(failed(Failure::Endless, None));
        }
        let (inner, times) = (&self.inner, &self.inner.options.times);
        let client = self.client(&request)?;
        let is_metadata = is_metadata(request.uri().host().unwrap_or_default());
        let (mut head, body) = request.into_parts();
        let pieces = Upload::pieces(body)?;
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        let in_bulk = (kind == Kind::Delete && head.method == Method::POST).then(|| pieces.clone());
        let is_put = kind == Kind::Put && head.method == Method::PUT;
        let md5 = (is_put && inner.options.check == UploadCheck::ReplyMd5).then(|| md5(&pieces));
        if is_put && inner.options.check == UploadCheck::GoogHash {
            head.headers.insert("x-goog-hash", crc32c(&pieces));
        }

        inner.counters.request(kind);
        let meter = |limit: &Option<Arc<Limit>>, watch: &Arc<Watch>| Meter {
            kind,
            counters: inner.counters.clone(),
            limit: limit.clone(),
            watch: watch.clone(),
        };
        let watch = Watch::new(times, size);
        let upload = Upload::new(pieces, meter(&inner.upload, &watch), times.drain(size));
        let url = head.uri.to_string().parse().map_err(|e| HttpError::new(HttpErrorKind::Unknown, NotAUrl(e)))?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(if size == 0 { Bytes::new().into() } else { reqwest::Body::wrap(upload) });
        let response = tokio::select! {
            response = client.execute(request) => response.map_err(sort),
            failure = watch.expired() => Err(failed(failure, None)),
        };
        let response = response.map_err(|error| if is_metadata { failed(Failure::NoMetadata, None) } else { error })?;

        let (head, body) = http::Response::from(response).into_parts();
        reply::note_head(head.status, &head.headers);
        let watch = Watch::new(times, body.size_hint().exact().unwrap_or(UNKNOWN_SIZE));
        let body = Download::new(body, meter(&inner.download, &watch));
        if !head.status.is_success() {
            let body = error_body(body).await;
            reply::note_error_body(&body);
            return Ok(HttpResponse::from_parts(head, body.into()));
        }
        if let Some(asked) = in_bulk {
            return Ok(HttpResponse::from_parts(head, deleted(body, &asked).await?.into()));
        }
        if kind == Kind::List {
            return Ok(HttpResponse::from_parts(head, listing(body).await?.into()));
        }
        if let (Some(sent), Some(got)) = (md5, head.headers.get("content-md5"))
            && sent != got
        {
            return Err(failed(Failure::Checksum, None));
        }
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

impl Service {
    /// The client for this request, if it may be made at all.
    fn client(&self, request: &HttpRequest) -> Result<reqwest::Client, HttpError> {
        let host = request.uri().host().unwrap_or_default();
        if is_metadata(host) {
            return match self.inner.direct.get() {
                Some(client) => Ok(client.clone()),
                None => {
                    let times = Times { connect: METADATA_CONNECT, ..self.inner.options.times };
                    let builder = tls::set_up(builder(&times).no_proxy(), Vec::new());
                    let client = builder.and_then(|builder| Ok(builder.build()?));
                    let client = client.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
                    Ok(self.inner.direct.get_or_init(|| client).clone())
                }
            };
        }
        if request.uri().scheme_str() != Some("https") && !self.allow_http && !is_loopback(host) {
            return Err(failed(Failure::PlainHttp, None));
        }
        Ok(self.inner.client.clone())
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: STALL_OF_TESTS.get().copied().unwrap_or(Duration::from_secs(30)),
            attempt: Duration::from_secs(60),
            slowest: 64 << 10,
        }
    }
}

/// Lets transports that are made later give up sooner on connections where nothing moves.
pub(super) fn shorten_stalls(stall: Duration) {
    let _ = STALL_OF_TESTS.set(stall);
}

static STALL_OF_TESTS: OnceLock<Duration> = OnceLock::new();

impl Times {
    fn for_size(&self, size: u64) -> Duration {
        self.attempt + Duration::from_secs_f64(size as f64 / self.slowest.max(1) as f64)
    }

    /// What the system may hold of a body when all of it has left this process.
    fn drain(&self, size: u64) -> Duration {
        Duration::from_secs_f64(size.min(SOCKET_BUFFER) as f64 / self.slowest.max(1) as f64)
    }
}

/// An error that a request failed with. What caused it is in the record of the call, too.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub(super) struct CallError {
    failure: Failure,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CallError {
    /// The one in a chain of errors, where requests are made outside of any call.
    pub(super) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
        match error.downcast_ref::<Self>() {
            Some(error) => Some(&error.failure),
            None => error.source().and_then(Self::find),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a URL")]
struct NotAUrl(#[source] url::ParseError);

/// Whether this is where an instance asks for its own credentials.
pub(super) fn is_metadata(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    match host.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => host == "metadata.google.internal" || host == "metadata",
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn builder(times: &Times) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("zvault/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(times.connect)
        .redirect(reqwest::redirect::Policy::none())
        // The library repeats, and so do we; a third layer would hide how often.
        .retry(reqwest::retry::never())
        // One connection for each request: a window for all of them is slower where it counts.
        .http1_only()
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_keepalive(Duration::from_secs(20))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let failed = |source| TransportError::CaCert { path: path.into(), source };
    let pem = std::fs::read(path).map_err(failed)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    if certificates.is_empty() {
        return Err(TransportError::NoCert { path: path.into() });
    }
    Ok(certificates)
}

/// The MD5 of a body as Azure names it.
fn md5(pieces: &VecDeque<Bytes>) -> HeaderValue {
    let mut md5 = Md5::new();
    pieces.iter().for_each(|piece| md5.update(piece));
    header_value(BASE64_STANDARD.encode(md5.finalize()))
}

/// The CRC32C of a body as GCS wants it: base64 of four bytes, the highest first.
fn crc32c(pieces: &VecDeque<Bytes>) -> HeaderValue {
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    pieces.iter().for_each(|piece| crc.update(piece));
    header_value(format!("crc32c={}", BASE64_STANDARD.encode((crc.finalize() as u32).to_be_bytes())))
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).expect("base64 is ASCII")
}

/// The beginning of the body of a reply that is no success; what could be read of it if it breaks off.
async fn error_body(mut body: Download) -> String {
    let mut bytes = BytesMut::new();
    while bytes.len() < MAX_ERROR_BODY {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) | None => break,
        }
    }
    bytes.truncate(MAX_ERROR_BODY);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What became of a deletion in bulk. The library panics at the name of an object that it did not ask to delete.
async fn deleted(body: Download, asked: &VecDeque<Bytes>) -> Result<Bytes, HttpError> {
    let asked: Vec<u8> = asked.iter().flatten().copied().collect();
    let asked = String::from_utf8_lossy(&asked);
    let bytes = whole(body, MAX_LISTING).await?;
    let reply = String::from_utf8_lossy(&bytes);
    let is_strange = |error: &str| {
        let key = error.split_once("<Key>").and_then(|(_, rest)| rest.split_once("</Key>"));
        key.is_none_or(|(key, _)| !asked.contains(&format!("<Key>{key}</Key>")))
    };
    if reply.split("<Error").skip(1).any(is_strange) {
        return Err(failed(Failure::Garbled, None));
    }
    Ok(bytes)
}

async fn whole(mut body: Download, most: usize) -> Result<Bytes, HttpError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
        if bytes.len() > most {
            return Err(failed(Failure::Garbled, None));
        }
    }
    Ok(bytes.freeze())
}

/// The body of a listing. The library takes any text for a listing of nothing, and nobody may mistake the page of a
/// hotel's network, or half a listing, for an empty store.
async fn listing(body: Download) -> Result<Bytes, HttpError> {
    let bytes = whole(body, MAX_LISTING).await?;
    let has = |part: &[u8]| {
        let text = String::from_utf8_lossy(part);
        text.contains("ListBucketResult") || text.contains("EnumerationResults")
    };
    let (start, end) = (bytes.len().min(1024), bytes.len().saturating_sub(64));
    if !has(&bytes[..start]) || !has(&bytes[end..]) {
        reply::note_error_body(&String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_ERROR_BODY)]));
        return Err(failed(Failure::Garbled, None));
    }
    // The library ends where no token says how to go on, whatever else the page says.
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("<IsTruncated>true</IsTruncated>") && !text.contains("<NextContinuationToken>") {
        return Err(failed(Failure::Garbled, None));
    }
    Ok(bytes)
}

/// An error of the client, by its cause.
fn sort(error: reqwest::Error) -> HttpError {
    // A URL can carry a signature.
    let error = error.without_url();
    let failure = failure(&error);
    failed(failure, Some(error.into()))
}

fn failed(failure: Failure, source: Option<Box<dyn Error + Send + Sync>>) -> HttpError {
    reply::note_failure(failure.clone());
    let kind = match &failure {
        Failure::Dns | Failure::Refused | Failure::ConnectTimeout => HttpErrorKind::Connect,
        Failure::Stalled | Failure::TooSlow => HttpErrorKind::Timeout,
        Failure::Broken => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, CallError { failure, source })
}

fn failure(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut is_dns = false;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Failure::Tls(tls_text(error));
        }
        // Types that the client does not show.
        match error.to_string().as_str() {
            "tunnel error: proxy authorization required" => return Failure::ProxyLogin,
            "tunnel error: unsuccessful" => return Failure::Proxy("it refuses to connect to the store"),
            "dns error" => is_dns = true,
            _ => {}
        }
        cause = match error.downcast_ref::<io::Error>() {
            // The source of such an error is that of what it wraps.
            Some(io) => match io.get_ref() {
                Some(inner) => Some(inner),
                None if is_dns => return Failure::Dns,
                None => return of_io(io.kind()),
            },
            None => error.source(),
        };
    }
    match () {
        () if is_dns => Failure::Dns,
        () if error.is_timeout() && error.is_connect() => Failure::ConnectTimeout,
        () if error.is_timeout() => Failure::Stalled,
        () if error.is_builder() => Failure::Other,
        // Whatever else happens to a connection: closed in mid-message, or not speaking HTTP.
        () => Failure::Broken,
    }
}

fn of_io(kind: io::ErrorKind) -> Failure {
    match kind {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Broken,
    }
}

fn tls_text(error: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    match error {
        // An authority of the same name and another key is another one.
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is of an unknown authority".into()
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "its certificate has expired".into(),
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet".into()
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name".into()
        }
        E::InvalidMessage(_) => "it does not speak TLS".into(),
        error => error.to_string(),
    }
}

/// The most of an error's body that is read.
const MAX_ERROR_BODY: usize = 64 << 10;

/// Pages have a thousand names of at most a kilobyte, and some of Azure five thousand.
const MAX_LISTING: usize = 32 << 20;

/// For the time limit of a body that does not say how long it is: a page of a listing.
const UNKNOWN_SIZE: u64 = 4 << 20;

/// What systems buffer at most of what was sent.
const SOCKET_BUFFER: u64 = 4 << 20;

/// The metadata service of an instance is next to it, or nowhere.
const METADATA_CONNECT: Duration = Duration::from_secs(2);
