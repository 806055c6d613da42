//! Google Cloud Storage.

use super::credential::{CredentialError, LOGIN_WAIT, METADATA_WAIT, Named, why_not};
use super::gcs_external::External;
use super::share::SERVICE_ACCOUNT_KEY;
use super::{Environment, OpenError, Opened, below, client_options, transport};
use crate::store::BoxError;
use crate::store::options::{Settings, StoreOptions};
use crate::store::retry;
use crate::store::signed::Signing;
use crate::store::transport::{Transport, UploadCheck};
use crate::store::url::Bucket;
use object_store::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GcpSigningCredential, GoogleCloudStorageBuilder};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) async fn open(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: &Environment,
) -> Result<Opened, OpenError> {
    let settings = Settings::new(options, "GCS")?;
    let anonymous = settings.flag("anonymous")?.unwrap_or(false);
    let pack_class = settings.word("storage-class")?.map(str::to_owned);
    let conditional_create = settings.flag("conditional-create")?.unwrap_or(true);
    let service_account = settings.text("service-account")?;
    let endpoint = settings.text("endpoint")?.map(|text| settings.endpoint("endpoint", text)).transpose()?;
    let http = endpoint.as_ref().is_some_and(|endpoint| endpoint.http);
    let transport = transport(options, http, UploadCheck::GoogHash)?;

    let new = || {
        let builder = GoogleCloudStorageBuilder::new().with_bucket_name(&bucket.name);
        let builder = builder.with_http_connector(transport.clone()).with_retry(retry::of_the_crate());
        let builder = builder.with_client_options(client_options(http));
        match &endpoint {
            Some(endpoint) => builder.with_base_url(&endpoint.url),
            None => builder,
        }
    };
    let (builder, credential, signs) = match anonymous {
        true => {
            // Without one the library would read the files of a login, and fail where they are odd.
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            (new().with_skip_signature(true).with_credentials(Arc::new(nobody)), ANONYMOUS.to_owned(), false)
        }
        false => {
            let found = credential(service_account, environment, &transport).await?;
            let builder = match found.endpoint.filter(|_| endpoint.is_none()) {
                // An emulator's file of a key says where the emulator is.
                Some(url) => new().with_base_url(&settings.endpoint("gcs_base_url", &url)?.url),
                None => new(),
            };
            let signs = found.signing.is_some();
            let builder = match found.signing {
                Some(signing) => builder.with_signing_credentials(signing),
                None => builder,
            };
            (builder.with_credentials(found.provider), found.name, signs)
        }
    };
    let store = builder.build()?;
    let signing = signs.then(|| Signing::new(store.clone(), &bucket.prefix));
    Ok(Opened { objects: below(&bucket.prefix, store), credential, signing, pack_class, conditional_create, transport })
}

struct Found {
    provider: Arc<dyn object_store::CredentialProvider<Credential = GcpCredential>>,
    name: String,
    endpoint: Option<String>,
    /// The key itself: everybody else would have to ask Google for each signature.
    signing: Option<SigningProvider>,
}

type SigningProvider = Arc<dyn object_store::CredentialProvider<Credential = GcpSigningCredential>>;

/// What Google calls application default credentials, with a token before them.
async fn credential(
    service_account: Option<&str>,
    environment: &Environment,
    transport: &Transport,
) -> Result<Found, OpenError> {
    if let Some(path) = service_account {
        return from_file(Path::new(path), "of -o service-account", transport);
    }
    if let Some((variable, bearer)) = environment.first(&TOKENS) {
        let provider = Arc::new(StaticCredentialProvider::new(GcpCredential { bearer }));
        return Ok(Found {
            provider,
            name: format!("{variable} {}", environment.whose()),
            endpoint: None,
            signing: None,
        });
    }
    if environment.is_kept()
        && let Some(key) = environment.text(SERVICE_ACCOUNT_KEY)
    {
        return from_key(&key, environment.whose(), transport);
    }
    let mut looked = vec![format!("{} (not set)", TOKENS[0])];
    match environment.path(FILE) {
        Some(path) => return from_file(&path, &format!("of {FILE}"), transport),
        None => looked.push(format!("{FILE} (not set)")),
    }
    match well_known(environment) {
        Some(path) if path.is_file() => return from_file(&path, "of gcloud", transport),
        Some(path) => looked.push(format!("{} (not there)", path.display())),
        None => looked.push("the file of gcloud (no home folder)".to_owned()),
    }
    if environment.flag("NO_GCE_CHECK") {
        looked.push("service account of the instance (NO_GCE_CHECK)".to_owned());
        return Err(CredentialError::Missing { kind: "GCS", looked }.into());
    }
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name("any").with_retry(retry::of_the_crate());
    let builder = builder.with_http_connector(transport.clone()).with_client_options(client_options(false));
    let name = "service account of the instance".to_owned();
    let provider = Named::new(builder.build()?.credentials().clone(), &name, METADATA_WAIT);
    match provider.check().await {
        Ok(()) => Ok(Found { provider, name, endpoint: None, signing: None }),
        Err(error) => {
            looked.push(format!("{name} ({})", why_not(&error)));
            Err(CredentialError::Missing { kind: "GCS", looked }.into())
        }
    }
}

/// A key of a service account, what a login of gcloud left, or how to exchange a token of somebody else.
fn from_file(path: &Path, which: &str, transport: &Transport) -> Result<Found, OpenError> {
    let label = format!("{} {which}", path.display());
    let failed = |source: BoxError| CredentialError::Failed { credential: label.clone(), source };
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|error| failed(error.into()))?);
    let file: File = serde_json::from_str(&text).map_err(|_| failed("it is not the JSON of a credential".into()))?;
    let text_path = path.to_str().ok_or_else(|| failed("its path is not UTF-8".into()))?;
    if file.kind == "external_account" {
        let provider = External::parse(&text, transport).map_err(failed)?;
        let name = match provider.account() {
            Some(account) => format!("workload identity as {account}, {label}"),
            None => format!("workload identity, {label}"),
        };
        let provider = Named::new(Arc::new(provider), &name, LOGIN_WAIT);
        return Ok(Found { provider, name, endpoint: None, signing: None });
    }
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name("any").with_retry(retry::of_the_crate());
    let builder = builder.with_http_connector(transport.clone()).with_client_options(client_options(false));
    let (builder, kind) = match file.kind.as_str() {
        // Emulators have keys without a type.
        "service_account" | "" => (builder.with_service_account_path(text_path), "service account"),
        "authorized_user" => (builder.with_application_credentials(text_path), "user"),
        other => {
            let other = other.chars().take(40).collect::<String>();
            return Err(failed(format!("credentials of type {other:?} are not supported").into()).into());
        }
    };
    let store = builder.build().map_err(|error| failed(error.into()))?;
    let name = match file.client_email {
        Some(email) => format!("{kind} {email}, {label}"),
        None => format!("{kind}, {label}"),
    };
    let provider = Named::new(store.credentials().clone(), &name, LOGIN_WAIT);
    // A key that makes no tokens is none: an emulator's.
    let signing = (kind == "service account" && !file.disable_oauth).then(|| store.signing_credentials().clone());
    Ok(Found { provider, name, endpoint: file.gcs_base_url, signing })
}

/// The key of a service account.
fn from_key(key: &str, whose: &str, transport: &Transport) -> Result<Found, OpenError> {
    let label = format!("a service account {whose}");
    let failed = |source: BoxError| CredentialError::Failed { credential: label.clone(), source };
    let file: File = serde_json::from_str(key).map_err(|_| failed("it is not the JSON of a credential".into()))?;
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name("any").with_retry(retry::of_the_crate());
    let builder = builder.with_http_connector(transport.clone()).with_client_options(client_options(false));
    let store = builder.with_service_account_key(key).build().map_err(|error| failed(error.into()))?;
    let name = match file.client_email {
        Some(email) => format!("service account {email}, {whose}"),
        None => label.clone(),
    };
    let provider = Named::new(store.credentials().clone(), &name, LOGIN_WAIT);
    let signing = (!file.disable_oauth).then(|| store.signing_credentials().clone());
    Ok(Found { provider, name, endpoint: file.gcs_base_url, signing })
}

/// What is read of a file of a credential here; the library reads the rest.
#[derive(serde::Deserialize)]
struct File {
    #[serde(rename = "type", default)]
    kind: String,
    client_email: Option<String>,
    gcs_base_url: Option<String>,
    #[serde(default)]
    disable_oauth: bool,
}

/// Where gcloud leaves its login.
fn well_known(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.path("CLOUDSDK_CONFIG");
    let folder = folder.or_else(|| environment.path("HOME").map(|home| home.join(".config/gcloud")))?;
    Some(folder.join("application_default_credentials.json"))
}

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The first is the name that Google's own tools and restic use.
const TOKENS: [&str; 2] = ["GOOGLE_ACCESS_TOKEN", "GOOGLE_BEARER_TOKEN"];
const ANONYMOUS: &str = "none, requests carry no credential";
