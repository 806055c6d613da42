//! Where a vault of a test is: an empty bucket on one of the servers, and all that a program needs to get at it.

use crate::runner::{Ran, World, run};
use crate::servers::azurite::{self, azurite};
use crate::servers::gcs::{self, gcs};
use crate::servers::ministack::{Key, ministack};
use crate::servers::proxy::Proxy;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Command;

/// A bucket, maybe with a prefix, and how to get at it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Its URL.
    pub(crate) url: String,
    /// The bucket or container alone.
    pub(crate) bucket: String,
    /// Where requests go: to the server, or to a proxy before it.
    address: SocketAddr,
    /// What the command line says beside the endpoint.
    pub(crate) options: Vec<String>,
    /// What the environment says.
    pub(crate) secrets: Vec<(&'static str, String)>,
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// MiniStack.
    S3,
    /// Azurite.
    Azure,
    /// The tests' own.
    Gcs,
}

impl Place {
    /// An empty bucket.
    pub(crate) fn new(kind: Kind) -> Self {
        let name = "vault";
        let (scheme, bucket, address, options) = match kind {
            Kind::S3 => ("s3", ministack().bucket(name), ministack().address(), vec!["region=us-east-1".into()]),
            Kind::Azure => {
                ("az", azurite().container(name), azurite().address(), vec![format!("account={}", azurite::ACCOUNT)])
            }
            Kind::Gcs => ("gs", gcs().bucket(name), gcs().address(), Vec::new()),
        };
        let place = Self { kind, url: format!("{scheme}://{bucket}"), bucket, address, options, secrets: Vec::new() };
        match kind {
            Kind::S3 => place.with_key(&ministack().key),
            Kind::Azure => place.with_secret("AZURE_STORAGE_ACCOUNT_KEY", azurite::KEY),
            Kind::Gcs => place.with_secret("GOOGLE_ACCESS_TOKEN", gcs::TOKEN),
        }
    }

    /// The same below a prefix.
    pub(crate) fn below(mut self, prefix: &str) -> Self {
        self.url = format!("{}/{prefix}", self.url);
        self
    }

    /// The same through a proxy, which is to be one before [`Place::address`].
    pub(crate) fn through(&self, proxy: &Proxy) -> Self {
        Self { address: proxy.address(), ..self.clone() }
    }

    /// The same with another key of S3.
    pub(crate) fn with_key(&self, key: &Key) -> Self {
        self.with_secret("AWS_ACCESS_KEY_ID", &key.id).with_secret("AWS_SECRET_ACCESS_KEY", &key.secret)
    }

    /// The same with this in the environment.
    pub(crate) fn with_secret(&self, name: &'static str, value: &str) -> Self {
        let mut place = self.clone();
        place.secrets.retain(|(other, _)| *other != name);
        place.secrets.push((name, value.to_owned()));
        place
    }

    /// The same with this in place of all options beside the endpoint.
    pub(crate) fn with_options(&self, options: &[&str]) -> Self {
        Self { options: options.iter().map(|option| (*option).to_owned()).collect(), ..self.clone() }
    }

    /// Where requests go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All options, as `-o` takes them.
    pub(crate) fn all_options(&self) -> Vec<String> {
        let account = if self.kind == Kind::Azure { format!("/{}", azurite::ACCOUNT) } else { String::new() };
        let has_endpoint = self.options.iter().any(|option| option.starts_with("endpoint="));
        let endpoint = (!has_endpoint).then(|| format!("endpoint=http://{}{account}", self.address));
        endpoint.into_iter().chain(self.options.iter().cloned()).collect()
    }

    /// The program of a machine, on this vault.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, world: &World, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = world.bare(args);
        for option in self.all_options() {
            command.args(["-o", &option]);
        }
        command.env("ZVAULT_URL", &self.url);
        self.add_secrets(&mut command);
        command
    }

    /// What the environment of a program has to say that uses this place, and perhaps others beside it.
    pub(crate) fn add_secrets(&self, command: &mut Command) {
        command.env("ZVAULT_PASSPHRASE", "correct horse battery").envs(self.secrets.iter().cloned());
        command.env("ZVAULT_JITTER", "0s");
        // Nobody waits half a minute. Where the machine is busy for a second, one more request is made.
        command.env("ZVAULT_TEST_STALL", "1");
    }

    /// Runs it to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, world: &World, args: impl IntoIterator<Item = A>) -> Ran {
        run(&mut self.command(world, args))
    }

    /// The names of the objects in the bucket, at most a page of them, past all that is tested.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.kind {
            Kind::S3 => ministack().list(&self.bucket),
            Kind::Azure => azurite().list(&self.bucket),
            Kind::Gcs => gcs().list(&self.bucket),
        }
    }

    /// Puts an object into the bucket, past all that is tested.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        match self.kind {
            Kind::S3 => ministack().put(&self.bucket, name, content),
            Kind::Azure => azurite().put(&self.bucket, name, content),
            Kind::Gcs => gcs().put(&self.bucket, name, content),
        }
    }

    /// The bytes of an object in the bucket, past all that is tested.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        match self.kind {
            Kind::S3 => ministack().get(&self.bucket, name),
            Kind::Azure => azurite().get(&self.bucket, name),
            Kind::Gcs => gcs().get(&self.bucket, name),
        }
    }

    /// Takes an object out of the bucket, past all that is tested.
    pub(crate) fn remove(&self, name: &str) {
        match self.kind {
            Kind::S3 => ministack().remove(&self.bucket, name),
            Kind::Azure => azurite().remove(&self.bucket, name),
            Kind::Gcs => gcs().remove(&self.bucket, name),
        }
    }

    /// All objects in the bucket, at most a page of them.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.names().into_iter().map(|name| (name.clone(), self.get(&name))).collect()
    }
}

/// `restore` of a path of the newest snapshot to a folder of the world.
pub(crate) fn restore_of(world: &World, snapshot: &str, out: &str) -> Vec<String> {
    let part = format!("{snapshot}:{}", world.path("data").to_str().expect("UTF-8"));
    ["restore", &part, "-t", out].map(str::to_owned).into()
}
