//! Who calls, and what they do.

use std::{future::IntoFuture, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Answer, App, EventStream, audit_log::Answered, rules};

/// A caller, with the credential that they send along.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    origin: String,
    authorization: Option<String>,
    answered: Answered,
}

/// A link that was made.
#[derive(Debug, Clone)]
pub struct Link {
    pub id: String,
    /// The answer to its creator.
    pub info: Value,
}

impl AsRef<str> for Link {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl Link {
    /// Its path on the API.
    pub fn path(&self) -> String {
        format!("/api/v1/shared_chats/{}", self.id)
    }
}

impl Client {
    pub(super) fn new(app: &App, authorization: Option<String>) -> Self {
        let origin = format!("http://{}", app.address);
        Self { http: app.http.clone(), origin, authorization, answered: app.answered.clone() }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        let method: reqwest::Method = method.parse().unwrap();
        let mut builder = self.http.request(method.clone(), format!("{}{path}", self.origin));
        if let Some(authorization) = &self.authorization {
            builder = builder.header("authorization", authorization);
        }
        let path = path.split('?').next().unwrap().to_owned();
        Request { method: method.to_string(), path, builder, answered: self.answered.clone() }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request("POST", path).json(body)
    }

    /// Asks for a link as it is asked for.
    pub fn set_policy(&self, policy: &Value) -> Request {
        self.request("PUT", "/api/v1/policy").json(policy)
    }

    pub fn create(&self, body: &Value) -> Request {
        self.post("/api/v1/shared_chats", body)
    }

    /// Shares a chat: public and frozen.
    pub async fn share(&self, chat: &str) -> Link {
        self.share_with(chat, json!({})).await
    }

    /// Shares a chat with other settings than the usual ones.
    pub async fn share_with(&self, chat: &str, settings: Value) -> Link {
        let mut body = settings;
        body["chat_session_id"] = chat.into();
        let info = self.create(&body).await.is(201).json();
        Link { id: info["id"].as_str().unwrap().to_owned(), info }
    }

    pub async fn share_private(&self, chat: &str) -> Link {
        self.share_with(chat, json!({"is_private": true})).await
    }

    pub async fn share_live(&self, chat: &str) -> Link {
        self.share_with(chat, json!({"is_frozen": false})).await
    }

    pub fn view(&self, link: impl AsRef<str>) -> Request {
        self.get(&format!("/api/v1/shared_chats/{}", link.as_ref()))
    }

    /// Opens what a person is sent, as a browser does.
    pub fn open(&self, link: impl AsRef<str>) -> Request {
        let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        self.get(&format!("/shared/{}", link.as_ref())).header("accept", accept)
    }

    /// A page of the caller's links; `query` without its `?`.
    pub fn list(&self, query: &str) -> Request {
        self.get(&format!("/api/v1/shared_chats?{query}"))
    }

    pub fn change(&self, link: impl AsRef<str>, body: &Value) -> Request {
        self.request("PATCH", &format!("/api/v1/shared_chats/{}", link.as_ref())).json(body)
    }

    pub fn delete(&self, link: impl AsRef<str>) -> Request {
        self.request("DELETE", &format!("/api/v1/shared_chats/{}", link.as_ref()))
    }

    pub fn batch_delete(&self, links: &[impl AsRef<str>]) -> Request {
        let ids: Vec<&str> = links.iter().map(AsRef::as_ref).collect();
        self.post("/api/v1/shared_chats/batch_delete", &json!({"shared_chat_ids": ids}))
    }

    /// What became of a link.
    pub fn activity(&self, link: impl AsRef<str>) -> Request {
        self.get(&format!("/api/v1/shared_chats/{}/activity", link.as_ref()))
    }

    pub fn qr_code(&self, link: impl AsRef<str>, query: &str) -> Request {
        self.get(&format!("/api/v1/shared_chats/{}/qr_code?{query}", link.as_ref()))
    }

    /// A file of a link; the id as it stands in a URL.
    pub fn artifact(&self, link: impl AsRef<str>, id: &str) -> Request {
        self.get(&format!("/api/v1/shared_chats/{}/artifacts/{id}", link.as_ref()))
    }

    /// What happens in the chat of a live link; awaited it is the refusal.
    pub fn events(&self, link: impl AsRef<str>) -> Request {
        self.get(&format!("/api/v1/shared_chats/{}/events", link.as_ref()))
    }

    /// Watches from now on.
    pub async fn watch(&self, link: impl AsRef<str>) -> EventStream {
        self.events(link).stream().await.begun().await
    }

    /// Watches from after a message on.
    pub async fn watch_after(&self, link: impl AsRef<str>, cursor: &str) -> EventStream {
        self.events(link).header("last-event-id", cursor).stream().await.begun().await
    }

    /// Tells that a chat changed.
    pub fn chat_changed(&self, chat: &str) -> Request {
        self.request("POST", &format!("/api/v1/chats/{chat}/changes"))
    }

    /// Every link to a chat, for the chat service.
    pub fn links_of_chat(&self, chat: &str) -> Request {
        self.get(&format!("/api/v1/chats/{chat}/shared_chats"))
    }

    /// Tells that a chat was deleted.
    pub fn chat_was_deleted(&self, chat: &str) -> Request {
        self.request("DELETE", &format!("/api/v1/chats/{chat}/shared_chats"))
    }
}

/// A request, sent when it is awaited.
#[must_use]
pub struct Request {
    method: String,
    path: String,
    builder: reqwest::RequestBuilder,
    answered: Answered,
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// The same with a value that is not UTF-8.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.builder = self.builder.header("content-type", content_type).body(body);
        self
    }

    /// Sends it in a task of its own, while the test goes on.
    pub fn spawn(self) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(self.into_future())
    }

    /// Sends it, and leaves the body to be read; it must be answered so.
    pub async fn begin(self, status: u16) -> reqwest::Response {
        let response = self.builder.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{} {}", self.method, self.path);
        response
    }

    /// Sends it, and reads the answer as an event stream.
    pub async fn stream(self) -> EventStream {
        // Other answers have 30 seconds in all.
        let builder = self.builder.timeout(Duration::from_secs(300));
        let response = builder.send().await.unwrap();
        assert_eq!(response.status(), 200, "{} {}", self.method, self.path);
        EventStream::new(response)
    }

    /// Sends it, and reads the answer, but for that of an event stream, which does not end.
    pub async fn outcome(self) -> Answer {
        let response = self.builder.send().await.unwrap();
        let answer = Answer {
            method: self.method,
            path: self.path,
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: match response.headers().get("content-type") {
                Some(kind) if kind == "text/event-stream" => bytes::Bytes::new(),
                _ => response.bytes().await.unwrap(),
            },
        };
        self.answered.add(answer.header("x-request-id"));
        rules::check(&answer);
        answer
    }

    /// Sends it, and goes away after this time.
    pub async fn abandon_after(self, time: Duration) {
        let sent = tokio::time::timeout(time, self.builder.send()).await;
        assert!(sent.is_err(), "it was answered before the client went away");
    }
}

impl IntoFuture for Request {
    type Output = Answer;
    type IntoFuture = BoxFuture<'static, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.outcome())
    }
}
