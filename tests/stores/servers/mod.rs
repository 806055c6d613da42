//! The servers of the tests, all on loopback: MiniStack (S3) and Azurite (Azure) as `scripts/servers` installs them, a
//! small one for GCS, and a proxy that misbehaves. Each starts once, when the first test asks for it.
pub(crate) mod account;
pub(crate) mod azurite;
pub(crate) mod client;
pub(crate) mod gcs;
pub(crate) mod http;
pub(crate) mod ministack;
pub(crate) mod process;
pub(crate) mod proxy;
mod proxy_tests;
pub(crate) mod tls;
pub(crate) mod tunnel;
