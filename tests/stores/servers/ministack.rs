//! S3 with verified signatures: MiniStack.

use super::http::{self, Reply};
use super::process::{Server, clean, installed};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The server of this process, started by the first who asks.
pub(crate) fn ministack() -> &'static MiniStack {
    static SERVER: OnceLock<MiniStack> = OnceLock::new();
    SERVER.get_or_init(MiniStack::start)
}

/// A running MiniStack with a user who may do everything on S3.
pub(crate) struct MiniStack {
    server: Server,
    pub(crate) key: Key,
}

/// An access key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl MiniStack {
    fn start() -> Self {
        let python = installed("ministack/bin/python");
        let server = Server::start("ministack", |at, folder| {
            let mut command = clean(&python);
            command.args(["-m", "ministack"]).envs([
                ("AUTH", "true"),
                ("BIND_HOST", "127.0.0.1"),
                ("SERVICES", "s3,sts,iam"),
                ("LOG_LEVEL", "WARNING"),
            ]);
            command.env("GATEWAY_PORT", at.port().to_string()).env("TMPDIR", folder).env("HOME", folder);
            // Its own root is nobody that a test could be by accident.
            command.env("AWS_ACCESS_KEY_ID", ROOT).env("AWS_SECRET_ACCESS_KEY", "unused");
            command
        });
        let mut stack = Self { server, key: Key { id: String::new(), secret: String::new() } };
        stack.key = stack.user(ALL);
        stack
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// A new user with this policy, and an access key of theirs. The root key would not do: its signature is never
    /// checked.
    pub(crate) fn user(&self, policy: &str) -> Key {
        static USERS: AtomicU32 = AtomicU32::new(0);
        let name = format!("user{}", USERS.fetch_add(1, Relaxed));
        self.iam(&[("Action", "CreateUser"), ("UserName", &name)]);
        self.policy(&name, policy);
        let key = self.iam(&[("Action", "CreateAccessKey"), ("UserName", &name)]);
        Key { id: key.element("AccessKeyId"), secret: key.element("SecretAccessKey") }
    }

    fn policy(&self, user: &str, document: &str) {
        let form =
            [("Action", "PutUserPolicy"), ("UserName", user), ("PolicyName", "test"), ("PolicyDocument", document)];
        self.iam(&form);
    }

    /// A new bucket; its name starts with `name`.
    pub(crate) fn bucket(&self, name: &str) -> String {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("{name}-{}", BUCKETS.fetch_add(1, Relaxed));
        self.as_root("s3", "PUT", &format!("/{bucket}"), b"").expect(200);
        bucket
    }

    /// Puts an object into a bucket, past all that is tested.
    pub(crate) fn put(&self, bucket: &str, name: &str, content: &[u8]) {
        self.as_root("s3", "PUT", &format!("/{bucket}/{name}"), content).expect(200);
    }

    /// The object's bytes, past all that is tested.
    pub(crate) fn get(&self, bucket: &str, name: &str) -> Vec<u8> {
        self.as_root("s3", "GET", &format!("/{bucket}/{name}"), b"").expect(200).body
    }

    /// Takes an object out of a bucket, past all that is tested.
    pub(crate) fn remove(&self, bucket: &str, name: &str) {
        self.as_root("s3", "DELETE", &format!("/{bucket}/{name}"), b"").expect(204);
    }

    /// The names of all objects in a bucket, at most a page of them.
    pub(crate) fn list(&self, bucket: &str) -> Vec<String> {
        let page = self.as_root("s3", "GET", &format!("/{bucket}?list-type=2"), b"").expect(200).text();
        let names = page.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    #[track_caller]
    fn iam(&self, form: &[(&str, &str)]) -> Reply {
        let mut body = "Version=2010-05-08".to_owned();
        for (name, value) in form {
            write!(body, "&{name}=").expect("a string grows");
            for byte in value.bytes() {
                write!(body, "%{byte:02X}").expect("a string grows");
            }
        }
        self.as_root("iam", "POST", "/", body.as_bytes()).expect(200)
    }

    fn as_root(&self, service: &str, method: &str, target: &str, body: &[u8]) -> Reply {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = &now[..8];
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ROOT}/{day}/us-east-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00"
        );
        let mut headers = vec![("Authorization", authorization.as_str()), ("X-Amz-Date", &now)];
        if service == "iam" {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        http::request(self.address(), method, target, &headers, body).expect("MiniStack answers")
    }
}

const ROOT: &str = "ROOTOFTHETESTS";
/// A policy that allows everything on S3.
pub(crate) const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::aws::AmazonS3Builder;
    use object_store::{ObjectStoreExt, path::Path};

    #[test]
    fn signatures_and_policies_are_checked() {
        let stack = ministack();
        let bucket = stack.bucket("signed");
        let read =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"*"}]}"#;
        let wrong = Key { secret: "wrong".into(), ..stack.key.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (key, writes) in [(&stack.key, true), (&stack.user(read), false), (&wrong, false)] {
            let store = AmazonS3Builder::new()
                .with_endpoint(format!("http://{}", stack.address()))
                .with_allow_http(true)
                .with_http_connector(super::super::client::Plain)
                .with_region("us-east-1")
                .with_bucket_name(&bucket)
                .with_access_key_id(&key.id)
                .with_secret_access_key(&key.secret)
                .build()
                .expect("a client");
            let put = runtime.block_on(store.put(&Path::from("a/b"), "content".into()));
            assert_eq!(put.is_ok(), writes, "{put:?}");
        }
        assert_eq!(stack.list(&bucket), ["a/b"]);
        assert_eq!(stack.get(&bucket, "a/b"), b"content");
        stack.put(&bucket, "c", b"past it");
        assert_eq!(stack.list(&bucket).len(), 2);
    }
}
