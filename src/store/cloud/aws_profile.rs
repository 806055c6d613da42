//! Profiles of `~/.aws`: static keys, SSO, assumed roles and `credential_process`, all through the library of AWS.

use super::Environment;
use super::aws_http::AwsHttp;
use super::credential::{Cache, CredentialError, LOGIN_WAIT, Named};
use crate::store::BoxError;
use crate::store::transport::Transport;
use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use object_store::aws::AwsCredential;
use object_store::client::CredentialProvider;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

// The library names the type of these only in a crate of its own.
#[allow(deprecated)]
use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};

/// A profile that may or may not be there.
pub(super) struct Profile {
    name: String,
    /// Somebody asked for it: it must be there.
    named: bool,
    config: PathBuf,
    credentials: PathBuf,
}

impl Profile {
    /// The one that `option` names, else the environment, else the default one. `None`: there are no files to look into.
    pub(super) fn choose(option: Option<&str>, environment: &Environment) -> Option<Self> {
        let given = option.map(str::to_owned).or_else(|| environment.text("AWS_PROFILE"));
        let home = environment.path("HOME").map(|home| home.join(".aws"));
        let file = |variable, name| environment.path(variable).or_else(|| home.as_ref().map(|home| home.join(name)));
        let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
        let profile =
            Self { named: given.is_some(), name: given.unwrap_or_else(|| "default".into()), config, credentials };
        (profile.named || profile.config.is_file() || profile.credentials.is_file()).then_some(profile)
    }

    /// The region that it says.
    pub(super) async fn region(&self) -> Option<String> {
        let provider =
            ProfileFileRegionProvider::builder().profile_files(self.files()?).profile_name(&self.name).build();
        provider.region().await.map(|region| region.as_ref().to_owned())
    }

    /// The endpoint that it says, or the environment for all services.
    pub(super) async fn endpoint(&self) -> Option<String> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .profile_files(self.files()?)
            .profile_name(&self.name)
            // Anything: the loader would ask the metadata service otherwise.
            .region(aws_config::Region::from_static("us-east-1"))
            .no_credentials();
        config.load().await.endpoint_url().map(str::to_owned)
    }

    /// Its credential, asked for once to see whether there is one. `None`: it holds none, and nobody said that it does.
    pub(super) async fn credential(
        &self,
        region: &str,
        transport: &Transport,
    ) -> Result<Option<Arc<Named<AwsCredential>>>, CredentialError> {
        let failed = |source: BoxError| CredentialError::Failed { credential: self.to_string(), source };
        let Some(files) = self.files() else {
            let files = [&self.config, &self.credentials].map(|path| path.display().to_string()).join(" nor ");
            return Err(failed(format!("there is neither {files}").into()));
        };
        let config = ProviderConfig::without_region().with_region(Some(aws_config::Region::new(region.to_owned())));
        let config = config.with_http_client(AwsHttp(transport.clone()));
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&config)
            .profile_files(files)
            .profile_name(&self.name)
            .build();
        let provider = Arc::new(Cached::new(provider));
        match tokio::time::timeout(LOGIN_WAIT, provider.refresh()).await {
            Ok(Ok(_)) => Ok(Some(Named::new(provider, self.to_string(), LOGIN_WAIT))),
            Ok(Err(CredentialsError::CredentialsNotLoaded(_))) if !self.named => Ok(None),
            Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => Err(failed("it holds no credential".into())),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(CredentialError::Slow { credential: self.to_string(), seconds: LOGIN_WAIT.as_secs() }),
        }
    }

    /// `None`: there are none. The library takes a file that is named and not there for an error.
    #[allow(deprecated)]
    fn files(&self) -> Option<ProfileFiles> {
        let mut files = ProfileFiles::builder();
        let kinds = [(ProfileFileKind::Config, &self.config), (ProfileFileKind::Credentials, &self.credentials)];
        let mut any = false;
        for (kind, path) in kinds.into_iter().filter(|(_, path)| path.is_file()) {
            files = files.with_file(kind, path);
            any = true;
        }
        any.then(|| files.build())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config.parent().or(self.credentials.parent()) {
            Some(folder) => write!(f, "profile '{}' of {}", self.name, folder.display()),
            None => write!(f, "profile '{}'", self.name),
        }
    }
}

/// Where the files are, in words.
pub(super) const FILES: &str = "~/.aws/config and ~/.aws/credentials (not there)";

/// A provider of the AWS library, asked again shortly before what it gave expires.
struct Cached<P> {
    provider: P,
    cache: Cache<AwsCredential>,
}

impl<P: ProvideCredentials> Cached<P> {
    fn new(provider: P) -> Self {
        Self { provider, cache: Cache::default() }
    }

    async fn refresh(&self) -> Result<Arc<AwsCredential>, CredentialsError> {
        let fetch = async {
            let given = self.provider.provide_credentials().await?;
            let credential = AwsCredential {
                key_id: given.access_key_id().to_owned(),
                secret_key: given.secret_access_key().to_owned(),
                token: given.session_token().map(str::to_owned),
            };
            Ok((credential, given.expiry()))
        };
        self.cache.get(fetch).await
    }
}

#[async_trait]
impl<P: ProvideCredentials> CredentialProvider for Cached<P> {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |error: CredentialsError| object_store::Error::Unauthenticated {
            path: String::new(),
            source: error.into(),
        };
        self.refresh().await.map_err(failed)
    }
}

impl<P> fmt::Debug for Cached<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}
