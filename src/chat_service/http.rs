//! The chat service by HTTP, in the shapes of h2oGPTe's REST API (docs/API.md 5).

mod pages;

use std::time::Duration;

use futures_util::TryStreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use url::Url;

use crate::{
    clock::Clock,
    model::{Chat, ChatFile, ChatSessionId, Intent, Mode, UserId, Visibility},
    telemetry::{CallSpan, error_chain},
};

use super::{
    Access, ChatReader, ChatServiceError, ChatServiceSettings, FileContent, FilePath,
    InvalidSettings, OwnerRight, Source,
    authorization::sensitive,
    calls::Calls,
    credential::Credential,
    settings::url_error,
    transcript::{self, parse_answer},
    wire::WireChat,
};

/// How many bytes an answer may have beyond four times `max_snapshot_bytes`, for brackets and
/// ignored fields.
const ENVELOPE_BYTES: u64 = 1024 * 1024;

/// Path templates, without ids, for traces.
const CHAT: &str = "/api/v1/chats/{id}";
const FILES: &str = "/api/v1/chats/{id}/agent_server_files";
const FILE: &str = "/api/v1/chats/{id}/agent_server_files/{file_id}/content";

/// What the read is for (docs/API.md 5).
const INTENT: HeaderName = HeaderName::from_static("x-share-intent");
/// Whose right to the chat is asked about (docs/API.md 5).
const OWNER: HeaderName = HeaderName::from_static("x-share-owner");

/// What is percent-encoded in [`OWNER`]: all but the unreserved characters of RFC 3986.
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of the chat service. Credentials are sent to its address only: redirects are not
/// followed, and no proxy is taken from the environment.
#[derive(Debug)]
pub struct HttpChatService {
    client: Client,
    base: Url,
    credential: Credential,
    pub(super) timeout: Duration,
    pub(super) calls: Calls,
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
            // Load balancers commonly drop idle connections after a minute.
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
            calls: Calls::new(settings.max_calls, settings.queue_timeout),
            page_size: settings.page_size,
            max_snapshot_bytes: settings.max_snapshot_bytes,
            file_path: settings.file_path,
        })
    }

    pub(super) fn has_service_access(&self) -> bool {
        self.credential.is_there()
    }

    pub(super) async fn chat(&self, reader: &ChatReader<'_>) -> Result<Chat, ChatServiceError> {
        let url = self.url(reader.id, &[])?;
        let body = self.get(reader, url, CHAT, &mut self.budget()).await?;
        let chat: WireChat = parse_answer("the chat", body).await?;
        if chat.id != reader.id.as_str() {
            return Err(bad_answer("it holds another chat than the one asked for"));
        }
        Ok(Chat { id: reader.id.clone(), name: chat.name })
    }

    pub(super) async fn owner_right(
        &self,
        reader: &ChatReader<'_>,
        owner: &UserId,
    ) -> Result<OwnerRight, ChatServiceError> {
        let url = self.url(reader.id, &[])?;
        let named = utf8_percent_encode(owner.as_str(), NOT_UNRESERVED).to_string();
        let named =
            HeaderValue::try_from(named).map_err(|_| bad_answer("no header can name it"))?;
        let mut headers = self.headers(reader, "application/json");
        headers.insert(OWNER, named.clone());
        let response = self.response(reader.access, url, CHAT, headers).await?;
        // Without the echo it is the answer of something that does not know the header: of an older
        // chat service, or of a firewall.
        let echoes = response.headers().get(OWNER) == Some(&named);
        match response.status() {
            StatusCode::OK if echoes => Ok(OwnerRight::Kept),
            StatusCode::FORBIDDEN if echoes => Ok(OwnerRight::Lost),
            StatusCode::OK => Ok(OwnerRight::Unsupported),
            status => Err(bad_answer(&format!("status {} about an owner", status.as_u16()))),
        }
    }

    pub(super) async fn files(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<Vec<ChatFile>, ChatServiceError> {
        let url = self.url(reader.id, &["agent_server_files"])?;
        match self.get(reader, url, FILES, &mut self.budget()).await {
            Ok(body) => transcript::files(parse_answer("the files", body).await?),
            Err(ChatServiceError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn file(
        &self,
        reader: &ChatReader<'_>,
        file_id: &str,
    ) -> Result<FileContent, ChatServiceError> {
        let segments = self.file_path.segments(reader.id.as_str(), file_id);
        let url = self.below_base(segments.ok_or(ChatServiceError::NotFound)?)?;
        let response = self.ask(reader, url, FILE, "*/*").await?;
        Ok(FileContent::new(response.content_length(), response.bytes_stream().map_err(unanswered)))
    }

    /// The id is one path segment by its type, so it cannot lead a request to another path.
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

    /// The answer, a 200, before its body is read.
    async fn ask(
        &self,
        reader: &ChatReader<'_>,
        url: Url,
        template: &'static str,
        accept: &'static str,
    ) -> Result<Response, ChatServiceError> {
        let headers = self.headers(reader, accept);
        let response = self.response(reader.access, url, template, headers).await?;
        check_status(response.status(), reader.access)?;
        Ok(response)
    }

    fn headers(&self, reader: &ChatReader<'_>, accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(intent) = reader.intent {
            headers.insert(INTENT, HeaderValue::from_static(intent_field(intent)));
        }
        headers
    }

    /// The answer, whatever its status.
    async fn response(
        &self,
        access: Access<'_>,
        url: Url,
        template: &'static str,
        headers: HeaderMap,
    ) -> Result<Response, ChatServiceError> {
        let authorization = self.authorization(access).await?;
        let first = headers.clone();
        let mut response = self.send(url.clone(), template, first, authorization.clone()).await?;
        // The provider may have revoked our own token, or dropped the key that signed it.
        if response.status() == StatusCode::UNAUTHORIZED
            && matches!(access, Access::Service)
            && let Some(another) = self.credential.instead_of(&authorization).await
        {
            response = self.send(url, template, headers, another).await?;
        }
        Ok(response)
    }

    async fn send(
        &self,
        url: Url,
        template: &'static str,
        headers: HeaderMap,
        authorization: HeaderValue,
    ) -> Result<Response, ChatServiceError> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
        let span = CallSpan::begin("GET", template, host, port);
        let mut request =
            self.client.get(url).headers(headers).header(AUTHORIZATION, authorization);
        let Some(span) = span else { return request.send().await.map_err(unanswered) };
        for (name, value) in span.headers() {
            request = request.header(name, value);
        }
        let answer = span.around(request.send()).await;
        span.answered(answer.as_ref().ok().map(|response| response.status().as_u16()));
        answer.map_err(unanswered)
    }

    /// Fetches the service credential, if it is one that has to be fetched.
    pub(super) async fn prepare(&self) {
        if self.has_service_access() {
            // A failure is logged there.
            let _ = self.credential.authorization().await;
        }
    }

    /// How many bytes of answers one read may receive.
    fn budget(&self) -> u64 {
        self.max_snapshot_bytes.saturating_mul(4).saturating_add(ENVELOPE_BYTES)
    }

    /// The body of the answer, a 200, whose length is subtracted from `budget`.
    async fn get(
        &self,
        reader: &ChatReader<'_>,
        url: Url,
        template: &'static str,
        budget: &mut u64,
    ) -> Result<Vec<u8>, ChatServiceError> {
        let mut response = self.ask(reader, url, template, "application/json").await?;
        let too_large = ChatServiceError::TooLarge { limit: self.max_snapshot_bytes };
        if response.content_length().is_some_and(|announced| announced > *budget) {
            return Err(too_large);
        }
        // Without the announced capacity: it may never be sent.
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            *budget = budget.checked_sub(chunk.len() as u64).ok_or_else(|| too_large.clone())?;
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn authorization(&self, access: Access<'_>) -> Result<HeaderValue, ChatServiceError> {
        match access {
            // Every verified token fits a header.
            Access::Caller(caller) => {
                sensitive(&caller.credential.authorization()).ok_or(ChatServiceError::Unauthorized)
            }
            Access::Service => self.credential.authorization().await,
        }
    }
}

fn intent_field(intent: Intent) -> &'static str {
    match (intent.visibility, intent.is_named, intent.mode) {
        (Visibility::Public, _, Mode::Frozen) => "public, frozen",
        (Visibility::Public, _, Mode::Live) => "public, live",
        (Visibility::Private, false, Mode::Frozen) => "private, frozen",
        (Visibility::Private, false, Mode::Live) => "private, live",
        (Visibility::Private, true, Mode::Frozen) => "named, frozen",
        (Visibility::Private, true, Mode::Live) => "named, live",
    }
}

/// 401 and 403 pass through for the caller's own credential only: a viewer cannot do anything about
/// the service's (docs/API.md 5).
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
        // reqwest's own text is "error sending request"; the reason is in its sources.
        ChatServiceError::Unreachable(error_chain(&error.without_url()))
    }
}

fn bad_answer(reason: &str) -> ChatServiceError {
    ChatServiceError::BadAnswer(reason.to_owned())
}
