//! The requests of the library of AWS, made by the store's transport: its certificates, its limits, its counts, and no
//! second HTTP client in the program.

use super::credential::ask;
use crate::store::transport::Transport;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use object_store::client::{HttpError, HttpErrorKind};
use std::time::Duration;

/// What clients of the library of AWS are given.
#[derive(Clone, Debug)]
pub(super) struct AwsHttp(pub(super) Transport);

impl HttpClient for AwsHttp {
    /// The time for a connection is that of the transport; the library's own for a whole attempt are its own business.
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { transport: self.0.clone(), within: settings.read_timeout() })
    }
}

#[derive(Debug)]
struct Connector {
    transport: Transport,
    /// Until the head of the reply.
    within: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (transport, within) = (self.transport.clone(), self.within);
        HttpConnectorFuture::new(async move {
            let asked = call(&transport, request);
            match within {
                Some(within) => tokio::time::timeout(within, asked)
                    .await
                    .unwrap_or_else(|error| Err(ConnectorError::timeout(error.into()))),
                None => asked.await,
            }
        })
    }
}

async fn call(transport: &Transport, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    // Nothing that is said to who gives out credentials is sent in a stream.
    let body = body.bytes().ok_or_else(|| ConnectorError::user("the body of the request is a stream".into()))?;
    let request = http::Request::from_parts(head, Bytes::copy_from_slice(body));
    let reply = ask(transport, request).await.map_err(sort)?.map(SdkBody::from);
    HttpResponse::try_from(reply).map_err(|error| ConnectorError::other(error.into(), None))
}

/// Whether it is worth to ask again is for the library to decide.
fn sort(error: HttpError) -> ConnectorError {
    match error.kind() {
        HttpErrorKind::Timeout => ConnectorError::timeout(error.into()),
        HttpErrorKind::Connect | HttpErrorKind::Interrupted => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}
