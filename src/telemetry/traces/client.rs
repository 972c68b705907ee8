//! The HTTP client of the exporter. The SDK exports from a thread without a runtime, so requests
//! are spawned on this service's.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;

/// For one request; after it the spans are lost.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Real responses are empty.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

pub(super) struct OtlpClient {
    client: Client,
    runtime: Handle,
}

impl OtlpClient {
    pub(super) fn new(runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(TIMEOUT)
            .user_agent(concat!("shared-chats/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, runtime })
    }
}

impl fmt::Debug for OtlpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtlpClient")
    }
}

#[async_trait]
impl HttpClient for OtlpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.try_into()?;
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let mut response = client.execute(request).await?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.extend(response.headers_mut().drain());
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, HttpError>(answer.body(Bytes::from(body))?)
        });
        sending.await?
    }
}
