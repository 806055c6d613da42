//! Azure Blob Storage.

use super::credential::{CredentialError, LOGIN_WAIT, METADATA_WAIT, Named, why_not};
use super::{Environment, OpenError, Opened, below, client_options, transport};
use crate::store::BoxError;
use crate::store::options::{Endpoint, OptionError, Settings, StoreOptions, value};
use crate::store::retry;
use crate::store::signed::Signing;
use crate::store::transport::{Transport, UploadCheck};
use crate::store::url::Bucket;
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureConfigKey, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder, split_sas,
};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, StaticCredentialProvider,
};
use std::fmt;
use std::sync::Arc;

pub(super) async fn open(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: &Environment,
) -> Result<Opened, OpenError> {
    let settings = Settings::new(options, "Azure")?;
    let anonymous = settings.flag("anonymous")?.unwrap_or(false);
    let pack_class = settings.choice("storage-class", &["Hot", "Cool", "Cold", "Archive"])?.map(str::to_owned);
    let conditional_create = settings.flag("conditional-create")?.unwrap_or(true);
    let account = match settings.word("account")? {
        Some(account) => account.to_owned(),
        None => environment.first(&ACCOUNTS).map(|(_, account)| account).ok_or_else(|| {
            OptionError::Needs(format!("the storage account is not known: set -o account=NAME or {}", ACCOUNTS[0]))
        })?,
    };
    // It becomes a part of the name of a host.
    if !account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(value("account", &account, "an account's name has small letters and digits only").into());
    }
    let endpoint = settings.text("endpoint")?.map(|text| settings.endpoint("endpoint", text)).transpose()?;
    let http = endpoint.as_ref().is_some_and(|endpoint| endpoint.http);
    let transport = transport(options, http, UploadCheck::ReplyMd5)?;

    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&account)
        .with_container_name(&bucket.name)
        .with_http_connector(transport.clone())
        .with_retry(retry::of_the_crate())
        .with_client_options(client_options(http));
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint.url.clone());
    }
    let (builder, credential) = match anonymous {
        true => {
            let nobody = StaticCredentialProvider::new(AzureCredential::BearerToken(String::new()));
            (builder.with_skip_signature(true).with_credentials(Arc::new(nobody)), ANONYMOUS.to_owned())
        }
        false => {
            let (provider, name) = credential(&settings, environment, &account, &transport).await?;
            (builder.with_credentials(provider), name)
        }
    };
    let store = builder.build()?;
    let deletes = SingleDeletes {
        credentials: store.credentials().clone(),
        signed: !anonymous,
        client: transport.connect(&client_options(http))?,
        container: format!("{}/{}", service(endpoint.as_ref(), &account), bucket.name),
        account,
    };
    // A signature is no key.
    let signs = !anonymous && !TOKENS.iter().any(|variable| credential.starts_with(variable));
    let signing = signs.then(|| Signing::new(store.clone(), &bucket.prefix));
    let store = OneByOne { store, deletes: Arc::new(deletes) };
    Ok(Opened { objects: below(&bucket.prefix, store), credential, signing, pack_class, conditional_create, transport })
}

/// Where the blob service of the account is.
fn service(endpoint: Option<&Endpoint>, account: &str) -> String {
    endpoint.map_or_else(|| format!("https://{account}.blob.core.windows.net"), |endpoint| endpoint.url.clone())
}

/// The library deletes by batches of the whole container, which a credential for a part of it may not send.
#[derive(Debug)]
struct OneByOne {
    store: MicrosoftAzure,
    deletes: Arc<SingleDeletes>,
}

/// What it takes to delete one blob.
struct SingleDeletes {
    credentials: Provider,
    signed: bool,
    client: HttpClient,
    /// Its URL.
    container: String,
    account: String,
}

impl SingleDeletes {
    async fn delete(&self, path: Path) -> object_store::Result<Path> {
        let failed = |source: BoxError| object_store::Error::Generic { store: "Azure", source };
        let mut url = url::Url::parse(&self.container).map_err(|error| failed(error.into()))?;
        url.path_segments_mut().map_err(|()| failed("the endpoint is no place".into()))?.extend(path.parts());
        let request = http::Request::delete(url.as_str()).header(http::header::CONTENT_LENGTH, 0);
        let mut request: HttpRequest = request.body(HttpRequestBody::empty()).map_err(|error| failed(error.into()))?;
        if self.signed {
            let credential = self.credentials.get_credential().await?;
            AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request)?;
        }
        let reply = self.client.execute(request).await.map_err(|error| failed(error.into()))?;
        match reply.status() {
            status if status.is_success() => Ok(path),
            http::StatusCode::NOT_FOUND => {
                let source = "there is no such blob".into();
                Err(object_store::Error::NotFound { path: path.to_string(), source })
            }
            status => Err(failed(format!("it answered {status}").into())),
        }
    }
}

impl fmt::Debug for SingleDeletes {
    /// Without anything that could be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleDeletes").field("container", &self.container).finish_non_exhaustive()
    }
}

impl fmt::Display for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for OneByOne {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.store.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.store.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let deletes = self.deletes.clone();
        paths
            .and_then(move |path| {
                let deletes = deletes.clone();
                async move { deletes.delete(path).await }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

type Provider = Arc<dyn object_store::CredentialProvider<Credential = AzureCredential>>;

/// What is said for this store, then the environment, then what the machine is.
async fn credential(
    settings: &Settings<'_>,
    environment: &Environment,
    account: &str,
    transport: &Transport,
) -> Result<(Provider, String), OpenError> {
    let client = settings.word("client-id")?.map(str::to_owned).or_else(|| environment.text("AZURE_CLIENT_ID"));
    let tenant = settings.word("tenant-id")?.map(str::to_owned).or_else(|| environment.text("AZURE_TENANT_ID"));
    let new = |kind: &str| {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(account)
            .with_container_name("any")
            .with_http_connector(transport.clone())
            .with_retry(retry::of_the_crate())
            .with_client_options(client_options(false))
            .with_credential_type(kind);
        if let Some(host) = environment.text("AZURE_AUTHORITY_HOST") {
            builder = builder.with_authority_host(host);
        }
        if let Some(client) = &client {
            builder = builder.with_client_id(client);
        }
        if let Some(tenant) = &tenant {
            builder = builder.with_tenant_id(tenant);
        }
        builder
    };
    let provider_of = |builder: MicrosoftAzureBuilder| builder.build().map(|store| store.credentials().clone());

    let cli = || -> Result<_, OpenError> {
        let name = "login of the Azure CLI".to_owned();
        Ok((Named::new(provider_of(new("azure_cli").with_use_azure_cli(true))?, &name, LOGIN_WAIT), name))
    };
    if settings.flag("use-cli")?.unwrap_or(false) {
        let (provider, name) = cli()?;
        provider.check().await?;
        return Ok((provider, name));
    }
    if let Some((variable, key)) = environment.first(&KEYS) {
        let name = format!("{variable} {}", environment.whose());
        // The library repeats what it cannot decode.
        let key = AzureAccessKey::try_new(&key).map_err(|_| CredentialError::Failed {
            credential: name.clone(),
            source: "it is not the Base64 of a key".into(),
        })?;
        return Ok((Arc::new(StaticCredentialProvider::new(AzureCredential::AccessKey(key))), name));
    }
    if let Some((variable, token)) = environment.first(&TOKENS) {
        let name = format!("{variable} {}", environment.whose());
        let pairs = split_sas(&token).map_err(|_| CredentialError::Failed {
            credential: name.clone(),
            source: "it is not a shared access signature".into(),
        })?;
        return Ok((Arc::new(StaticCredentialProvider::new(AzureCredential::SASToken(pairs))), name));
    }
    let mut looked = vec![format!("{} (not set)", KEYS[0]), format!("{} (not set)", TOKENS[0])];

    if let (Some(file), Some(client), Some(_)) = (environment.text(FEDERATED), &client, &tenant) {
        let builder = new("workload_identity").with_config(AzureConfigKey::FederatedTokenFile, file);
        let name = format!("workload identity, client {client}");
        return Ok((Named::new(provider_of(builder)?, &name, LOGIN_WAIT), name));
    }
    looked.push(format!("{FEDERATED} with AZURE_CLIENT_ID and AZURE_TENANT_ID (not set)"));
    match (environment.text(SECRET), &client, &tenant) {
        (Some(secret), Some(client), Some(_)) => {
            let builder = new("client_secret").with_config(AzureConfigKey::ClientSecret, secret);
            let name = format!("{SECRET} of the environment, client {client}");
            return Ok((Named::new(provider_of(builder)?, &name, LOGIN_WAIT), name));
        }
        (Some(_), None, _) => {
            return Err(CredentialError::Incomplete { set: SECRET, missing: "AZURE_CLIENT_ID" }.into());
        }
        (Some(_), _, None) => {
            return Err(CredentialError::Incomplete { set: SECRET, missing: "AZURE_TENANT_ID" }.into());
        }
        (None, ..) => looked.push(format!("{SECRET} (not set)")),
    }

    let mut builder = new("managed_identity");
    if let Some(endpoint) = environment.text("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let name = "managed identity".to_owned();
    let provider = Named::new(provider_of(builder)?, &name, METADATA_WAIT);
    match provider.check().await {
        Ok(()) => return Ok((provider, name)),
        Err(error) => looked.push(format!("{name} ({})", why_not(&error))),
    }
    if has_program(environment, "az") {
        let (provider, name) = cli()?;
        match provider.check().await {
            Ok(()) => return Ok((provider, name)),
            Err(error) => looked.push(format!("{name} ({})", why_not(&error))),
        }
    } else {
        looked.push("login of the Azure CLI (not installed)".to_owned());
    }
    Err(CredentialError::Missing { kind: "Azure", looked }.into())
}

fn has_program(environment: &Environment, name: &str) -> bool {
    let path = environment.path("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Names of one thing, Microsoft's tools' own first.
const ACCOUNTS: [&str; 2] = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
const KEYS: [&str; 3] = ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"];
const TOKENS: [&str; 2] = ["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"];
const FEDERATED: &str = "AZURE_FEDERATED_TOKEN_FILE";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const ANONYMOUS: &str = "none, requests carry no credential";
