mod logins;

use super::*;
use crate::store::StoreUrl;
use object_store::client::CredentialProvider;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

/// A home folder and what is in the environment.
struct World {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl World {
    /// No metadata service is ever asked, unless a test names one.
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut world = Self { home, variables: Vec::new() };
        world.set("HOME", world.home.path().to_str().expect("UTF-8").to_owned());
        for (name, value) in variables {
            world.set(name, (*value).to_owned());
        }
        world
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value));
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
        fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn script(&self, name: &str, lines: &str) -> String {
        let path = self.file(name, &format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("executable");
        path
    }

    fn environment(&self) -> Environment {
        let variables: Vec<(&'static str, &str)> =
            self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Environment::of(&variables)
    }

    async fn open(&self, url: &str, settings: &[&str]) -> Result<Opened, StoreError> {
        let mut options = StoreOptions::default();
        for setting in settings {
            options.set(setting).expect(setting);
        }
        let url = StoreUrl::parse(url).expect(url);
        open(&url, &options, &self.environment(), &url.to_string()).await
    }

    /// Which credential is used.
    async fn credential(&self, url: &str, settings: &[&str]) -> String {
        self.open(url, settings).await.unwrap_or_else(|error| panic!("{}", crate::chain(&error))).credential
    }

    async fn error(&self, url: &str, settings: &[&str]) -> StoreError {
        self.open(url, settings).await.err().expect("an error")
    }
}

/// For providers of the library of AWS.
fn requests() -> Transport {
    let transport = super::transport(&StoreOptions::default(), false, UploadCheck::None);
    transport.unwrap_or_else(|error| panic!("{}", error.at(S3)))
}

const S3: &str = "s3://bucket/prefix";
/// Nothing listens there, and opening a store asks it for nothing.
const ENDPOINT: &str = "endpoint=http://127.0.0.1:9";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")];
const NO_METADATA: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[tokio::test]
async fn keys_of_the_environment_come_before_profiles_unless_one_is_named() {
    let mut world = World::new(&KEYS);
    world.file(".aws/credentials", "[default]\naws_access_key_id=a\naws_secret_access_key=b\n[work]\naws_access_key_id=c\naws_secret_access_key=d\n");
    assert_eq!(world.credential(S3, &[ENDPOINT]).await, "AWS_ACCESS_KEY_ID of the environment");
    world.set("AWS_SESSION_TOKEN", "token".into());
    assert!(world.credential(S3, &[ENDPOINT]).await.ends_with("with a session token"));
    let work = format!("profile 'work' of {}/.aws", world.home.path().display());
    assert_eq!(world.credential(S3, &[ENDPOINT, "profile=work"]).await, work);
    assert_eq!(world.credential(S3, &[ENDPOINT, "anonymous=true"]).await, "none, requests are not signed");

    let mut world = world;
    world.variables.retain(|(name, _)| !name.starts_with("AWS_"));
    assert!(world.credential(S3, &[ENDPOINT]).await.starts_with("profile 'default'"));
    world.set("AWS_PROFILE", "work".into());
    assert_eq!(world.credential(S3, &[ENDPOINT]).await, work);
}

#[tokio::test]
async fn half_a_credential_is_an_error_and_tells_no_secret() {
    for (name, value, missing) in [
        ("AWS_ACCESS_KEY_ID", "s3cr3t", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t", "AWS_ACCESS_KEY_ID"),
    ] {
        let error = World::new(&[(name, value), NO_METADATA]).error(S3, &[ENDPOINT]).await;
        assert_eq!(error.to_string(), format!("{S3}: {name} is set, and {missing} is not"));
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
    let error = World::new(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), NO_METADATA]).error(S3, &[ENDPOINT]).await;
    assert!(error.to_string().ends_with("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"));
    let error = World::new(&[("AZURE_CLIENT_SECRET", "s3cr3t"), ("AZURE_TENANT_ID", "t")]);
    let error = error.error("az://c", &["account=a"]).await;
    assert!(error.to_string().ends_with("AZURE_CLIENT_SECRET is set, and AZURE_CLIENT_ID is not"));
}

#[tokio::test]
async fn where_nothing_is_found_everything_that_was_looked_at_is_named() {
    let error = World::new(&[NO_METADATA]).error(S3, &[ENDPOINT]).await;
    let text = error.to_string();
    for place in [
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)",
        "~/.aws/config and ~/.aws/credentials (not there)",
        "AWS_WEB_IDENTITY_TOKEN_FILE (not set)",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "role of the instance (AWS_EC2_METADATA_DISABLED)",
    ] {
        assert!(text.contains(place), "{text}");
    }
    assert!(error.hints()[0].contains("AWS_PROFILE"));

    let error = World::new(&[("NO_GCE_CHECK", "true")]).error("gs://b", &[]).await.to_string();
    assert!(error.contains("GOOGLE_APPLICATION_CREDENTIALS (not set)"), "{error}");
    assert!(error.contains("application_default_credentials.json (not there)"), "{error}");

    let world = World::new(&[("IDENTITY_ENDPOINT", "http://127.0.0.1:9/token"), ("PATH", "/nowhere")]);
    let error = world.error("az://c", &["account=a"]).await.to_string();
    assert!(error.contains("managed identity (no answer"), "{error}");
    assert!(error.contains("login of the Azure CLI (not installed)"), "{error}");
}

#[tokio::test]
async fn profiles_without_credentials_are_passed_over_unless_they_are_named() {
    let world = World::new(&[NO_METADATA]);
    world.file(".aws/config", "[default]\nregion = eu-west-3\n");
    let error = world.error(S3, &[ENDPOINT]).await;
    assert!(matches!(&error, StoreError::Credential { source: CredentialError::Missing { .. }, .. }), "{error}");
    assert!(error.to_string().contains("(holds no credential)"), "{error}");
    for (settings, said) in [("profile=default", "it holds no credential"), ("profile=typo", "typo")] {
        let error = world.error(S3, &[ENDPOINT, settings]).await;
        assert!(matches!(&error, StoreError::Credential { source: CredentialError::Failed { .. }, .. }), "{error}");
        assert!(crate::chain(&error).contains(said), "{}", crate::chain(&error));
    }
    let error = World::new(&[("AWS_PROFILE", "work"), NO_METADATA]).error(S3, &[ENDPOINT]).await;
    assert!(crate::chain(&error).contains("there is neither"), "{}", crate::chain(&error));
}

#[tokio::test]
async fn a_credential_process_is_run_once_while_what_it_says_is_good() {
    let world = World::new(&[NO_METADATA]);
    let calls = world.home.path().join("calls");
    let expires = |time: &str| {
        world.script(
            "process",
            &format!(
                "echo x >> {}\necho '{{\"Version\":1,\"AccessKeyId\":\"AKIA2\",\"SecretAccessKey\":\"s3cr3t\",\"Expiration\":\"{time}\"}}'",
                calls.display()
            ),
        )
    };
    let script = expires("2199-01-01T00:00:00Z");
    world.file(".aws/config", &format!("[profile p]\ncredential_process = {script}\n"));
    let environment = world.environment();
    let profile = aws_profile::Profile::choose(Some("p"), &environment).expect("a profile");
    let provider = profile.credential("eu-west-1", &requests()).await.expect("a credential").expect("a credential");
    for _ in 0..3 {
        assert_eq!(provider.get_credential().await.expect("a credential").key_id, "AKIA2");
    }
    let count = || fs::read_to_string(&calls).expect("calls").lines().count();
    assert_eq!(count(), 1);
    assert!(!format!("{provider:?}").contains("s3cr3t"));

    // About to expire: asked for again each time it is used.
    let soon = jiff::Timestamp::now() + std::time::Duration::from_secs(60);
    expires(&soon.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let provider = profile.credential("eu-west-1", &requests()).await.expect("a credential").expect("a credential");
    provider.get_credential().await.expect("a credential");
    assert_eq!(count(), 3);
    // What was given still works when no more is given.
    world.script("process", "exit 1");
    assert_eq!(provider.get_credential().await.expect("the old one").key_id, "AKIA2");

    // What it writes for people is shown, what it writes for programs is not.
    world.script("process", "echo '{\"SecretAccessKey\":\"s3cr3t\"'");
    let error = crate::chain(&world.error(S3, &[ENDPOINT, "profile=p"]).await);
    assert!(error.contains("profile 'p'") && !error.contains("s3cr3t"), "{error}");
    world.script("process", "echo 'touch the key' >&2; exit 1");
    let error = crate::chain(&world.error(S3, &[ENDPOINT, "profile=p"]).await);
    assert!(error.contains("touch the key"), "{error}");
}

#[tokio::test]
async fn a_login_that_is_missing_is_asked_for() {
    let world = World::new(&[NO_METADATA]);
    world.file(
        ".aws/config",
        "[profile p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n\
         [sso-session s]\nsso_start_url = https://no-such-login.example/start\nsso_region = eu-west-1\n",
    );
    let error = world.error(S3, &[ENDPOINT, "profile=p"]).await;
    assert!(matches!(&error, StoreError::Credential { source: CredentialError::Failed { .. }, .. }), "{error}");
    assert!(error.hints()[0].contains("aws sso login"), "{:?} {}", error.hints(), crate::chain(&error));
}

#[tokio::test]
async fn a_metadata_service_that_does_not_answer_costs_two_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let world = World::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)]);
    let start = Instant::now();
    let error = world.error(S3, &[ENDPOINT]).await.to_string();
    assert!(error.contains("role of the instance (no answer"), "{error}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_instance_gives_its_role() {
    let metadata = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", metadata.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in metadata.incoming() {
            let mut stream = stream.expect("a connection");
            while let Some(path) = request(&mut stream) {
                let body = match path.as_str() {
                    "/latest/api/token" => "token",
                    "/latest/meta-data/iam/security-credentials/" => "role",
                    _ => {
                        r#"{"AccessKeyId":"AKIA3","SecretAccessKey":"s","Token":"t","Expiration":"2199-01-01T00:00:00Z"}"#
                    }
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).expect("answered");
            }
        }
    });
    let world = World::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)]);
    assert_eq!(world.credential(S3, &[ENDPOINT]).await, "role of the instance");
}

/// The path of the next request.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()?.split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn google_finds_files_and_tokens() {
    let mut world = World::new(&[("GOOGLE_ACCESS_TOKEN", "s3cr3t")]);
    let opened = world.open("gs://b", &[]).await.map_err(|e| e.to_string());
    assert_eq!(opened.map(|opened| opened.credential), Ok("GOOGLE_ACCESS_TOKEN of the environment".into()));
    let key = r#"{"private_key":"k","private_key_id":"i","client_email":"me@example","disable_oauth":true,"gcs_base_url":"http://127.0.0.1:9"}"#;
    let path = world.file("key.json", key);
    let named = world.credential("gs://b", &[&format!("service-account={path}")]).await;
    assert_eq!(named, format!("service account me@example, {path} of -o service-account"));
    world.variables.retain(|(name, _)| *name != "GOOGLE_ACCESS_TOKEN");
    world.set("GOOGLE_APPLICATION_CREDENTIALS", path);
    assert!(world.credential("gs://b", &[]).await.ends_with("of GOOGLE_APPLICATION_CREDENTIALS"));

    for (content, said) in [
        ("s3cr3t", "not the JSON of a credential"),
        (r#"{"type":"impersonated_service_account"}"#, "\"impersonated_service_account\" are not supported"),
        (r#"{"type":"external_account","audience":"s3cr3t"}"#, "lacks what a credential"),
    ] {
        world.set("GOOGLE_APPLICATION_CREDENTIALS", world.file("odd.json", content));
        let error = crate::chain(&world.error("gs://b", &[]).await);
        assert!(error.contains(said) && !error.contains("s3cr3t"), "{error}");
    }
    world.set("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json".into());
    assert!(world.error("gs://b", &[]).await.to_string().contains("/nowhere/key.json"));
    let login = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
    world.variables.retain(|(name, _)| *name != "GOOGLE_APPLICATION_CREDENTIALS");
    world.file(".config/gcloud/application_default_credentials.json", login);
    let credential = world.credential("gs://b", &[]).await;
    assert!(credential.starts_with("user, ") && credential.ends_with("of gcloud"), "{credential}");
}

#[tokio::test]
async fn azure_takes_keys_signatures_and_identities() {
    let azure = "az://container/prefix";
    let error = World::new(&[]).error(azure, &[]).await;
    assert!(matches!(&error, StoreError::Option { source: OptionError::Needs(_), .. }), "{error}");
    assert!(error.to_string().contains("AZURE_STORAGE_ACCOUNT_NAME"), "{error}");
    for (variables, credential) in [
        (vec![("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")], "AZURE_STORAGE_ACCOUNT_KEY of the environment"),
        (vec![("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=s3cr3t")], "AZURE_STORAGE_SAS_TOKEN of the environment"),
        (
            vec![("AZURE_CLIENT_ID", "c"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_SECRET", "s3cr3t")],
            "AZURE_CLIENT_SECRET of the environment, client c",
        ),
        (
            vec![("AZURE_CLIENT_ID", "c"), ("AZURE_TENANT_ID", "t"), ("AZURE_FEDERATED_TOKEN_FILE", "/token")],
            "workload identity, client c",
        ),
    ] {
        let mut world = World::new(&variables);
        world.set("AZURE_STORAGE_ACCOUNT_NAME", "account".into());
        assert_eq!(world.credential(azure, &[]).await, credential);
    }
    for (variable, value) in [("AZURE_STORAGE_ACCOUNT_KEY", "s3cr3t!"), ("AZURE_STORAGE_SAS_TOKEN", "s3cr3t")] {
        let error = World::new(&[(variable, value)]).error(azure, &["account=a"]).await;
        assert!(error.to_string().contains(variable), "{error}");
        assert!(!format!("{error:?} {}", crate::chain(&error)).contains("s3cr3t"), "{error:?}");
    }
}

#[tokio::test]
async fn options_that_do_not_fit_are_errors() {
    let world = World::new(&KEYS);
    for (url, setting) in [
        (S3, "sse=aes"),
        (S3, "sse-kms-key-id=key"),
        (S3, "checksum=crc32"),
        (S3, "path-style=maybe"),
        (S3, "endpoint=minio.example:9000"),
        (S3, "endpoint=http://minio.example"),
        (S3, "account=a"),
        (S3, "region=eu west"),
        (S3, "region=eu/west"),
        // Names of hosts that are none: the library would panic later.
        ("s3://my_bucket", "path-style=false"),
        ("s3://my.bucket", "path-style=false"),
        ("az://c", "account=My_Account"),
        ("gs://b", "region=eu"),
        ("gs://b", "endpoint=http://gcs.example"),
        ("az://c", "storage-class=Lukewarm"),
        ("az://c", "use-cli=perhaps"),
    ] {
        let with_account = url.starts_with("az") && !setting.starts_with("account");
        let settings: &[&str] = if with_account { &["account=a", setting] } else { &[setting] };
        let error = world.error(url, settings).await;
        assert!(matches!(&error, StoreError::Option { .. }), "{setting}: {error}");
        assert_eq!(error.trouble(), crate::Trouble::Usage);
    }
    let error = world.error(S3, &[ENDPOINT, "path-style=false"]).await;
    assert!(matches!(&error, StoreError::Option { .. }), "{error}");
    let mut world = world;
    world.set("AWS_REGION", "eu west".into());
    assert!(world.error(S3, &[ENDPOINT]).await.to_string().contains("AWS_REGION: \"eu west\""));
}

#[tokio::test]
async fn every_setting_is_one_that_opens() {
    let mut world = World::new(&KEYS);
    world.set("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0".into());
    world.set("GOOGLE_ACCESS_TOKEN", "t".into());
    let key =
        world.file("key.json", r#"{"private_key":"k","private_key_id":"i","client_email":"m","disable_oauth":true}"#);
    world.file(".aws/credentials", "[p]\naws_access_key_id=c\naws_secret_access_key=d\n");
    let value = |name: &str| match name {
        "endpoint" => "http://127.0.0.1:9".to_owned(),
        "service-account" => key.clone(),
        "storage-class" => "Cool".to_owned(),
        "sse" => "aws:kms".to_owned(),
        "checksum" => "none".to_owned(),
        "profile" => "p".to_owned(),
        "region" => "eu-west-1".to_owned(),
        "account" | "tenant-id" | "client-id" | "sse-kms-key-id" => "name".to_owned(),
        // Another way to a credential.
        "use-cli" => "false".to_owned(),
        _ => "true".to_owned(),
    };
    for (url, kind) in [(S3, "S3"), ("gs://b", "GCS"), ("az://c", "Azure")] {
        let settings = crate::store::known_settings(kind).iter().map(|(name, _)| format!("{name}={}", value(name)));
        let settings: Vec<String> = settings.collect();
        let opened = world.open(url, &settings.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let opened = opened.unwrap_or_else(|error| panic!("{}", crate::chain(&error)));
        assert_eq!(opened.pack_class.as_deref(), Some("Cool"));
        assert!(opened.conditional_create);
    }
}

#[tokio::test]
async fn regions_and_endpoints_come_from_where_aws_tools_take_them() {
    let mut world = World::new(&KEYS);
    let shown = |opened: Result<Opened, StoreError>| match opened {
        Ok(opened) => format!("{:?}", opened.objects),
        Err(error) => panic!("{}", crate::chain(&error)),
    };
    // The client shows its configuration, without credentials.
    let debug = shown(world.open(S3, &["region=eu-west-1"]).await);
    assert!(!debug.contains("s3cr3t"), "{debug}");
    assert!(debug.contains("https://bucket.s3.eu-west-1.amazonaws.com"), "{debug}");
    let debug = shown(world.open("s3://my.bucket", &["region=eu-west-1"]).await);
    assert!(debug.contains("https://s3.eu-west-1.amazonaws.com/my.bucket"), "{debug}");
    let debug = shown(world.open("s3://My_bucket", &["region=eu-west-1"]).await);
    assert!(debug.contains("https://s3.eu-west-1.amazonaws.com/My_bucket"), "{debug}");
    let debug = shown(world.open(S3, &["endpoint=https://s3.example", "path-style=false"]).await);
    assert!(debug.contains("https://bucket.s3.example\"") && debug.contains("us-east-1"), "{debug}");

    world.file(".aws/config", "[default]\nregion = ap-south-1\nendpoint_url = https://profile.example\n");
    let debug = shown(world.open(S3, &[]).await);
    assert!(debug.contains("https://profile.example/bucket") && debug.contains("ap-south-1"), "{debug}");
    world.set("AWS_REGION", "ca-west-1".into());
    world.set("AWS_ENDPOINT_URL", "https://all.example".into());
    world.set("AWS_ENDPOINT_URL_S3", "https://s3.example".into());
    let debug = shown(world.open(S3, &[]).await);
    assert!(debug.contains("https://s3.example/bucket") && debug.contains("ca-west-1"), "{debug}");
    world.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true".into());
    assert!(shown(world.open(S3, &[]).await).contains("https://bucket.s3.ca-west-1.amazonaws.com"));
}

#[tokio::test]
async fn the_region_of_a_bucket_is_asked_for() {
    let aws = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", aws.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in aws.incoming() {
            let mut stream = stream.expect("a connection");
            while let Some(path) = request(&mut stream) {
                let reply = match path.as_str() {
                    "/bucket" => "403 Forbidden\r\nx-amz-bucket-region: eu-south-2",
                    "/missing" => "404 Not Found",
                    _ => "400 Bad Request",
                };
                let reply = format!("HTTP/1.1 {reply}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(reply.as_bytes()).expect("answered");
            }
        }
    });
    let transport = super::transport(&StoreOptions::default(), true, UploadCheck::None);
    let transport = transport.unwrap_or_else(|error| panic!("{}", error.at(S3)));
    let ask = async |name: &str, at: &str| {
        let bucket = crate::store::Bucket { name: name.to_owned(), prefix: String::new() };
        let asked = s3::region_of_bucket(&bucket, &transport, at, S3, std::time::Duration::ZERO).await;
        asked.map_err(|error| error.at(S3))
    };
    assert_eq!(ask("bucket", &at).await.expect("a region"), "eu-south-2");
    assert!(matches!(ask("missing", &at).await, Err(StoreError::NoBucket { .. })));
    let error = ask("odd", &at).await.expect_err("no region");
    assert!(error.to_string().contains("set -o region=REGION or AWS_REGION"), "{error}");
    let error = ask("bucket", "http://127.0.0.1:9").await.expect_err("nobody is there");
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
}

#[test]
fn certificates_that_are_none_are_told() {
    let world = World::new(&KEYS);
    let missing = Path::new("/nowhere/ca.pem").to_owned();
    for path in [missing, world.file("ca.pem", "not a certificate").into()] {
        let options = StoreOptions { ca_cert: Some(path), ..StoreOptions::default() };
        let url = StoreUrl::parse(S3).expect("a URL");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let opened = runtime.block_on(open(&url, &options, &world.environment(), S3));
        let error = opened.err().expect("an error");
        assert!(matches!(&error, StoreError::Option { source: OptionError::Certificates { .. }, .. }), "{error}");
    }
}
