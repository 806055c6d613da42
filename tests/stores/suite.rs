//! The client library's own tests, on every server: what they all can do, and where they differ.
//! The servers are tried here, so the HTTP below is the plainest.

use crate::servers::azurite::{self, azurite};
use crate::servers::client::Plain;
use crate::servers::gcs::{self, gcs};
use crate::servers::ministack::ministack;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::integration as suite;
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::{ObjectStore, StaticCredentialProvider};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3() {
    let stack = ministack();
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", stack.address()))
        .with_allow_http(true)
        .with_http_connector(Plain)
        .with_region("us-east-1")
        .with_bucket_name(stack.bucket("suite"))
        .with_access_key_id(&stack.key.id)
        .with_secret_access_key(&stack.key.secret)
        .build()
        .expect("a client");
    offsets(&store).await;
    whole(&store, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure() {
    let azurite = azurite();
    let store = MicrosoftAzureBuilder::new()
        .with_endpoint(format!("http://{}/{}", azurite.address(), azurite::ACCOUNT))
        .with_allow_http(true)
        .with_http_connector(Plain)
        .with_account(azurite::ACCOUNT)
        .with_access_key(azurite::KEY)
        .with_container_name(azurite.container("suite"))
        .build()
        .expect("a client");
    whole(&store, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google() {
    let gcs = gcs();
    let store = GoogleCloudStorageBuilder::new()
        .with_base_url(&format!("http://{}", gcs.address()))
        .with_client_options(object_store::ClientOptions::new().with_allow_http(true))
        .with_http_connector(Plain)
        .with_bucket_name(gcs.versioned("suite"))
        .with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: gcs::TOKEN.into() })))
        .build()
        .expect("a client");
    offsets(&store).await;
    whole(&store, true).await;
}

/// What all of them keep.
async fn whole<S: ObjectStore + MultipartStore + PaginatedListStore>(store: &S, last_writer_wins: bool) {
    suite::get_opts(store).await;
    suite::list_uses_directories_correctly(store).await;
    suite::list_with_delimiter(store).await;
    suite::rename_and_copy(store).await;
    suite::stream_get(store).await;
    suite::put_get_attributes(store).await;
    suite::multipart(store, store).await;
    suite::multipart_race_condition(store, last_writer_wins).await;
    suite::put_opts(store, true).await;
    suite::list_paginated(store, store).await;
}

/// What Azurite does not: it ignores where a list is to start.
async fn offsets(store: &dyn ObjectStore) {
    suite::put_get_delete_list(store).await;
    suite::list_with_offset_exclusivity(store).await;
    suite::multipart_out_of_order(store).await;
}
