//! Azure Blob Storage: Microsoft's emulator Azurite, which checks signatures.

use super::http;
use super::process::{Server, clean, installed};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::HttpRequestBody;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The server of this process, started by the first who asks.
pub(crate) fn azurite() -> &'static Azurite {
    static SERVER: OnceLock<Azurite> = OnceLock::new();
    SERVER.get_or_init(Azurite::start)
}

/// A running Azurite.
pub(crate) struct Azurite {
    server: Server,
}

impl Azurite {
    fn start() -> Self {
        let program = installed("azurite/node_modules/.bin/azurite-blob");
        let server = Server::start("azurite", |at, folder| {
            let mut command = clean(&program);
            command.args(["--blobHost", "127.0.0.1", "--blobPort", &at.port().to_string(), "--silent"]);
            // The client library is newer than the emulator.
            command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]);
            command.env("HOME", folder).env("TMPDIR", folder);
            command
        });
        Self { server }
    }

    /// Where it listens. The account is the first part of every path.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// A new container; its name starts with `name`.
    pub(crate) fn container(&self, name: &str) -> String {
        static CONTAINERS: AtomicU32 = AtomicU32::new(0);
        let container = format!("{name}-{}", CONTAINERS.fetch_add(1, Relaxed));
        self.signed("PUT", &format!("{container}?restype=container"), &[], b"").expect(201);
        container
    }

    /// Puts a blob into a container, past all that is tested.
    pub(crate) fn put(&self, container: &str, name: &str, content: &[u8]) {
        self.signed("PUT", &format!("{container}/{name}"), &[("x-ms-blob-type", "BlockBlob")], content).expect(201);
    }

    /// A blob's bytes, past all that is tested.
    pub(crate) fn get(&self, container: &str, name: &str) -> Vec<u8> {
        self.signed("GET", &format!("{container}/{name}"), &[], b"").expect(200).body
    }

    /// Takes a blob out of a container, past all that is tested.
    pub(crate) fn remove(&self, container: &str, name: &str) {
        self.signed("DELETE", &format!("{container}/{name}"), &[], b"").expect(202);
    }

    /// The names of all blobs in a container, at most a page of them.
    pub(crate) fn list(&self, container: &str) -> Vec<String> {
        let page = self.signed("GET", &format!("{container}?restype=container&comp=list"), &[], b"").expect(200).text();
        let names = page.split("<Name>").skip(1).filter_map(|rest| rest.split_once("</Name>"));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    fn signed(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> http::Reply {
        let target = format!("/{ACCOUNT}/{target}");
        let mut request = ::http::Request::builder().method(method).uri(format!("http://{}{target}", self.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        let mut request = request.body(HttpRequestBody::empty()).expect("a request");
        let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).expect("a key"));
        AzureAuthorizer::new(&key, ACCOUNT).try_authorize(&mut request).expect("signed");
        let lines: Vec<_> = request.headers().iter().filter(|(name, _)| *name != "content-length").collect();
        let lines: Vec<_> =
            lines.into_iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        http::request(self.address(), method, &target, &lines, body).expect("Azurite answers")
    }
}

/// The one account that emulators of Azure have, and its key, as Microsoft has published both.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
/// Its key.
pub(crate) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_checked() {
        let azurite = azurite();
        let container = azurite.container("signed");
        azurite.put(&container, "a", b"content");
        assert_eq!(azurite.list(&container), ["a"]);
        let target = format!("/{ACCOUNT}/{container}/a");
        let forged = format!("SharedKey {ACCOUNT}:{}", "A".repeat(44));
        let headers = [
            ("Authorization", forged.as_str()),
            ("x-ms-date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("x-ms-version", "2023-11-03"),
        ];
        let reply = http::request(azurite.address(), "GET", &target, &headers, b"").expect("a reply");
        assert_eq!(reply.status, 403, "{}", reply.text());
    }
}
