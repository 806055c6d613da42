//! Workload identity federation: a token of somebody else is exchanged for one of Google, as https://google.aip.dev/auth/4117
//! says. The library does not know such files.

use super::credential::{Cache, ask};
use crate::store::BoxError;
use crate::store::transport::Transport;
use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::StatusCode;
use object_store::client::{CredentialProvider, HttpError, HttpErrorKind};
use object_store::gcp::GcpCredential;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// What a file of type `external_account` says.
pub(super) struct External {
    config: Config,
    transport: Transport,
    cache: Cache<GcpCredential>,
}

impl External {
    pub(super) fn parse(json: &str, transport: &Transport) -> Result<Self, BoxError> {
        // What a parser says of a file shows what is in it.
        let config: Config = serde_json::from_str(json)
            .map_err(|_| "it lacks what a credential of type \"external_account\" has to say")?;
        let source = &config.credential_source;
        let other = match () {
            () if source.executable.is_some() => Some("a program (executable)"),
            () if source.environment_id.is_some() => Some("the environment of AWS (environment_id)"),
            () if source.certificate.is_some() => Some("a certificate"),
            () => None,
        };
        if let Some(other) = other {
            return Err(format!("its token comes from {other}; only a file or a url is supported").into());
        }
        match (&source.file, &source.url) {
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err("its credential_source has to name a file or a url, and not both".into()),
        }
        if !matches!(source.format.kind.as_str(), "" | "text" | "json") {
            return Err("the format of its token is neither text nor json".into());
        }
        Ok(Self { config, transport: transport.clone(), cache: Cache::default() })
    }

    /// Whose the tokens are, if a service account's.
    pub(super) fn account(&self) -> Option<&str> {
        let (_, rest) = self.config.service_account_impersonation_url.as_deref()?.rsplit_once("/serviceAccounts/")?;
        Some(rest.split_once(':')?.0)
    }

    async fn fetch(&self) -> Result<(GcpCredential, Option<SystemTime>), BoxError> {
        let subject = self.subject().await?;
        let (token, expires) = self.exchange(&subject).await?;
        let (token, expires) = match &self.config.service_account_impersonation_url {
            Some(url) => self.impersonate(url, &token).await?,
            None => (token, expires),
        };
        Ok((GcpCredential { bearer: token.to_string() }, Some(expires)))
    }

    /// The token of the other side. It is read again each time: others renew it.
    async fn subject(&self) -> Result<Zeroizing<String>, BoxError> {
        let source = &self.config.credential_source;
        let (text, whence) = match (&source.file, &source.url) {
            (Some(path), _) => (read(path)?, path.display().to_string()),
            (None, url) => {
                let url = url.as_deref().unwrap_or_default();
                let headers = source.headers.iter();
                let request = headers
                    .fold(http::Request::get(url), |request, (name, value)| request.header(name, value.0.as_str()));
                let reply = self.said(request.body(Bytes::new())?).await?;
                let text = std::str::from_utf8(&reply).map_err(|_| format!("{} gives no text", host(url)))?;
                (Zeroizing::new(text.to_owned()), host(url))
            }
        };
        let token = match source.format.kind.as_str() {
            "json" => {
                let field = source.format.subject_token_field_name.as_deref().unwrap_or("access_token");
                let json: serde_json::Value =
                    serde_json::from_str(&text).map_err(|_| format!("{whence} gives no JSON"))?;
                let token = json.get(field).and_then(|token| token.as_str());
                Zeroizing::new(token.ok_or_else(|| format!("{whence} gives no {field:?}"))?.to_owned())
            }
            _ => Zeroizing::new(text.trim().to_owned()),
        };
        if token.is_empty() { Err(format!("{whence} gives an empty token").into()) } else { Ok(token) }
    }

    async fn exchange(&self, subject: &str) -> Result<(Zeroizing<String>, SystemTime), BoxError> {
        let config = &self.config;
        let mut request = http::Request::post(&config.token_url)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(id) = &config.client_id {
            let secret = config.client_secret.as_ref().map_or("", |secret| secret.0.as_str());
            let both = Zeroizing::new(format!("{id}:{secret}"));
            request = request.header(http::header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(&*both)));
        }
        let asked = SystemTime::now();
        let reply: Exchanged = self.answer(request.body(self.form(subject).into())?).await?;
        Ok((reply.access_token.0, asked + Duration::from_secs(reply.expires_in.unwrap_or(LIFETIME).min(A_DAY))))
    }

    fn form(&self, subject: &str) -> String {
        let config = &self.config;
        // Whoever may only become a service account needs more than the storage for that.
        let scope = if config.service_account_impersonation_url.is_some() { ANY_SCOPE } else { SCOPE };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
            .append_pair("audience", &config.audience)
            .append_pair("scope", scope)
            .append_pair("subject_token_type", &config.subject_token_type)
            .append_pair("subject_token", subject);
        if let (Some(project), None) = (&config.workforce_pool_user_project, &config.client_id) {
            form.append_pair("options", &serde_json::json!({ "userProject": project }).to_string());
        }
        form.finish()
    }

    async fn impersonate(&self, url: &str, token: &str) -> Result<(Zeroizing<String>, SystemTime), BoxError> {
        let lifetime = self.config.service_account_impersonation.token_lifetime_seconds.unwrap_or(LIFETIME);
        let body = serde_json::json!({ "scope": [SCOPE], "lifetime": format!("{lifetime}s") });
        let request = http::Request::post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        let reply: Impersonated = self.answer(request.body(body.to_string().into())?).await?;
        let expires: jiff::Timestamp =
            reply.expire_time.parse().map_err(|_| format!("{} says no time of expiry", host(url)))?;
        Ok((reply.access_token.0, expires.into()))
    }

    async fn answer<T: DeserializeOwned>(&self, request: http::Request<Bytes>) -> Result<T, BoxError> {
        let host = host(&request.uri().to_string());
        let reply = self.said(request).await?;
        serde_json::from_slice(&reply).map_err(|_| format!("{host} answers with something that is no token").into())
    }

    async fn said(&self, request: http::Request<Bytes>) -> Result<Bytes, BoxError> {
        let host = host(&request.uri().to_string());
        let reply = ask(&self.transport, request).await?;
        let status = reply.status();
        if status.is_success() {
            return Ok(reply.into_body());
        }
        let refused = format!("{host} answers {}{}", status.as_u16(), reason(reply.body()));
        // Whoever repeats requests sees that this one is worth it.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::new_boxed(HttpErrorKind::Interrupted, refused.into()).into());
        }
        Err(refused.into())
    }
}

#[async_trait]
impl CredentialProvider for External {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let failed = |source| object_store::Error::Unauthenticated { path: String::new(), source };
        self.cache.get(self.fetch()).await.map_err(failed)
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Config {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Source,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    service_account_impersonation: Impersonation,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    workforce_pool_user_project: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    format: Format,
    executable: Option<IgnoredAny>,
    environment_id: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(rename = "type", default)]
    kind: String,
    subject_token_field_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u64>,
}

/// Wiped when it is dropped, and never shown.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

#[derive(Deserialize)]
struct Exchanged {
    access_token: Secret,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: Secret,
    expire_time: String,
}

fn read(path: &Path) -> Result<Zeroizing<String>, BoxError> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_TOKEN).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Queries and paths of such URLs may hold secrets.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "no host".into())
}

/// `{"error": "invalid_grant", "error_description": "..."}`, or `{"error": {"message": "..."}}`.
fn reason(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let words = [&json["error"], &json["error_description"], &json["error"]["message"]];
    let words: Vec<&str> = words.into_iter().filter_map(|word| word.as_str()).collect();
    let text: String = words.join(": ").chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { text } else { format!(" ({text})") }
}

/// As the library asks for with the key of a service account.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";
const ANY_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// In seconds, where nothing is said.
const LIFETIME: u64 = 3600;
const A_DAY: u64 = 24 * 3600;
/// Tokens have a few kilobytes.
const MAX_TOKEN: u64 = 64 << 10;
