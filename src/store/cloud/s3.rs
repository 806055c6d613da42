//! Amazon S3, and what speaks its protocol.

use super::aws_container::{self, ContainerRole};
use super::aws_profile::{self, Profile};
use super::credential::{CredentialError, LOGIN_WAIT, METADATA_WAIT, Named, why_not};
use super::{Environment, OpenError, Opened, below, client_options, transport};
use crate::store::StoreError;
use crate::store::options::{Endpoint, OptionError, Settings, StoreOptions, value};
use crate::store::retry::{self, Health, Pace, Patience};
use crate::store::signed::Signing;
use crate::store::transport::reply::{CALL, Call};
use crate::store::transport::{Transport, UploadCheck};
use crate::store::url::Bucket;
use object_store::StaticCredentialProvider;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, Checksum};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn open(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: &Environment,
    at: &str,
) -> Result<Opened, OpenError> {
    let settings = Settings::new(options, "S3")?;
    let anonymous = settings.flag("anonymous")?.unwrap_or(false);
    let pack_class = settings.word("storage-class")?.map(str::to_owned);
    let conditional_create = settings.flag("conditional-create")?.unwrap_or(true);
    let profile = Profile::choose(settings.text("profile")?, environment);

    // All that can be wrong with options is said before anybody is asked anything.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_retry(retry::of_the_crate())
        .with_disable_bulk_delete(!settings.flag("bulk-delete")?.unwrap_or(true));
    if settings.choice("checksum", &["sha256", "none"])? != Some("none") {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    builder = encryption(builder, &settings)?;
    let path_style = settings.flag("path-style")?;

    let endpoint = endpoint(&settings, environment, profile.as_ref()).await?;
    // The certificate of AWS covers one label before its own, and not every name is one.
    let path_style = path_style.unwrap_or(endpoint.is_some() || !is_label(&bucket.name));
    builder = match &endpoint {
        Some(endpoint) if path_style => builder.with_endpoint(&endpoint.url),
        Some(endpoint) => {
            let named = endpoint.with_bucket(&bucket.name).ok_or_else(|| no_host(bucket))?;
            builder.with_endpoint(named).with_virtual_hosted_style_request(true)
        }
        None if !path_style && !is_label(&bucket.name) => return Err(no_host(bucket).into()),
        None => builder.with_virtual_hosted_style_request(!path_style),
    };
    let http = endpoint.as_ref().is_some_and(|endpoint| endpoint.http);
    let transport = transport(options, http, UploadCheck::None)?;
    let region = match region(&settings, environment, profile.as_ref()).await? {
        Some(region) => region,
        // Other servers do not care unless they say so.
        None if endpoint.is_some() => "us-east-1".to_owned(),
        None => {
            let patience = options.retry_max_time.unwrap_or(LOOKUP_TIME).min(LOOKUP_TIME);
            region_of_bucket(bucket, &transport, AWS, at, patience).await?
        }
    };
    let builder =
        builder.with_region(&region).with_http_connector(transport.clone()).with_client_options(client_options(http));

    let (builder, credential) = match anonymous {
        true => (builder.with_skip_signature(true), ANONYMOUS.to_owned()),
        false => {
            let (provider, name) = credential(&settings, environment, profile, &region, &transport).await?;
            (builder.with_credentials(provider), name)
        }
    };
    let store = builder.build()?;
    let signing = (!anonymous).then(|| Signing::new(store.clone(), &bucket.prefix));
    Ok(Opened { objects: below(&bucket.prefix, store), credential, signing, pack_class, conditional_create, transport })
}

/// Whether a name can be a part of the name of a host.
fn is_label(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.bytes().all(known) && !name.starts_with('-') && !name.ends_with('-') && name.len() <= 63
}

fn no_host(bucket: &Bucket) -> OptionError {
    OptionError::Needs(format!(
        "path-style=false: with {} before it, the name of the server is none; leave the option out",
        bucket.name
    ))
}

/// As AWS's own tools read it: the option, the environment, the profile.
async fn endpoint(
    settings: &Settings<'_>,
    environment: &Environment,
    profile: Option<&Profile>,
) -> Result<Option<Endpoint>, OpenError> {
    if let Some(text) = settings.text("endpoint")? {
        return Ok(Some(settings.endpoint("endpoint", text)?));
    }
    if environment.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return Ok(None);
    }
    if let Some((name, text)) = environment.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
        return Ok(Some(settings.endpoint(name, &text)?));
    }
    match profile {
        Some(profile) => match profile.endpoint().await {
            Some(text) => Ok(Some(settings.endpoint(&format!("endpoint_url in {profile}"), &text)?)),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

/// The option, the environment, the profile.
async fn region(
    settings: &Settings<'_>,
    environment: &Environment,
    profile: Option<&Profile>,
) -> Result<Option<String>, OpenError> {
    let found = if let Some(region) = settings.text("region")? {
        Some(("region".to_owned(), region.to_owned()))
    } else if let Some((name, region)) = environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        Some((name.to_owned(), region))
    } else if let Some(profile) = profile {
        profile.region().await.map(|region| (format!("region in {profile}"), region))
    } else {
        None
    };
    match found {
        // It becomes a part of names of hosts, and goes into signatures.
        Some((name, region)) if !region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) => {
            Err(value(&name, &region, "letters, digits and - only").into())
        }
        found => Ok(found.map(|(_, region)| region)),
    }
}

/// AWS tells everybody in which region a bucket is.
pub(super) async fn region_of_bucket(
    bucket: &Bucket,
    transport: &Transport,
    aws: &str,
    at: &str,
    patience: Duration,
) -> Result<String, OpenError> {
    let client = transport.connect(&client_options(false))?;
    let health = Health::new(at.to_owned(), Pace::for_time(patience), Patience::default());
    let mut retry = health.retry();
    let reply = loop {
        let request = http::Request::head(format!("{aws}/{}", bucket.name)).body(HttpRequestBody::empty());
        let request: HttpRequest = request.map_err(|error| OpenError::Failed(error.into()))?;
        let call = Call::default();
        match CALL.scope(call.clone(), client.execute(request)).await {
            Ok(reply) => break reply,
            Err(error) => {
                let error = object_store::Error::Generic { store: "S3", source: error.into() };
                let reply = call.reply();
                let error = StoreError::sort_reply(at.to_owned(), error, &reply);
                retry.after(error, &reply).await.map_err(OpenError::Store)?;
            }
        }
    };
    match reply.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok()) {
        Some(region) => Ok(region.to_owned()),
        None if reply.status() == http::StatusCode::NOT_FOUND => {
            let source = "AWS knows no bucket of this name in any region".into();
            Err(OpenError::Store(StoreError::NoBucket { at: at.to_owned(), source }))
        }
        None => Err(OptionError::Needs(format!(
            "the region of bucket {} is not known, and AWS does not tell it ({}); set -o region=REGION or AWS_REGION",
            bucket.name,
            reply.status()
        ))
        .into()),
    }
}

fn encryption(builder: AmazonS3Builder, settings: &Settings<'_>) -> Result<AmazonS3Builder, OptionError> {
    // The library does not export the keys themselves.
    let set = |builder: AmazonS3Builder, key: &str, value: &str| {
        builder.with_config(key.parse().expect("a key of the library"), value)
    };
    let kind = settings.choice("sse", &["AES256", "aws:kms", "aws:kms:dsse", "none"])?;
    let (key, bucket_key) = (settings.word("sse-kms-key-id")?, settings.flag("bucket-key")?);
    if !matches!(kind, Some("aws:kms" | "aws:kms:dsse")) && (key.is_some() || bucket_key.is_some()) {
        return Err(OptionError::Needs("sse-kms-key-id and bucket-key need sse=aws:kms or sse=aws:kms:dsse".into()));
    }
    let builder = match kind {
        None | Some("none") => return Ok(builder),
        Some(kind) => set(builder, "aws_server_side_encryption", kind),
    };
    let builder = match key {
        Some(key) => set(builder, "aws_sse_kms_key_id", key),
        None => builder,
    };
    Ok(match bucket_key {
        Some(bucket_key) => builder.with_bucket_key(bucket_key),
        None => builder,
    })
}

type Provider = Arc<dyn object_store::CredentialProvider<Credential = AwsCredential>>;

/// In the order of AWS's own tools, with one difference: what the metadata service is asked is asked for a moment only.
async fn credential(
    settings: &Settings<'_>,
    environment: &Environment,
    profile: Option<Profile>,
    region: &str,
    transport: &Transport,
) -> Result<(Provider, String), OpenError> {
    // Whoever names a profile for this store means it.
    let asked = settings.text("profile")?.is_some();
    let mut looked = Vec::new();
    if !asked {
        if let Some((credential, name)) = from_environment(environment)? {
            return Ok((Arc::new(StaticCredentialProvider::new(credential)), name));
        }
        looked.push("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)".to_owned());
    }
    match profile {
        Some(profile) => {
            if let Some(provider) = profile.credential(region, transport).await? {
                return Ok((provider, profile.to_string()));
            }
            looked.push(format!("{profile} (holds no credential)"));
        }
        None => looked.push(aws_profile::FILES.to_owned()),
    }

    let of_the_crate = || {
        let builder = AmazonS3Builder::new().with_bucket_name("any").with_region(region);
        let builder = builder.with_http_connector(transport.clone()).with_retry(retry::of_the_crate());
        builder.with_client_options(client_options(false))
    };
    let provider_of = |builder: AmazonS3Builder| builder.build().map(|store| store.credentials().clone());

    match (environment.text("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.text("AWS_ROLE_ARN")) {
        (Some(file), Some(role)) => {
            let mut builder = of_the_crate()
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file)
                .with_config(AmazonS3ConfigKey::RoleArn, &role);
            if let Some(session) = environment.text("AWS_ROLE_SESSION_NAME") {
                builder = builder.with_config(AmazonS3ConfigKey::RoleSessionName, session);
            }
            if let Some(endpoint) = environment.text("AWS_ENDPOINT_URL_STS") {
                builder = builder.with_config(AmazonS3ConfigKey::StsEndpoint, endpoint);
            }
            let name = format!("web identity, role {role}");
            return Ok((Named::new(provider_of(builder)?, &name, LOGIN_WAIT), name));
        }
        (Some(_), None) => {
            let error = CredentialError::Incomplete { set: "AWS_WEB_IDENTITY_TOKEN_FILE", missing: "AWS_ROLE_ARN" };
            return Err(error.into());
        }
        (None, _) => looked.push("AWS_WEB_IDENTITY_TOKEN_FILE (not set)".to_owned()),
    }

    match ContainerRole::of(environment, transport)? {
        Some(role) => {
            return Ok((Named::new(Arc::new(role), aws_container::NAME, LOGIN_WAIT), aws_container::NAME.to_owned()));
        }
        None => looked.push(format!("{} and {} (not set)", aws_container::RELATIVE, aws_container::FULL)),
    }

    if environment.flag("AWS_EC2_METADATA_DISABLED") {
        looked.push("role of the instance (AWS_EC2_METADATA_DISABLED)".to_owned());
    } else {
        let mut builder = of_the_crate();
        if let Some(endpoint) = environment.text("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            builder = builder.with_metadata_endpoint(endpoint);
        }
        let name = "role of the instance".to_owned();
        let provider = Named::new(provider_of(builder)?, &name, METADATA_WAIT);
        match provider.check().await {
            Ok(()) => return Ok((provider, name)),
            Err(error) => looked.push(format!("{name} ({})", why_not(&error))),
        }
    }
    Err(CredentialError::Missing { kind: "S3", looked }.into())
}

fn from_environment(environment: &Environment) -> Result<Option<(AwsCredential, String)>, CredentialError> {
    const KEY: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    match (environment.text(KEY), environment.text(SECRET)) {
        (Some(key_id), Some(secret_key)) => {
            let token = environment.text("AWS_SESSION_TOKEN");
            let name = match token {
                Some(_) => format!("{KEY} {}, with a session token", environment.whose()),
                None => format!("{KEY} {}", environment.whose()),
            };
            Ok(Some((AwsCredential { key_id, secret_key, token }, name)))
        }
        (Some(_), None) => Err(CredentialError::Incomplete { set: KEY, missing: SECRET }),
        (None, Some(_)) => Err(CredentialError::Incomplete { set: SECRET, missing: KEY }),
        (None, None) => Ok(None),
    }
}

const ANONYMOUS: &str = "none, requests are not signed";
const AWS: &str = "https://s3.amazonaws.com";
/// Who has no network wants to know it soon; the region can be said.
const LOOKUP_TIME: Duration = Duration::from_secs(30);
