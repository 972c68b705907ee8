//! An event stream as a client reads it (WHATWG HTML, 9.2.6).

use std::{collections::VecDeque, time::Duration};

use serde_json::Value;

/// How long a test waits for what must come; docs/API.md 3 gives a second where other instances or
/// a notice are concerned, which tests that measure do by themselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    /// The line `id:` of this very event.
    pub id: Option<String>,
}

pub struct EventStream {
    response: reqwest::Response,
    buffer: String,
    ready: VecDeque<Event>,
    /// What a browser would send as `Last-Event-ID` when it reconnects.
    pub cursor: Option<String>,
    pub comments: usize,
}

impl EventStream {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self { response, buffer: String::new(), ready: VecDeque::new(), cursor: None, comments: 0 }
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The next event, which must come soon; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.unwrap()
    }

    /// The next event, `name {…}` in short: for messages their id and content.
    pub async fn told(&mut self) -> String {
        let Some(event) = self.next().await else { return "end".to_owned() };
        let data = &event.data;
        match event.name.as_str() {
            "message" | "changed" => {
                let (id, content) = (data["id"].as_str().unwrap(), data["content"].as_str());
                format!("{} {id} {}", event.name, content.unwrap())
            }
            name => format!("{name} {data}"),
        }
    }

    /// Nothing comes for this long.
    pub async fn is_quiet_for(&mut self, time: Duration) {
        if let Ok(event) = tokio::time::timeout(time, self.read()).await {
            panic!("{event:?}");
        }
    }

    /// Waits until the stream has begun, which the first comment says.
    pub async fn begun(mut self) -> Self {
        let begun = async {
            while self.comments == 0 && self.ready.is_empty() {
                assert!(self.take_more().await, "the stream ended");
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.unwrap();
        self
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if !self.take_more().await {
                return None;
            }
        }
    }

    async fn take_more(&mut self) -> bool {
        let Ok(Some(chunk)) = self.response.chunk().await else { return false };
        self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((block, rest)) = self.buffer.split_once("\n\n") {
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.buffer = rest;
            self.dispatch(&block);
        }
        true
    }

    fn dispatch(&mut self, block: &str) {
        let (mut name, mut data, mut id) = (None, None, None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("", _)) => self.comments += 1,
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => assert!(data.replace(value).is_none(), "{block}"),
                Some(("id", value)) => id = Some(value.to_owned()),
                other => panic!("{other:?} in {block}"),
            }
        }
        if id.is_some() {
            self.cursor.clone_from(&id);
        }
        if let Some(data) = data {
            let data = serde_json::from_str(data).unwrap();
            self.ready.push_back(Event { name: name.unwrap(), data, id });
        }
    }
}
