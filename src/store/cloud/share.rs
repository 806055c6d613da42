//! What another machine needs to reach the same bucket: settings that are not secret, and, if the person says so, the credential.

use super::{CredentialError, Environment};
use crate::keychain::KeychainError;
use crate::store::{StoreOptions, StoreUrl};
use crypto_backends::SecretBytes;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// Credentials that were kept for a store, by the name of the variable that would hold them. They count where the environment gives
/// none. Clones are the same.
#[derive(Clone, Default)]
pub struct KeptCredentials(Option<Arc<Kept>>);

struct Kept {
    credentials: OnceLock<Vec<(String, SecretBytes)>>,
    /// Asked when they are needed, if they are not here.
    keychain: Option<Fetch>,
}

type Fetch = Arc<dyn Fn() -> Result<Vec<(String, SecretBytes)>, KeychainError> + Send + Sync>;

impl KeptCredentials {
    /// Takes copies, of names that this version knows.
    pub fn new(credentials: &[(String, SecretBytes)]) -> Self {
        let known = credentials.iter().filter(|(name, _)| is_known(name));
        let copies: Vec<_> =
            known.map(|(name, value)| (name.clone(), SecretBytes::new(value.expose().to_vec()))).collect();
        Self((!copies.is_empty()).then(|| Arc::new(Kept { credentials: copies.into(), keychain: None })))
    }

    /// Those of the keychain, which is asked when they are needed.
    pub fn in_keychain(fetch: &Fetch) -> Self {
        Self(Some(Arc::new(Kept { credentials: OnceLock::new(), keychain: Some(fetch.clone()) })))
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.as_ref()?.credentials.get()?.iter().find(|(kept, _)| kept == name)?;
        String::from_utf8(value.expose().to_vec()).ok()
    }

    /// Asks the keychain, once. What it does not give now may be there the next time.
    fn fetch(&self) -> Result<(), CredentialError> {
        if let Some(Kept { credentials, keychain: Some(fetch) }) = self.0.as_deref()
            && credentials.get().is_none()
        {
            let mut fetched = fetch().map_err(CredentialError::Keychain)?;
            fetched.retain(|(name, _)| is_known(name));
            let _ = credentials.set(fetched);
        }
        Ok(())
    }

    /// Where they are kept.
    fn place(&self) -> Option<Place> {
        let kept = self.0.as_ref()?;
        Some(if kept.keychain.is_some() { Place::Keychain } else { Place::State })
    }
}

/// Where what was kept comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Keychain,
    State,
}

fn is_known(name: &str) -> bool {
    ALL.iter().any(|names| names.contains(&name))
}

impl PartialEq for KeptCredentials {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for KeptCredentials {}

/// Settings of a bucket that mean the same on another machine: what was said here, and what the environment says in its place.
pub fn shared_settings(url: &StoreUrl, options: &StoreOptions) -> Vec<(String, String)> {
    let environment = Environment::of_process();
    let mut settings = options.settings.clone();
    settings.retain(|name, _| !LOCAL.contains(&&**name));
    let variables: &[(&str, &[&'static str])] = match url {
        StoreUrl::S3(_) => &[
            ("endpoint", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
            ("region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
        ],
        StoreUrl::Azure(_) => &[("account", &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"])],
        _ => &[],
    };
    for (name, variables) in variables {
        if let Some((_, value)) = environment.first(variables) {
            settings.entry((*name).to_owned()).or_insert(value);
        }
    }
    settings.into_iter().collect()
}

/// Of settings that another device tells those that this one takes: none that names a login of this machine, or gives up TLS.
pub fn settings_to_take(told: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    told.iter().filter(|(name, _)| TAKEN.contains(&&**name))
}

/// The credential that the environment, or what was kept, has for a bucket, if it does not hang on this machine.
pub fn shared_credentials(
    url: &StoreUrl,
    options: &StoreOptions,
) -> Result<Vec<(String, SecretBytes)>, CredentialError> {
    let environment = Environment::of_process().with_kept(url, options)?;
    let names: &[&str] = match url {
        StoreUrl::S3(_) => &S3,
        // One of them: it is what this machine uses.
        StoreUrl::Azure(_) => &AZURE,
        StoreUrl::Gcs(_) => &GCS,
        StoreUrl::Folder(_) | StoreUrl::Memory(_) => &[],
    };
    let secret = |value: String| SecretBytes::new(value.into_bytes());
    let mut found: Vec<(String, SecretBytes)> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), secret(environment.text(name)?)))).collect();
    if let StoreUrl::Gcs(_) = url
        && found.is_empty()
        && let Some(key) = key_of_service_account(options, &environment)
    {
        found.push((SERVICE_ACCOUNT_KEY.to_owned(), key));
    }
    found.retain(|(_, value)| value.expose().len() <= vault_format::limits::CREDENTIAL);
    Ok(found)
}

impl Environment {
    /// The same, and what was kept of a credential for this bucket where neither the options nor the environment give one: then
    /// nothing waits for a keychain.
    pub(in crate::store) fn with_kept(self, url: &StoreUrl, options: &StoreOptions) -> Result<Self, CredentialError> {
        let kept = &options.credentials;
        let names_one = |name| options.settings.get(name).is_some_and(|value| value != "false");
        let gives: &[&'static str] = match url {
            StoreUrl::S3(_) => &S3_GIVEN,
            StoreUrl::Gcs(_) => &GCS_GIVEN,
            StoreUrl::Azure(_) => &AZURE_GIVEN,
            StoreUrl::Folder(_) | StoreUrl::Memory(_) => return Ok(self),
        };
        let place = kept.place();
        if place.is_none() || self.first(gives).is_some() || OTHERS.into_iter().any(names_one) {
            return Ok(self);
        }
        kept.fetch()?;
        let (kept, variables) = (kept.clone(), self.variables);
        let variables = move |name: &str| variables(name).or_else(|| kept.get(name).map(Into::into));
        Ok(Self { variables: Box::new(variables), kept: place })
    }

    /// Whether it gives what was kept.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Where a credential comes from, for people.
    pub(super) fn whose(&self) -> &'static str {
        match self.kept {
            Some(Place::Keychain) => "from the pairing (in the keychain)",
            Some(Place::State) => "from the pairing (in the state folder)",
            None => "of the environment",
        }
    }
}

/// Only the key itself goes to another machine: logins and workload identities are this one's.
fn key_of_service_account(options: &StoreOptions, environment: &Environment) -> Option<SecretBytes> {
    let path = options.settings.get("service-account").map(PathBuf::from);
    let path = path.or_else(|| environment.path("GOOGLE_APPLICATION_CREDENTIALS"))?;
    let text = Zeroizing::new(std::fs::read_to_string(path).ok()?);
    let file: serde_json::Value = serde_json::from_str(&text).ok()?;
    let is_key = file.get("private_key").is_some() && file.get("type").is_none_or(|kind| kind == "service_account");
    is_key.then(|| SecretBytes::new(text.as_bytes().to_vec()))
}

/// The key of a service account itself. No variable of the environment: there it is a file.
pub(super) const SERVICE_ACCOUNT_KEY: &str = "GOOGLE_SERVICE_ACCOUNT_KEY";
const S3: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
const AZURE: [&str; 5] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
];
const GCS: [&str; 2] = ["GOOGLE_ACCESS_TOKEN", "GOOGLE_BEARER_TOKEN"];
const ALL: [&[&str]; 4] = [&S3, &AZURE, &GCS, &[SERVICE_ACCOUNT_KEY]];
/// One of these says which credential is meant.
const S3_GIVEN: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
const AZURE_GIVEN: [&str; 7] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_SECRET",
];
const GCS_GIVEN: [&str; 3] = ["GOOGLE_ACCESS_TOKEN", "GOOGLE_BEARER_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"];
/// Settings that another device may tell.
const TAKEN: [&str; 11] = [
    "endpoint",
    "region",
    "path-style",
    "storage-class",
    "sse",
    "sse-kms-key-id",
    "bucket-key",
    "bulk-delete",
    "conditional-create",
    "checksum",
    "account",
];
/// Settings that name another credential, or that none is to be used.
const OTHERS: [&str; 4] = ["profile", "use-cli", "service-account", "anonymous"];
/// Settings that say something about one machine.
const LOCAL: [&str; 3] = ["profile", "use-cli", "service-account"];

#[cfg(test)]
mod tests {
    use super::*;

    /// A credential of the keychain, and how often it was asked.
    fn in_keychain(url: &str, is_locked: bool) -> (StoreUrl, StoreOptions, Arc<std::sync::atomic::AtomicUsize>) {
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = asked.clone();
        let fetch: Fetch = Arc::new(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let value = |name: &str| (name.to_owned(), SecretBytes::new(b"kept".to_vec()));
            let all = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "PATH"].map(value);
            if is_locked { Err(KeychainError::Locked) } else { Ok(all.into()) }
        });
        let options = StoreOptions { credentials: KeptCredentials::in_keychain(&fetch), ..StoreOptions::default() };
        (StoreUrl::parse(url).expect("a URL"), options, asked)
    }

    #[test]
    fn the_keychain_is_asked_once_and_only_where_nothing_else_gives_a_credential() {
        let count = |asked: &std::sync::atomic::AtomicUsize| asked.load(std::sync::atomic::Ordering::Relaxed);
        let (url, options, asked) = in_keychain("s3://bucket/vault", false);
        for _ in 0..2 {
            let environment = Environment::of(&[]).with_kept(&url, &options).map_err(|e| e.to_string()).expect("open");
            assert_eq!(environment.text("AWS_SECRET_ACCESS_KEY").as_deref(), Some("kept"));
            assert_eq!(environment.text("PATH"), None, "no other variable comes from there");
            assert!(environment.whose().contains("keychain"));
        }
        assert_eq!(count(&asked), 1);
        let (url, mut options, asked) = in_keychain("s3://bucket/vault", true);
        let locked = Environment::of(&[]).with_kept(&url, &options).err().expect("locked");
        assert!(matches!(locked, CredentialError::Keychain(KeychainError::Locked)));
        assert!(!locked.hints().is_empty());
        assert_eq!(count(&asked), 1);
        let of_its_own = Environment::of(&[("AWS_PROFILE", "p")]).with_kept(&url, &options);
        assert!(of_its_own.is_ok_and(|environment| !environment.is_kept()));
        options.settings.insert("profile".to_owned(), "p".to_owned());
        assert!(Environment::of(&[]).with_kept(&url, &options).is_ok_and(|environment| !environment.is_kept()));
        let folder = StoreUrl::parse("/srv/vault").expect("a folder");
        assert!(Environment::of(&[]).with_kept(&folder, &options).is_ok());
        assert_eq!(count(&asked), 1, "nobody needed it");
    }

    #[test]
    fn no_login_and_no_weaker_transport_is_taken_from_another_device() {
        let told: Vec<_> = ["allow-http", "anonymous", "endpoint", "profile", "region", "service-account", "use-cli"]
            .map(|name| (name.to_owned(), "value".to_owned()))
            .into();
        let taken: Vec<_> = settings_to_take(&told).map(|(name, _)| name.as_str()).collect();
        assert_eq!(taken, ["endpoint", "region"]);
    }
}
