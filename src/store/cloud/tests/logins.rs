//! Services that give out credentials, on loopback, with TLS and a certificate that only `--ca-cert` makes good.

use super::*;
use futures::TryStreamExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, Mutex};

/// What a service was asked.
#[derive(Clone, Debug)]
struct Asked {
    /// Method and path.
    what: String,
    /// In lower case, as it is all that is looked for.
    head: String,
    body: String,
}

/// A service that answers with what a function makes of a request: the status line's end, and a body.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    fn start(answer: impl Fn(&Asked) -> (&'static str, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("the key of the certificate");
        let (config, answer, asked) = (Arc::new(config), Arc::new(answer), Arc::<Mutex<Vec<Asked>>>::default());
        let service = Self { url, asked: asked.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, answer, asked) = (config.clone(), answer.clone(), asked.clone());
                std::thread::spawn(move || {
                    let connection = rustls::ServerConnection::new(config).expect("a connection");
                    let mut stream = rustls::StreamOwned::new(connection, stream.expect("a connection"));
                    // A client that trusts nobody ends it here.
                    while let Some(request) = next(&mut stream) {
                        let (status, body) = answer(&request);
                        asked.lock().expect("no panic").push(request);
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        service
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn next(stream: &mut impl Read) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, _) = head.split_once("\r\n")?;
    let what = line.rsplit_once(' ')?.0.to_owned();
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { what, head, body: String::from_utf8(body).ok()? })
}

/// The store is opened with the authority of the tests, or without.
async fn open_with(world: &World, url: &str, settings: &[&str], is_trusted: bool) -> Result<Opened, StoreError> {
    let mut options = StoreOptions::default();
    for setting in settings {
        options.set(setting).expect(setting);
    }
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/cloud/tests/tls/ca.pem");
    options.ca_cert = is_trusted.then(|| authority.into());
    open(&StoreUrl::parse(url).expect(url), &options, &world.environment(), url).await
}

#[tokio::test]
async fn a_role_of_a_profile_is_asked_for_with_our_certificates_and_counted() {
    let sts = Service::start(|asked| match asked.body.contains("Action=AssumeRole&") {
        true => ("200 OK", ASSUMED.to_owned()),
        false => ("400 Bad Request", String::new()),
    });
    let world = World::new(&[NO_METADATA]);
    world.file(
        ".aws/config",
        &format!(
            "[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\nservices = here\n\
             [profile keys]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cr3t\n\
             [services here]\nsts =\n  endpoint_url = {}\n",
            sts.url
        ),
    );
    let settings = [ENDPOINT, "profile=r", "region=eu-west-1"];
    let error = open_with(&world, S3, &settings, false).await.err().expect("nobody trusts it");
    assert!(matches!(&error, StoreError::Credential { source: CredentialError::Failed { .. }, .. }), "{error}");
    assert!(crate::chain(&error).contains("unknown authority"), "{}", crate::chain(&error));
    assert_eq!(sts.asked().len(), 0);

    let opened = open_with(&world, S3, &settings, true).await.unwrap_or_else(|e| panic!("{}", crate::chain(&e)));
    assert!(opened.credential.starts_with("profile 'r'"), "{}", opened.credential);
    let [asked] = &sts.asked()[..] else { panic!("one login: {:?}", sts.asked()) };
    assert_eq!(asked.what, "POST /");
    assert!(asked.head.contains("credential=akia1/"), "{}", asked.head);
    let counted = opened.transport.counters().read();
    assert_eq!(counted.other.requests, 1);
    assert_eq!((counted.other.sent, counted.other.received), (asked.body.len() as u64, ASSUMED.len() as u64));
    assert_eq!(counted.total().requests, 1);
}

#[tokio::test]
async fn a_service_that_refuses_a_role_says_so() {
    let sts = Service::start(|_| ("403 Forbidden", DENIED.to_owned()));
    let world = World::new(&[NO_METADATA]);
    let token = world.file("token", "t0k3n");
    world.file(
        ".aws/config",
        &format!(
            "[profile w]\nrole_arn = arn:aws:iam::123456789012:role/w\nweb_identity_token_file = {token}\n\
             endpoint_url = {}\n",
            sts.url
        ),
    );
    let error = open_with(&world, S3, &[ENDPOINT, "profile=w", "region=eu-west-1"], true).await.err().expect("refused");
    let chain = crate::chain(&error);
    assert!(chain.contains("AccessDenied") && chain.contains("not for you"), "{chain}");
    assert!(!chain.contains("t0k3n"), "{chain}");
    assert!(sts.asked()[0].body.contains("AssumeRoleWithWebIdentity"), "{:?}", sts.asked());
}

/// All that Google does here, under one name: a page without objects, tokens for the other side's and tokens for those.
fn google(expires_in: u32) -> Service {
    Service::start(move |asked| {
        let says = |text: &str| asked.head.contains(text) || asked.body.contains(text);
        let path = asked.what.as_str();
        if path == "GET /subject?key=s3cr3t" && says("x-who: me\r\n") {
            ("200 OK", "subj3ct\n".to_owned())
        } else if path == "POST /v1/token" && says("subject_token=subj3ct") {
            ("200 OK", format!(r#"{{"access_token":"f3derated","token_type":"Bearer","expires_in":{expires_in}}}"#))
        } else if path == "POST /v1/token" {
            ("400 Bad Request", r#"{"error":"invalid_grant","error_description":"whose is that?"}"#.to_owned())
        } else if path.ends_with("/serviceAccounts/me@example:generateAccessToken") && says("bearer f3derated\r\n") {
            ("200 OK", r#"{"accessToken":"acc0unt","expireTime":"2199-01-01T00:00:00Z"}"#.to_owned())
        } else if path.starts_with("GET /b?") && (says("bearer acc0unt\r\n") || says("bearer f3derated\r\n")) {
            ("200 OK", "<ListBucketResult></ListBucketResult>".to_owned())
        } else {
            ("403 Forbidden", String::new())
        }
    })
}

/// A file of type `external_account`, opened. What is listed twice is nothing.
async fn list(world: &mut World, service: &Service, more: &str) -> Result<Opened, String> {
    let file = format!(
        r#"{{"type":"external_account","audience":"//iam/x","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",
        "token_url":"{}/v1/token",{}}}"#,
        service.url,
        more.replace("HERE", &service.url)
    );
    world.set("GOOGLE_APPLICATION_CREDENTIALS", world.file("external.json", &file));
    let said = |error: &(dyn std::error::Error + 'static)| crate::chain(error);
    let endpoint = format!("endpoint={}", service.url);
    let opened = open_with(world, "gs://b", &[&endpoint], true).await.map_err(|error| said(&error))?;
    for _ in 0..2 {
        let listed: Vec<_> = opened.objects.list(None).try_collect().await.map_err(|error| said(&error))?;
        assert!(listed.is_empty());
    }
    Ok(opened)
}

fn paths(service: &Service) -> Vec<String> {
    let path = |asked: &Asked| asked.what.split(['?', ' ']).nth(1).expect("a path").to_owned();
    service.asked().iter().map(path).collect()
}

#[tokio::test]
async fn a_token_of_a_file_becomes_one_of_a_service_account_of_google() {
    let service = google(3600);
    let mut world = World::new(&[]);
    let token = world.file("token", r#"{"mine":"subj3ct"}"#);
    let source = format!(
        r#""credential_source":{{"file":"{token}","format":{{"type":"json","subject_token_field_name":"mine"}}}},
        "service_account_impersonation_url":"HERE/v1/projects/-/serviceAccounts/me@example:generateAccessToken""#
    );
    let opened = list(&mut world, &service, &source).await.expect("listed");
    assert!(opened.credential.starts_with("workload identity as me@example, "), "{}", opened.credential);
    let account = "/v1/projects/-/serviceAccounts/me@example:generateAccessToken";
    assert_eq!(paths(&service), ["/v1/token", account, "/b", "/b"], "one exchange for all requests");
    let asked = service.asked();
    for pair in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "audience=%2F%2Fiam%2Fx",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
        "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform",
    ] {
        assert!(asked[0].body.split('&').any(|other| other == pair), "{pair}: {}", asked[0].body);
    }
    assert!(asked[1].body.contains("devstorage.full_control") && asked[1].body.contains("3600s"), "{}", asked[1].body);
    assert!(asked[2].head.contains("authorization: bearer acc0unt"), "{}", asked[2].head);
    let counted = opened.transport.counters().read();
    assert_eq!((counted.other.requests, counted.list.requests), (2, 2));
}

#[tokio::test]
async fn a_token_of_a_url_is_asked_for_again_when_it_is_about_to_expire() {
    let service = google(60);
    let source = r#""credential_source":{"url":"HERE/subject?key=s3cr3t","headers":{"x-who":"me"}}"#;
    let opened = list(&mut World::new(&[]), &service, source).await.expect("listed");
    assert!(opened.credential.starts_with("workload identity, "), "{}", opened.credential);
    assert_eq!(paths(&service), ["/subject", "/v1/token", "/b", "/subject", "/v1/token", "/b"]);
    assert!(service.asked()[1].body.contains("devstorage.full_control"));
}

#[tokio::test]
async fn federation_that_cannot_be_says_why_and_tells_no_secret() {
    let service = google(3600);
    let mut world = World::new(&[]);
    let wrong = world.file("wrong", "s3cr3t");
    let empty = world.file("empty", "\n");
    for (source, said) in [
        (r#"{"executable":{"command":"/bin/s3cr3t"}}"#.to_owned(), "only a file or a url is supported"),
        (r#"{"environment_id":"aws1","url":"http://169.254.169.254/x"}"#.to_owned(), "the environment of AWS"),
        ("{}".to_owned(), "has to name a file or a url"),
        (r#"{"file":"/x","format":{"type":"xml"}}"#.to_owned(), "neither text nor json"),
        (format!(r#"{{"file":"{wrong}"}}"#), "localhost answers 400 (invalid_grant: whose is that?)"),
        (format!(r#"{{"file":"{wrong}","format":{{"type":"json"}}}}"#), "gives no JSON"),
        (format!(r#"{{"file":"{empty}"}}"#), "an empty token"),
        (r#"{"file":"/nowhere/token"}"#.to_owned(), "/nowhere/token cannot be read"),
        (r#"{"url":"HERE/subject?key=wrong"}"#.to_owned(), "localhost answers 403"),
    ] {
        let error = list(&mut world, &service, &format!(r#""credential_source":{source}"#)).await.err().expect(said);
        assert!(error.contains(said) && error.contains("external.json"), "{said}: {error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>\
    <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2199-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>this role is not for you</Message></Error></ErrorResponse>";
