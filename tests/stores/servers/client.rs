//! The plainest HTTP below the client library: tries servers without the program's own transport.

use super::http;
use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use std::io;

/// One connection a request, no TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

impl HttpConnector for Plain {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(*self))
    }
}

#[async_trait]
impl HttpService for Plain {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let sent = move || -> io::Result<HttpResponse> {
            let other = |_| io::Error::from(io::ErrorKind::InvalidInput);
            let to = parts.uri.authority().map(|to| to.as_str().parse()).ok_or(io::ErrorKind::InvalidInput)?;
            let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
            let headers: Vec<_> =
                parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
            // The length of the body is told once.
            let headers: Vec<_> = headers.into_iter().filter(|(name, _)| *name != "content-length").collect();
            let reply = http::request(to.map_err(other)?, parts.method.as_str(), target, &headers, &body)?;
            let mut response = ::http::Response::builder().status(reply.status);
            for (name, value) in reply.head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
                response = response.header(name, value);
            }
            response.body(HttpResponseBody::from(reply.body)).map_err(io::Error::other)
        };
        let done = tokio::task::spawn_blocking(sent).await.expect("it does not panic");
        done.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))
    }
}
