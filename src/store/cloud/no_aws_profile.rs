//! A program without the library of AWS: profiles of `~/.aws` are not read, and that is said.

use super::Environment;
use super::credential::CredentialError;
use crate::store::transport::Transport;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::fmt;
use std::sync::Arc;

/// A profile that somebody asked for.
pub(super) struct Profile {
    name: String,
}

impl Profile {
    /// The one that `option` names, else the environment. What `~/.aws` holds by default is passed over.
    pub(super) fn choose(option: Option<&str>, environment: &Environment) -> Option<Self> {
        let given = option.map(str::to_owned).or_else(|| environment.text("AWS_PROFILE"));
        given.map(|name| Self { name })
    }

    pub(super) async fn region(&self) -> Option<String> {
        None
    }

    pub(super) async fn endpoint(&self) -> Option<String> {
        None
    }

    /// Always an error: another credential than the one that was asked for must not be used.
    pub(super) async fn credential(
        &self,
        _region: &str,
        _transport: &Transport,
    ) -> Result<Option<Arc<dyn CredentialProvider<Credential = AwsCredential>>>, CredentialError> {
        let why = "this program does not read profiles of AWS; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as \
                   `aws configure export-credentials --format env` prints them, or use a role of the machine";
        Err(CredentialError::Failed { credential: self.to_string(), source: why.into() })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile '{}'", self.name)
    }
}

/// Where the files would be, in words.
pub(super) const FILES: &str = "~/.aws/config and ~/.aws/credentials (not read by this program)";
