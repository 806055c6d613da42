//! Services that give out credentials, on loopback, with TLS and a certificate that only `--ca-cert` makes good.

use super::*;
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

const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>\
    <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2199-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>this role is not for you</Message></Error></ErrorResponse>";
