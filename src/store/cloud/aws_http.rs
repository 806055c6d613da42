//! The requests of the library of AWS, made by the store's transport: its certificates, its limits, its counts, and no
//! second HTTP client in the program.

use super::client_options;
use crate::store::transport::Transport;
use crate::store::transport::traffic::Kind;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use object_store::client::{HttpConnector as _, HttpError, HttpErrorKind, HttpRequestBody};
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
            let asked = ask(&transport, request);
            match within {
                Some(within) => tokio::time::timeout(within, asked)
                    .await
                    .unwrap_or_else(|error| Err(ConnectorError::timeout(error.into()))),
                None => asked.await,
            }
        })
    }
}

async fn ask(transport: &Transport, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (mut head, body) = request.into_parts();
    // Nothing of what gives out credentials is sent in a stream.
    let body = body.bytes().ok_or_else(|| ConnectorError::user("the body of the request is a stream".into()))?;
    let body = HttpRequestBody::from(Bytes::copy_from_slice(body));
    head.extensions.insert(Kind::Other);
    let client = transport.connect(&client_options(false)).map_err(|error| ConnectorError::user(error.into()))?;
    let reply = client.execute(http::Request::from_parts(head, body)).await.map_err(sort)?;
    let (head, body) = reply.into_parts();
    let body = match Limited::new(body, MAX_REPLY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<HttpError>() {
                Ok(error) => sort(*error),
                Err(error) => ConnectorError::other(error, None),
            });
        }
    };
    let reply = http::Response::from_parts(head, SdkBody::from(body));
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

/// Credentials have a few kilobytes.
const MAX_REPLY: usize = 1 << 20;
