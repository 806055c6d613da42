//! What went over the wire: requests and bytes of their bodies, by kind.

use object_store::client::HttpRequest;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests to a store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Pages of listings.
    pub list: Requests,
    /// Reads of objects and parts of them.
    pub get: Requests,
    /// Writes.
    pub put: Requests,
    /// Looks whether an object is there.
    pub head: Requests,
    /// Deletions.
    pub delete: Requests,
    /// Anything else: tokens and other credentials.
    pub other: Requests,
    /// How often something was asked again after a failure; the requests of that are in the counts above.
    pub retries: u64,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many, those that failed included.
    pub requests: u64,
    /// Bytes of bodies that were sent.
    pub sent: u64,
    /// Bytes of bodies that were received.
    pub received: u64,
}

impl Traffic {
    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            list: self.list - earlier.list,
            get: self.get - earlier.get,
            put: self.put - earlier.put,
            head: self.head - earlier.head,
            delete: self.delete - earlier.delete,
            other: self.other - earlier.other,
            retries: self.retries.saturating_sub(earlier.retries),
        }
    }

    /// All kinds together.
    pub fn total(&self) -> Requests {
        self.list + self.get + self.put + self.head + self.delete + self.other
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            list: self.list + more.list,
            get: self.get + more.get,
            put: self.put + more.put,
            head: self.head + more.head,
            delete: self.delete + more.delete,
            other: self.other + more.other,
            retries: self.retries + more.retries,
        }
    }
}

impl Sub for Requests {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
        }
    }
}

impl Add for Requests {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            requests: self.requests + more.requests,
            sent: self.sent + more.sent,
            received: self.received + more.received,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    List,
    Get,
    Put,
    Head,
    Delete,
    Other,
}

impl Kind {
    /// Decided by what a request looks like, unless it says so: the three dialects differ in little here.
    pub(in crate::store) fn of(request: &HttpRequest) -> Self {
        if let Some(known) = request.extensions().get() {
            return *known;
        }
        let (uri, method) = (request.uri(), request.method().as_str());
        if is_credential(request) {
            return Self::Other;
        }
        let has = |wanted: &str| uri.query().unwrap_or_default().split('&').any(|pair| pair == wanted);
        match method {
            "GET" if has("list-type=2") || has("comp=list") => Self::List,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            // Deletions in bulk; other POSTs begin and complete uploads in parts.
            "POST" if has("delete") || has("delete=") || has("comp=batch") => Self::Delete,
            "POST" if uri.query().is_some_and(|query| query.contains("upload")) => Self::Put,
            _ => Self::Other,
        }
    }
}

/// Requests to whoever gives out tokens: instance metadata, STS, the logins of Google and Microsoft.
fn is_credential(request: &HttpRequest) -> bool {
    let uri = request.uri();
    let (host, path, query) = (uri.host().unwrap_or_default(), uri.path(), uri.query().unwrap_or_default());
    super::is_metadata(host)
        || ["sts.", "oidc.", "portal.sso.", "login.", "oauth2.", "iamcredentials."].iter().any(|p| host.starts_with(p))
        || path == "/latest/api/token"
        || path.ends_with("/oauth2/v2.0/token")
        || path.ends_with("/oauth2/token")
        || query.split('&').any(|pair| pair.starts_with("Action=") || pair == "comp=userdelegationkey")
}

/// The counters behind [`Traffic`].
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    kinds: [Counter; 6],
    retries: AtomicU64,
}

#[derive(Debug, Default)]
struct Counter {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub(in crate::store) fn request(&self, kind: Kind) {
        self.kinds[kind as usize].requests.fetch_add(1, Relaxed);
    }

    pub(in crate::store) fn sent(&self, kind: Kind, bytes: u64) {
        self.kinds[kind as usize].sent.fetch_add(bytes, Relaxed);
    }

    pub(in crate::store) fn received(&self, kind: Kind, bytes: u64) {
        self.kinds[kind as usize].received.fetch_add(bytes, Relaxed);
    }

    pub(in crate::store) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(in crate::store) fn read(&self) -> Traffic {
        let read = |kind: Kind| {
            let counter = &self.kinds[kind as usize];
            Requests {
                requests: counter.requests.load(Relaxed),
                sent: counter.sent.load(Relaxed),
                received: counter.received.load(Relaxed),
            }
        };
        Traffic {
            list: read(Kind::List),
            get: read(Kind::Get),
            put: read(Kind::Put),
            head: read(Kind::Head),
            delete: read(Kind::Delete),
            other: read(Kind::Other),
            retries: self.retries.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::client::HttpRequestBody;

    fn kind(method: &str, uri: &str) -> Kind {
        let request = http::Request::builder().method(method).uri(uri);
        Kind::of(&request.body(HttpRequestBody::empty()).expect("a request"))
    }

    #[test]
    fn requests_are_told_apart_in_all_dialects() {
        for (method, uri, expected) in [
            ("GET", "https://b.s3.eu-west-1.amazonaws.com/?list-type=2&prefix=zv1%2F", Kind::List),
            ("GET", "http://127.0.0.1:1/account/container?restype=container&comp=list", Kind::List),
            ("GET", "https://storage.googleapis.com/b?list-type=2", Kind::List),
            ("GET", "https://b.s3.amazonaws.com/zv1/r/list-type=2", Kind::Get),
            ("HEAD", "https://h/b/k", Kind::Head),
            ("PUT", "https://h/b/k", Kind::Put),
            ("PUT", "https://h/b/k?partNumber=1&uploadId=x", Kind::Put),
            ("POST", "https://h/b/k?uploads=", Kind::Put),
            ("DELETE", "https://h/b/k", Kind::Delete),
            ("POST", "https://h/b?delete", Kind::Delete),
            ("POST", "https://h/b?restype=container&comp=batch", Kind::Delete),
            ("PUT", "http://169.254.169.254/latest/api/token", Kind::Other),
            ("GET", "http://metadata.google.internal/computeMetadata/v1/x", Kind::Other),
            ("POST", "http://127.0.0.1:1/?Action=AssumeRoleWithWebIdentity", Kind::Other),
            ("POST", "https://login.microsoftonline.com/t/oauth2/v2.0/token", Kind::Other),
            ("POST", "https://oauth2.googleapis.com/token", Kind::Other),
        ] {
            assert_eq!(kind(method, uri), expected, "{method} {uri}");
        }
    }

    #[test]
    fn counts_can_be_taken_apart_and_together() {
        let counters = Counters::default();
        counters.request(Kind::Put);
        counters.sent(Kind::Put, 10);
        let earlier = counters.read();
        counters.request(Kind::Get);
        counters.received(Kind::Get, 7);
        counters.retry();
        let since = counters.read().since(&earlier);
        assert_eq!((since.put, since.get.received, since.retries), (Requests::default(), 7, 1));
        assert_eq!(counters.read().total(), Requests { requests: 2, sent: 10, received: 7 });
    }
}
