//! The chat service by HTTP, in the shapes of h2oGPTe's REST API (contract 5).

mod pages;

use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
    redirect,
};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use crate::{
    clock::Clock,
    limit::Limiter,
    model::{Chat, ChatFile, ChatSessionId},
    telemetry::{CallSpan, error_chain},
};

use super::{
    Access, ChatServiceError, ChatServiceSettings, FileContent, FilePath, InvalidSettings, Source,
    authorization::sensitive,
    credential::Credential,
    settings::url_error,
    transcript::{self, parse_answer},
    wire::{WireChat, WireFile},
};

/// What an answer may hold beyond four times `max_snapshot_bytes`: brackets and ignored fields of
/// chats that are small themselves.
const ENVELOPE_BYTES: u64 = 1024 * 1024;

/// Where the reads lead, for traces: a path without ids.
const CHAT: &str = "/api/v1/chats/{id}";
const FILES: &str = "/api/v1/chats/{id}/agent_server_files";
const FILE: &str = "/api/v1/chats/{id}/agent_server_files/{file_id}/content";

/// Asks the chat service. Credentials go to its address and nowhere else: redirects are not
/// followed, and no proxy is taken from the environment.
#[derive(Debug)]
pub struct HttpChatService {
    client: Client,
    base: Url,
    credential: Credential,
    timeout: Duration,
    /// For operations under way.
    calls: Limiter,
    page_size: u32,
    max_snapshot_bytes: u64,
    file_path: FilePath,
}

impl HttpChatService {
    pub(super) fn new(
        settings: ChatServiceSettings,
        clock: Clock,
    ) -> Result<Self, InvalidSettings> {
        let Source::Http(base) = settings.source else {
            return Err(url_error("must begin with http:// or https://"));
        };
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            // Shorter than the minute after which load balancers commonly drop a connection.
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("shared-chats/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| url_error(&error_chain(&error.without_url())))?;
        let credential = Credential::new(settings.service_credential, clock)?;
        Ok(Self {
            client,
            base,
            credential,
            timeout: settings.timeout,
            calls: Limiter::new(settings.max_calls, settings.queue_timeout),
            page_size: settings.page_size,
            max_snapshot_bytes: settings.max_snapshot_bytes,
            file_path: settings.file_path,
        })
    }

    pub(super) fn has_service_access(&self) -> bool {
        self.credential.is_there()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A place for one operation.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, ChatServiceError> {
        self.calls.acquire().await.map_err(|_| ChatServiceError::Busy)
    }

    pub(super) async fn chat(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
    ) -> Result<Chat, ChatServiceError> {
        let url = self.url(id, &[])?;
        let body = self.get(access, url, CHAT, &mut self.budget()).await?;
        let chat: WireChat = parse_answer("the chat", body).await?;
        if chat.id != id.as_str() {
            return Err(bad_answer("it holds another chat than the one asked for"));
        }
        Ok(Chat { id: id.clone(), name: chat.name })
    }

    pub(super) async fn files(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
    ) -> Result<Vec<ChatFile>, ChatServiceError> {
        let url = self.url(id, &["agent_server_files"])?;
        match self.get(access, url, FILES, &mut self.budget()).await {
            Ok(body) => {
                let listed: Vec<WireFile> = parse_answer("the files", body).await?;
                transcript::files(listed)
            }
            Err(ChatServiceError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn file(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
        file_id: &str,
    ) -> Result<FileContent, ChatServiceError> {
        let segments = self.file_path.segments(id.as_str(), file_id);
        let url = self.below_base(segments.ok_or(ChatServiceError::NotFound)?)?;
        let response = self.ask(access, url, FILE, "*/*").await?;
        Ok(FileContent::new(response.content_length(), response.bytes_stream().map_err(unanswered)))
    }

    /// Built by path segments below the base. The id is one segment by its type, so that nobody
    /// can steer a request with it.
    fn url(&self, id: &ChatSessionId, below: &[&str]) -> Result<Url, ChatServiceError> {
        self.below_base(["api", "v1", "chats", id.as_str()].iter().chain(below))
    }

    fn below_base(
        &self,
        segments: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Url, ChatServiceError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| bad_answer("its address cannot have a path"))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// A 200, whose body has not been read.
    async fn ask(
        &self,
        access: Access<'_>,
        url: Url,
        template: &'static str,
        accept: &'static str,
    ) -> Result<Response, ChatServiceError> {
        let authorization = self.authorization(access).await?;
        let mut response = self.send(url.clone(), template, accept, authorization.clone()).await?;
        // Our own token may have been revoked, or its key dropped.
        if response.status() == StatusCode::UNAUTHORIZED
            && matches!(access, Access::Service)
            && let Some(another) = self.credential.instead_of(&authorization).await
        {
            response = self.send(url, template, accept, another).await?;
        }
        check_status(response.status(), access)?;
        Ok(response)
    }

    async fn send(
        &self,
        url: Url,
        template: &'static str,
        accept: &'static str,
        authorization: HeaderValue,
    ) -> Result<Response, ChatServiceError> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
        let span = CallSpan::begin("GET", template, host, port);
        let asked = self.client.get(url).header(AUTHORIZATION, authorization);
        let mut asked = asked.header(ACCEPT, accept);
        let Some(span) = span else { return asked.send().await.map_err(unanswered) };
        for (name, value) in span.headers() {
            asked = asked.header(name, value);
        }
        let answer = span.around(asked.send()).await;
        span.answered(answer.as_ref().ok().map(|response| response.status().as_u16()));
        answer.map_err(unanswered)
    }

    /// Fetches the service credential, where it is fetched at all.
    pub(super) async fn prepare(&self) {
        if self.has_service_access() {
            // Why it failed is in the log.
            let _ = self.credential.authorization().await;
        }
    }

    /// How many bytes of answers one read may receive.
    fn budget(&self) -> u64 {
        self.max_snapshot_bytes.saturating_mul(4).saturating_add(ENVELOPE_BYTES)
    }

    /// The body of a 200, whose length is taken off the budget.
    async fn get(
        &self,
        access: Access<'_>,
        url: Url,
        template: &'static str,
        budget: &mut u64,
    ) -> Result<Vec<u8>, ChatServiceError> {
        let mut response = self.ask(access, url, template, "application/json").await?;
        let too_large = ChatServiceError::TooLarge { limit: self.max_snapshot_bytes };
        let announced = response.content_length().unwrap_or(0);
        if announced > *budget {
            return Err(too_large);
        }
        // What is announced is not yet sent: memory is taken as the bytes come.
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            *budget = budget.checked_sub(chunk.len() as u64).ok_or_else(|| too_large.clone())?;
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn authorization(&self, access: Access<'_>) -> Result<HeaderValue, ChatServiceError> {
        match access {
            // A verified token holds nothing that a header could not; any other is no good.
            Access::Caller(caller) => {
                sensitive(&caller.credential.authorization()).ok_or(ChatServiceError::Unauthorized)
            }
            Access::Service => self.credential.authorization().await,
        }
    }
}

/// Only what says something about the caller passes through; that our own credential is not
/// accepted is nothing that a viewer could mend (contract 5).
fn check_status(status: StatusCode, access: Access<'_>) -> Result<(), ChatServiceError> {
    match (status, access) {
        (StatusCode::OK, _) => Ok(()),
        (StatusCode::NOT_FOUND, _) => Err(ChatServiceError::NotFound),
        (StatusCode::UNAUTHORIZED, Access::Caller(_)) => Err(ChatServiceError::Unauthorized),
        (StatusCode::FORBIDDEN, Access::Caller(_)) => Err(ChatServiceError::Forbidden),
        (status, Access::Caller(_)) => Err(bad_answer(&format!("status {}", status.as_u16()))),
        (status, Access::Service) => {
            Err(bad_answer(&format!("status {} to the service credential", status.as_u16())))
        }
    }
}

fn unanswered(error: reqwest::Error) -> ChatServiceError {
    if error.is_timeout() {
        ChatServiceError::TimedOut
    } else {
        // reqwest's own words are "error sending request"; which error stands in its causes.
        ChatServiceError::Unreachable(error_chain(&error.without_url()))
    }
}

fn bad_answer(reason: &str) -> ChatServiceError {
    ChatServiceError::BadAnswer(reason.to_owned())
}
