//! The role of a container (ECS, EKS Pod Identity), as AWS's tools ask for it: a GET at an address that the environment names,
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>. The library of the stores does not know
//! all of it, and takes the role of the instance where it does not; that of AWS signs with cryptography of its own.

use super::Environment;
use super::credential::{Cache, CredentialError, ask};
use crate::store::BoxError;
use crate::store::transport::{Transport, is_loopback};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use object_store::aws::AwsCredential;
use object_store::client::{CredentialProvider, HttpError, HttpErrorKind};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// What the environment says of a container.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    url: String,
    token: Token,
}

#[derive(PartialEq, Eq)]
enum Token {
    None,
    /// Read again each time: others renew it.
    File(PathBuf),
    Given(Zeroizing<String>),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::File(_) => "File",
            Self::Given(_) => "Given",
        })
    }
}

/// Asks for the credentials of a container's role.
pub(super) struct ContainerRole {
    asked: Asked,
    transport: Transport,
    cache: Cache<AwsCredential>,
}

impl ContainerRole {
    /// `None`: the environment says nothing of a container.
    pub(super) fn of(environment: &Environment, transport: &Transport) -> Result<Option<Self>, CredentialError> {
        let asked = asked(environment)?;
        Ok(asked.map(|asked| Self { asked, transport: transport.clone(), cache: Cache::default() }))
    }

    async fn fetch(&self) -> Result<(AwsCredential, Option<SystemTime>), BoxError> {
        let mut request = http::Request::get(&self.asked.url);
        let token = match &self.asked.token {
            Token::None => None,
            Token::Given(token) => Some(token.clone()),
            Token::File(path) => {
                let read = std::fs::read_to_string(path);
                Some(Zeroizing::new(read.map_err(|error| format!("cannot read {}: {error}", path.display()))?))
            }
        };
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.trim()).map_err(|_| "its authorization token is none")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let reply = ask(&self.transport, request.body(Bytes::new())?).await?;
        if !reply.status().is_success() {
            return Err(format!("it answered {}", reply.status()).into());
        }
        // What a parser says of a reply shows what is in it.
        let given: Given = serde_json::from_slice(reply.body()).map_err(|_| "what it answered is no credential")?;
        let expires = given.expiration.and_then(|time| time.parse::<jiff::Timestamp>().ok()).map(SystemTime::from);
        let Given { access_key_id: key_id, secret_access_key: secret_key, token, .. } = given;
        Ok((AwsCredential { key_id, secret_key, token }, expires))
    }
}

/// Which address is asked, and with what.
fn asked(environment: &Environment) -> Result<Option<Asked>, CredentialError> {
    let url = match (environment.text(RELATIVE), environment.text(FULL)) {
        (Some(path), _) => format!("http://{ECS}{path}"),
        (None, Some(url)) => url,
        (None, None) => return Ok(None),
    };
    let refused = |why: &str| CredentialError::Failed { credential: NAME.into(), source: why.into() };
    let parsed = url::Url::parse(&url).map_err(|_| refused("the address that the environment names is no URL"))?;
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // In clear a token goes no further than to who gives out credentials.
    let is_near = is_loopback(host) || [ECS, EKS, EKS_V6].contains(&host);
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_near) {
        return Err(refused("the address that the environment names is neither https nor one of AWS's own"));
    }
    let token = match (environment.path(TOKEN_FILE), environment.text(TOKEN)) {
        (Some(file), _) => Token::File(file),
        (None, Some(token)) => Token::Given(Zeroizing::new(token)),
        (None, None) => Token::None,
    };
    Ok(Some(Asked { url, token }))
}

#[async_trait]
impl CredentialProvider for ContainerRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.cache.get(self.fetch()).await.map_err(|source| match source.downcast::<HttpError>() {
            Ok(error) if matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout) => {
                object_store::Error::Generic { store: "credential", source: error }
            }
            Ok(error) => object_store::Error::Unauthenticated { path: String::new(), source: error },
            Err(source) => object_store::Error::Unauthenticated { path: String::new(), source },
        })
    }
}

impl fmt::Debug for ContainerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerRole").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// What this credential is called.
pub(super) const NAME: &str = "role of the container";
pub(super) const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(super) const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const ECS: &str = "169.254.170.2";
const EKS: &str = "169.254.170.23";
const EKS_V6: &str = "fd00:ec2::23";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn what_is_asked() {
        let url = |variables: &[_]| asked(&Environment::of(variables)).map(|asked| asked.map(|asked| asked.url));
        assert_eq!(url(&[]).expect("nothing"), None);
        assert_eq!(url(&[(RELATIVE, "/v2/x")]).expect("an address").as_deref(), Some("http://169.254.170.2/v2/x"));
        for near in ["http://127.0.0.1:9/x", "http://[::1]/x", "http://169.254.170.23/v1", "http://[fd00:ec2::23]/v1"] {
            let asked = asked(&Environment::of(&[(FULL, near)]));
            assert_eq!(asked.expect("allowed").expect("an address").url, near);
        }
        assert!(url(&[(FULL, "https://example.org/x")]).is_ok());
        for far in ["http://example.org/x", "http://169.254.169.254/x", "http://10.0.0.1/", "ftp://127.0.0.1/", "x"] {
            let asked = asked(&Environment::of(&[(FULL, far)]));
            assert!(matches!(asked, Err(CredentialError::Failed { .. })), "{far}");
        }
        let token = |variables: &[_]| asked(&Environment::of(variables)).expect("allowed").expect("an address").token;
        assert_eq!(token(&[(RELATIVE, "/x"), (TOKEN, "t")]), Token::Given("t".to_owned().into()));
        assert_eq!(token(&[(RELATIVE, "/x"), (TOKEN, "t"), (TOKEN_FILE, "/f")]), Token::File("/f".into()));
    }

    /// What is asked for is asked at the address that was named, with the token, and nowhere else.
    #[tokio::test]
    async fn it_is_asked_with_its_token() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/creds", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let replies = ["HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned(), {
                let body =
                    r#"{"AccessKeyId":"k","SecretAccessKey":"s","Token":"t","Expiration":"2126-01-01T00:00:00Z"}"#;
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }];
            replies.map(|reply| {
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let mut request = vec![0; 4096];
                let len = stream.read(&mut request).expect("a request");
                stream.write_all(reply.as_bytes()).expect("sent");
                String::from_utf8_lossy(&request[..len]).into_owned()
            })
        });
        let transport = super::super::transport(&StoreOptions::default(), false, Default::default()).ok().expect("one");
        let environment = Environment::of(&[(FULL, &*url), (TOKEN, "canary")]);
        let role = ContainerRole::of(&environment, &transport).expect("allowed").expect("a role");
        let refused = role.get_credential().await.expect_err("403");
        assert!(crate::chain(&refused).contains("403") && !crate::chain(&refused).contains("canary"), "{refused:?}");
        let given = role.get_credential().await.expect("a credential");
        assert_eq!((&*given.key_id, &*given.secret_key, given.token.as_deref()), ("k", "s", Some("t")));
        role.get_credential().await.expect("kept until it expires");
        for request in server.join().expect("two requests") {
            assert!(request.starts_with("GET /creds ") && request.contains("authorization: canary"), "{request}");
        }
    }
}
