//! What a chat held at one moment, shared by everyone who looks at it, and what became different.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;

use super::Frame;
use crate::model::Message;

/// The messages and the name of a chat as they were at one moment.
#[derive(Debug)]
pub struct Transcript {
    name: Option<String>,
    /// A JSON array, as views send it.
    json: Bytes,
    /// Where each message stands in it.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: Box<str>,
    at: Range<usize>,
}

impl Transcript {
    /// Takes messages, oldest first, each id once.
    ///
    /// # Errors
    /// Those of the JSON encoder, which a [`Message`] does not have.
    pub fn new(name: Option<String>, messages: &[Message]) -> serde_json::Result<Self> {
        let mut json = vec![b'['];
        let mut entries = Vec::with_capacity(messages.len());
        for message in messages {
            if !entries.is_empty() {
                json.push(b',');
            }
            let start = json.len();
            serde_json::to_writer(&mut json, message)?;
            entries.push(Entry { id: message.id.as_str().into(), at: start..json.len() });
        }
        json.push(b']');
        json.shrink_to_fit();
        Ok(Self { name, json: json.into(), entries })
    }

    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The messages as a JSON array.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Roughly what it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.json.len() + self.entries.len() * 80 + 256
    }

    pub(super) fn last_id(&self) -> Option<&str> {
        self.entries.last().map(|entry| &*entry.id)
    }

    /// The number of the message after the one of that id; `None` when there is no such message.
    pub(super) fn after(&self, cursor: &str) -> Option<usize> {
        self.entries.iter().rposition(|entry| &*entry.id == cursor).map(|at| at + 1)
    }

    /// The messages from that number on, as frames.
    pub(super) fn from(&self, number: usize) -> impl Iterator<Item = Frame> {
        self.entries.iter().skip(number).map(|entry| self.frame(entry))
    }

    fn frame(&self, entry: &Entry) -> Frame {
        Frame::message(&entry.id, self.message(entry))
    }

    fn message(&self, entry: &Entry) -> &[u8] {
        &self.json[entry.at.clone()]
    }

    /// What turns `before` into this, in order. New messages only ever come at the end; where one came
    /// to stand before others, or they changed places, no cursor could tell what a client knows, and
    /// it is a `reset`.
    pub(super) fn since(&self, before: &Self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.name != before.name {
            frames.push(Frame::renamed(self.name()));
        }
        if self.json == before.json {
            return frames;
        }
        let old: HashMap<&str, usize> =
            before.entries.iter().enumerate().map(|(at, entry)| (&*entry.id, at)).collect();
        let kept = self.entries.iter().take_while(|entry| old.contains_key(&*entry.id)).count();
        let (kept, new) = self.entries.split_at(kept);
        let places: Vec<usize> = kept.iter().filter_map(|e| old.get(&*e.id).copied()).collect();
        let in_order = places.is_sorted_by(|a, b| a < b);
        if !in_order || new.iter().any(|entry| old.contains_key(&*entry.id)) {
            return vec![Frame::reset(self)];
        }
        let mut next = places.iter().peekable();
        for (at, entry) in before.entries.iter().enumerate() {
            match next.next_if(|place| **place == at) {
                Some(_) => {}
                None => frames.push(Frame::removed(&entry.id)),
            }
        }
        // Whoever's cursor was the last message has to have one that still is there.
        if let (Some(place), Some(last)) = (places.last(), kept.last())
            && place + 1 < before.entries.len()
        {
            frames.push(Frame::cursor_at(&last.id));
        }
        for (entry, place) in kept.iter().zip(&places) {
            if self.message(entry) != before.message(&before.entries[*place]) {
                frames.push(Frame::changed(self.message(entry)));
            }
        }
        frames.extend(new.iter().map(|entry| self.frame(entry)));
        frames
    }
}
