//! What a reply, or its absence, said: noted here by the transport, read by the loop that decides what to do about it.

use super::traffic::Kind;
use http::{HeaderMap, StatusCode, header};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The last reply of a call, and what must not be forgotten of those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Reply {
    /// Whether it came from whoever gives out credentials, and not from the store.
    pub(in crate::store) is_of_credentials: bool,
    /// `None`: there was none.
    pub(in crate::store) status: Option<u16>,
    /// The store's own word for what went wrong.
    pub(in crate::store) code: Option<String>,
    /// What it says to people.
    pub(in crate::store) message: Option<String>,
    pub(in crate::store) retry_after: Option<Duration>,
    /// Seconds by which our clock is ahead of the server's.
    pub(in crate::store) ahead: Option<i64>,
    /// Where the bucket is.
    pub(in crate::store) region: Option<String>,
    /// Where it leads, if it does.
    pub(in crate::store) location: Option<String>,
    /// A page for people, which no store sends.
    pub(in crate::store) html: bool,
    /// Why there is no reply, or no whole one.
    pub(in crate::store) failure: Option<Failure>,
    /// The store asked for fewer requests, or did not keep up.
    pub(in crate::store) throttled: bool,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Failure {
    /// The name of the host is not known.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No connection came about in time.
    ConnectTimeout,
    /// The connection broke.
    Broken,
    /// Nothing moved for too long.
    Stalled,
    /// Something moved, too slowly to wait for the end.
    TooSlow,
    /// The proxy refuses.
    Proxy(&'static str),
    /// The proxy wants to know who asks.
    ProxyLogin,
    /// No trust, in words.
    Tls(String),
    /// No credentials were set, and there is no service beside this machine that gives some out.
    NoMetadata,
    /// Plain HTTP was not allowed.
    PlainHttp,
    /// The server got other bytes than were sent.
    Checksum,
    /// What came makes no sense for a listing or a deletion.
    Garbled,
    /// There is always another page, and nothing on it.
    Endless,
    /// Anything else.
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the name of the host is not known",
            Self::Refused => "nothing listens there: the connection was refused",
            Self::ConnectTimeout => "no connection came about in time",
            Self::Broken => "the connection broke",
            Self::Stalled => "nothing was moved for too long",
            Self::TooSlow => "the transfer was too slow",
            Self::Proxy(why) => return write!(f, "the proxy is in the way: {why}"),
            Self::ProxyLogin => "the proxy wants a user name and a password",
            Self::Tls(why) => return write!(f, "TLS failed: {why}"),
            Self::NoMetadata => "no credentials are set, and no metadata service gives some out",
            Self::PlainHttp => "plain HTTP is not allowed",
            Self::Checksum => "the store got other bytes than were sent",
            Self::Garbled => "what it answered makes no sense",
            Self::Endless => ENDLESS,
            Self::Other => "the request could not be made",
        })
    }
}

/// What one call of the store's library is told by its transport.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Call(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reply: Reply,
    not_before: Option<Instant>,
    /// Requests for pages of a listing since the last one that had a name on it.
    pages: u32,
}

tokio::task_local! {
    /// The call that this task is making.
    pub(in crate::store) static CALL: Call;
}

impl Call {
    pub(in crate::store) fn reply(&self) -> Reply {
        self.state().reply.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request begins. One that the library repeats on its own waits for as long as the server wanted.
pub(super) async fn begin(kind: Kind) {
    let not_before = with(|state| {
        let (throttled, is_of_credentials) = (state.reply.throttled, kind == Kind::Other);
        state.pages += u32::from(kind == Kind::List);
        state.reply = Reply { throttled, is_of_credentials, ..Reply::default() };
        state.not_before.take()
    });
    if let Some(Some(at)) = not_before {
        tokio::time::sleep_until(at).await;
    }
}

/// A page of a listing had a name on it.
pub(in crate::store) fn note_name() {
    with(|state| state.pages = 0);
}

/// Whether this call asks for more pages than anybody waits for.
pub(super) fn is_endless() -> bool {
    with(|state| state.pages > MOST_PAGES).unwrap_or(false)
}

/// The head of a reply came.
pub(super) fn note_head(status: StatusCode, headers: &HeaderMap) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    with(|state| {
        let reply = &mut state.reply;
        reply.status = Some(status.as_u16());
        reply.region = text("x-amz-bucket-region").map(str::to_owned);
        reply.location = text("location").map(str::to_owned);
        reply.html = text("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        reply.code = text("x-ms-error-code").map(str::to_owned);
        let now = jiff::Timestamp::now();
        reply.ahead = text("date").and_then(date).map(|date| now.as_second() - date.as_second());
        reply.retry_after = headers.get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
        if let (Some(wait), true) = (reply.retry_after, !status.is_success()) {
            state.not_before = Some(Instant::now() + wait.min(MAX_RETRY_AFTER));
        }
        reply.throttled |= matches!(status.as_u16(), 429 | 503);
    });
}

/// The body of a reply that is no success.
pub(super) fn note_error_body(body: &str) {
    with(|state| {
        let reply = &mut state.reply;
        let start = body.trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t']);
        let is_page = ["<!doctype html", "<html"]
            .iter()
            .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        reply.html = is_page;
        if is_page {
            return;
        }
        reply.code = reply.code.take().or_else(|| element(body, "Code")).or_else(|| json_code(body));
        reply.message = element(body, "Message");
        if let Some(detail) = element(body, "AuthenticationErrorDetail") {
            reply.message = Some(format!("{} {detail}", reply.message.as_deref().unwrap_or_default()));
        }
        let region = || element(body, "Region").or_else(|| region_of_endpoint(&element(body, "Endpoint")?));
        reply.region = reply.region.take().or_else(region);
        reply.throttled |= matches!(reply.code.as_deref(), Some("SlowDown" | "ServerBusy" | "TooManyRequests"));
    });
}

/// No reply came, or the body of one broke off.
pub(super) fn note_failure(failure: Failure) {
    with(|state| {
        state.reply.throttled |= matches!(failure, Failure::Stalled | Failure::TooSlow | Failure::ConnectTimeout);
        state.reply.failure = Some(failure);
    });
}

fn with<T>(f: impl FnOnce(&mut State) -> T) -> Option<T> {
    CALL.try_with(|call| f(&mut call.state())).ok()
}

/// Seconds, or a date.
fn retry_after(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(Duration::from_secs(u64::try_from(date(text)?.as_second() - now.as_second()).unwrap_or(0))),
    }
}

/// A date of HTTP is one of mail, in UTC.
fn date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|date| date.timestamp())
}

/// The text of the first such element. Error bodies are flat, and nothing but messages depends on this.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (text.len() <= 1024).then(|| text.trim().to_owned())
}

/// `{"error": "invalid_grant"}` of OAuth, `{"error": {"status": "PERMISSION_DENIED"}}` of Google.
fn json_code(body: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    let error = json.get("error").or_else(|| json.get("code"))?;
    error.as_str().or_else(|| error.get("status")?.as_str()).map(str::to_owned)
}

/// `bucket.s3.eu-west-1.amazonaws.com` or `s3-eu-west-1.amazonaws.com`.
fn region_of_endpoint(endpoint: &str) -> Option<String> {
    let host = endpoint.strip_suffix(".amazonaws.com")?;
    let region = host.rsplit_once("s3")?.1.trim_start_matches(['.', '-']);
    (!region.is_empty()).then(|| region.to_owned())
}

/// Servers may want more; then the run fails sooner than it waits.
pub(in crate::store) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

pub(in crate::store) const ENDLESS: &str = "there is always another page, with no name on it";
/// Pages may be empty where much was deleted. A library that collects folders tells of none before the end, and each of its
/// pages has a thousand.
const MOST_PAGES: u32 = if cfg!(test) { 512 } else { 4096 };

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let call = Call::default();
        let note = async {
            begin(Kind::Get).await;
            let headers = headers
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a value")));
            note_head(StatusCode::from_u16(status).expect("a status"), &headers.collect());
            note_error_body(body);
        };
        CALL.scope(call.clone(), note).await;
        call.reply()
    }

    #[tokio::test]
    async fn errors_of_all_dialects_are_read() {
        let s3 = "<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>Reduce.</Message></Error>";
        let reply = said(503, &[("retry-after", "7")], s3).await;
        assert_eq!((reply.code.as_deref(), reply.message.as_deref()), (Some("SlowDown"), Some("Reduce.")));
        assert_eq!((reply.status, reply.retry_after, reply.throttled), (Some(503), Some(Duration::from_secs(7)), true));
        let reply = said(403, &[("x-ms-error-code", "AuthenticationFailed")], "").await;
        assert_eq!(reply.code.as_deref(), Some("AuthenticationFailed"));
        let reply = said(400, &[], r#"{"error": "invalid_grant", "error_description": "x"}"#).await;
        assert_eq!(reply.code.as_deref(), Some("invalid_grant"));
        let reply = said(403, &[], r#"{"error": {"code": 403, "status": "PERMISSION_DENIED"}}"#).await;
        assert_eq!(reply.code.as_deref(), Some("PERMISSION_DENIED"));
        let body = "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-central-1.amazonaws.com</Endpoint></Error>";
        assert_eq!(said(301, &[], body).await.region.as_deref(), Some("eu-central-1"));
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
        assert_eq!(said(400, &[], body).await.region.as_deref(), Some("eu-west-3"));
        assert_eq!(said(301, &[("x-amz-bucket-region", "x-1")], "").await.region.as_deref(), Some("x-1"));
        assert!(said(200, &[], "\n<!DOCTYPE HTML><html>log in</html>").await.html);
        assert!(!said(403, &[("content-type", "text/html")], s3).await.html, "some servers call everything HTML");
    }

    #[tokio::test]
    async fn dates_tell_waits_and_clocks() {
        let now = jiff::Timestamp::now();
        let at = |seconds: i64| {
            let date = now + jiff::SignedDuration::from_secs(seconds);
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).expect("a date")
        };
        let reply = said(503, &[("retry-after", &at(20)), ("date", &at(-3600))], "").await;
        assert!((18..=20).contains(&reply.retry_after.expect("a wait").as_secs()));
        assert!((3599..=3602).contains(&reply.ahead.expect("a date")));
        let reply = said(503, &[("retry-after", &at(-20)), ("date", "yesterday")], "").await;
        assert_eq!((reply.retry_after, reply.ahead), (Some(Duration::ZERO), None));
        assert_eq!(said(503, &[("retry-after", "soon")], "").await.retry_after, None);
    }
}
