//! URLs that carry a signature in place of a credential: made where there is one, used where there is none.
//!
//! Such a URL is a secret. It is in no error, no log and no `Debug`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody};
use object_store::path::Path as ObjectPath;
use object_store::signer::Signer;
use tokio::runtime::Runtime;
use vault_format::{ObjectName, limits};
use zeroize::Zeroizing;

use super::options::StoreOptions;
use super::transport::reply::{CALL, Call, Reply};
use super::transport::traffic::Kind;
use super::transport::{CallError, Transport, TransportOptions, UploadCheck, is_metadata};
use super::{BoxError, Store, runtime};

/// What the holder of a URL may do with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Get,
    /// Write it, also over what is there.
    Put,
}

/// What makes URLs of a bucket.
#[derive(Clone)]
pub(super) struct Signing {
    signer: Arc<dyn Signer>,
    prefix: ObjectPath,
}

impl Signing {
    /// `prefix` stands before every name.
    pub(super) fn new(signer: impl Signer, prefix: &str) -> Self {
        Self { signer: Arc::new(signer), prefix: ObjectPath::parse(prefix).unwrap_or_default() }
    }
}

/// Why there are no such URLs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// It is a folder.
    #[error("{at} is a folder, where there is nothing to sign")]
    Folder {
        /// The store.
        at: String,
    },
    /// Only a key signs.
    #[error("{credential} cannot sign URLs")]
    NoKey {
        /// Which credential is used, in words.
        credential: String,
    },
    /// A ticket does not hold such a URL.
    #[error("signed by {credential}, a URL has {len} bytes, and a ticket holds {}", limits::PRESIGNED_URL)]
    TooLong {
        /// Which credential is used, in words.
        credential: String,
        /// Bytes.
        len: usize,
    },
    /// The one who has the key does not sign.
    #[error("{credential} does not sign URLs")]
    Failed {
        /// Which credential is used, in words.
        credential: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl Store {
    /// URLs by which anybody who has them does this with these objects for `lifetime` from now on.
    pub fn sign(&self, wanted: &[(Access, ObjectName)], lifetime: Duration) -> Result<Vec<String>, SignError> {
        let Some(remote) = &self.0.remote else { return Err(SignError::Folder { at: self.label().to_owned() }) };
        let credential = || remote.credential.clone();
        let Some(signing) = &remote.signing else { return Err(SignError::NoKey { credential: credential() }) };
        self.run(async {
            let mut urls = Vec::with_capacity(wanted.len());
            for (access, name) in wanted {
                let path: ObjectPath = signing.prefix.parts().chain(ObjectPath::from(name.to_path()).parts()).collect();
                let signed = signing.signer.signed_url(access.method(), &path, lifetime).await;
                let failed =
                    |error: object_store::Error| SignError::Failed { credential: credential(), source: error.into() };
                let url = String::from(signed.map_err(failed)?);
                if url.len() > limits::PRESIGNED_URL {
                    return Err(SignError::TooLong { credential: credential(), len: url.len() });
                }
                urls.push(url);
            }
            Ok(urls)
        })
    }
}

impl Access {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
        }
    }
}

/// Objects that are reached by signed URLs alone. No credential of this machine is looked for or sent.
pub struct SignedUrls {
    urls: Vec<Zeroizing<String>>,
    /// What errors call them: scheme and host.
    at: String,
    /// Seconds since 1970.
    expires: u64,
    client: HttpClient,
    runtime: &'static Runtime,
}

/// Why an object behind a signed URL was not read or written. Nothing in it is a part of the URL but its host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignedUrlError {
    /// Nobody who means well makes such a URL.
    #[error("a signed URL of the ticket {what}")]
    Invalid {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Its time is over.
    #[error("{at} does not take the ticket's signed URLs: their time is over, or has not come by its clock")]
    Expired {
        /// The host.
        at: String,
    },
    /// It is not valid there, or no more.
    #[error("{at} refuses a signed URL of the ticket: {said}")]
    Refused {
        /// The host.
        at: String,
        /// Status and code.
        said: String,
    },
    /// No answer, or that of a server in trouble: another try may help.
    #[error("{at} does not answer: {why}")]
    Passing {
        /// The host.
        at: String,
        /// Why.
        why: String,
    },
    /// HTTP cannot be set up.
    #[error("requests to {at} cannot be made")]
    Setup {
        /// The host.
        at: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl SignedUrlError {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Invalid { what } if *what == PLAIN => {
                "if the storage is your own and has no TLS, add -o allow-http=true; or leave it out with --via tcp"
            }
            Self::Invalid { .. } => "do not use this ticket; find out who made it",
            Self::Expired { .. } => {
                "run `zvault pair --presign` again on the device that invites, with a longer --expires if need be"
            }
            Self::Refused { .. } => "give this machine a credential of its own and add --url, or use the network",
            Self::Passing { .. } | Self::Setup { .. } => return Vec::new(),
        };
        vec![hint.into()]
    }
}

impl SignedUrls {
    /// `urls` are for `names`, one each. Whoever made them chose the host; what they chose of the rest is only what a store has signed:
    /// each is of its object, all are of one server, and none is of this machine's own services. `expires`: when they end, in seconds
    /// since 1970.
    pub fn open(
        urls: &[String],
        names: &[ObjectName],
        expires: u64,
        options: &StoreOptions,
    ) -> Result<Self, SignedUrlError> {
        let invalid = |what| SignedUrlError::Invalid { what };
        let allow_http = options.settings.get("allow-http").is_some_and(|value| value == "true");
        let mut servers = Vec::new();
        for (text, name) in urls.iter().zip(names) {
            let url = url::Url::parse(text).map_err(|_| invalid("is none"))?;
            let host = url.host_str().ok_or(invalid("has no host"))?;
            match url.scheme() {
                "https" => {}
                // Also on this machine: the ticket's maker decides what its services are asked, and only its user may let them.
                "http" if allow_http => {}
                "http" => return Err(invalid(PLAIN)),
                _ => return Err(invalid("is not one of HTTP")),
            }
            if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
                return Err(invalid("has parts that no store signs"));
            }
            if is_metadata(host) {
                return Err(invalid("leads to where this machine gets credentials"));
            }
            if !url.path().ends_with(&format!("/{}", name.to_path())) {
                return Err(invalid("is not of this pairing's mailbox"));
            }
            servers.push(url.origin());
        }
        if urls.len() != names.len() || servers.windows(2).any(|two| two[0] != two[1]) {
            return Err(invalid("is of another server than the rest"));
        }
        let at = servers.first().map(url::Origin::ascii_serialization).unwrap_or_default();
        let setup = |source: BoxError| SignedUrlError::Setup { at: at.clone(), source };
        let transport = Transport::new(&TransportOptions {
            ca_cert: options.ca_cert.clone(),
            limit_upload: options.limit_upload,
            limit_download: options.limit_download,
            allow_http,
            check: UploadCheck::None,
            ..TransportOptions::default()
        });
        let transport = transport.map_err(|error| setup(error.into()))?;
        let client = transport.connect(&super::cloud::client_options(allow_http)).map_err(|e| setup(e.into()))?;
        let runtime = runtime().map_err(|error| setup(error.into()))?;
        Ok(Self { urls: urls.iter().cloned().map(Zeroizing::new).collect(), at, expires, client, runtime })
    }

    /// Writes the object, and tries again for a while where that may help, unless `is_over`.
    pub fn put(&self, number: usize, bytes: &Bytes, is_over: &dyn Fn() -> bool) -> Result<(), SignedUrlError> {
        let started = Instant::now();
        loop {
            match self.put_once(number, bytes.clone()) {
                Err(SignedUrlError::Passing { .. }) if started.elapsed() < PASSING && !is_over() => {
                    std::thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Writes the object.
    pub fn put_once(&self, number: usize, bytes: Bytes) -> Result<(), SignedUrlError> {
        let (status, reply, _) = self.run(Access::Put, number, bytes)?;
        match status.is_success() {
            true => Ok(()),
            false => Err(self.sort(status, &reply)),
        }
    }

    /// Reads the object. `None`: it is not there, or is nothing that a mailbox holds.
    pub fn get(&self, number: usize) -> Result<Option<Bytes>, SignedUrlError> {
        let (status, reply, body) = self.run(Access::Get, number, Bytes::new())?;
        if status.is_success() {
            return Ok(body);
        }
        match self.sort(status, &reply) {
            // S3 says so of what is not there where whoever signed may not list everything.
            SignedUrlError::Refused { .. } if matches!(status.as_u16(), 403 | 404) => Ok(None),
            error => Err(error),
        }
    }

    fn run(
        &self,
        access: Access,
        number: usize,
        bytes: Bytes,
    ) -> Result<(StatusCode, Reply, Option<Bytes>), SignedUrlError> {
        let call = Call::default();
        let result = self.runtime.block_on(CALL.scope(call.clone(), self.call(access, number, bytes)));
        let (status, body) = result.map_err(|error| {
            let failure = CallError::find(&error).map(ToString::to_string);
            SignedUrlError::Passing {
                at: self.at.clone(),
                why: failure.unwrap_or_else(|| "the connection broke".into()),
            }
        })?;
        Ok((status, call.reply(), body))
    }

    async fn call(
        &self,
        access: Access,
        number: usize,
        bytes: Bytes,
    ) -> Result<(StatusCode, Option<Bytes>), HttpError> {
        let url = self.urls[number].as_str();
        let mut headers = HeaderMap::new();
        let kind = match access {
            Access::Get => Kind::Get,
            Access::Put => {
                headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
                if is_azure(url) {
                    headers.insert("x-ms-blob-type", http::HeaderValue::from_static("BlockBlob"));
                }
                Kind::Put
            }
        };
        let request = http::Request::builder().method(access.method()).uri(url).extension(kind);
        let request = request.body(HttpRequestBody::from(bytes));
        let mut request: HttpRequest = request.map_err(|error| {
            object_store::client::HttpError::new(object_store::client::HttpErrorKind::Request, error)
        })?;
        request.headers_mut().extend(headers);
        let reply = self.client.execute(request).await?;
        let status = reply.status();
        match Limited::new(reply.into_body(), limits::MAIL_STORED).collect().await {
            Ok(body) => Ok((status, Some(body.to_bytes()))),
            Err(error) if error.is::<LengthLimitError>() => Ok((status, None)),
            Err(error) => Err(match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(error) => HttpError::new_boxed(object_store::client::HttpErrorKind::Interrupted, error),
            }),
        }
    }

    /// What a reply that is no success says. Never where a redirect leads: that may be signed as well.
    fn sort(&self, status: StatusCode, reply: &Reply) -> SignedUrlError {
        let at = self.at.clone();
        let code = reply.code.as_deref().unwrap_or_default();
        let words = format!("{code} {}", reply.message.as_deref().unwrap_or_default()).to_ascii_lowercase();
        // Some say no more than that they refuse.
        let is_over = u64::try_from(crate::now().secs).unwrap_or(0) >= self.expires;
        let of_time = is_over || ["expired", "time frame", "not yet valid"].iter().any(|word| words.contains(word));
        match status.as_u16() {
            400 | 401 | 403 if of_time => SignedUrlError::Expired { at },
            408 | 429 | 500.. => SignedUrlError::Passing { at, why: format!("it answers {status}") },
            // A store's own word is short and has no spaces.
            _ if code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                SignedUrlError::Refused { at, said: format!("{} {code}", status.as_u16()).trim_end().to_owned() }
            }
            _ => SignedUrlError::Refused { at, said: status.as_u16().to_string() },
        }
    }
}

impl fmt::Debug for SignedUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedUrls").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Shared access signatures are those with this parameter.
fn is_azure(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| pair.starts_with("sig="))
}

const PLAIN: &str = "is not encrypted";
/// How long failures that may pass are waited for, and how long between two tries.
pub(crate) const PASSING: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(1);
