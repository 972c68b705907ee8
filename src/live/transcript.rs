//! The messages of a chat at one moment, and the frames that turn them into a later state.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;

use super::Frame;
use crate::model::Message;

/// Bytes that a message usually has beside its content.
const FIELDS_BYTES: usize = 160;

/// The messages and the name of a chat at one moment.
#[derive(Debug)]
pub struct Transcript {
    name: Option<String>,
    /// A JSON array, as views send it.
    json: Bytes,
    /// The range of each message in it.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: Box<str>,
    at: Range<usize>,
}

impl Transcript {
    /// Takes messages, oldest first, each id once.
    pub fn new(name: Option<String>, messages: &[Message]) -> serde_json::Result<Self> {
        // About the right size: growing it would take up to twice as much.
        let bytes: usize = messages.iter().map(|message| message.content.as_json().len()).sum();
        let mut json = Vec::with_capacity(bytes + messages.len() * FIELDS_BYTES + 2);
        json.push(b'[');
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

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The messages as a JSON array.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Approximate size in memory.
    pub fn bytes(&self) -> usize {
        self.json.len() + self.entries.len() * 80 + 256
    }

    pub(super) fn last_id(&self) -> Option<&str> {
        self.entries.last().map(|entry| &*entry.id)
    }

    /// The index after the message with that id; `None` when there is no such message.
    pub(super) fn index_after(&self, cursor: &str) -> Option<usize> {
        self.entries.iter().rposition(|entry| &*entry.id == cursor).map(|at| at + 1)
    }

    pub(super) fn frames_from(&self, index: usize) -> impl Iterator<Item = Frame> {
        self.entries.iter().skip(index).map(|entry| self.frame(entry))
    }

    fn frame(&self, entry: &Entry) -> Frame {
        Frame::message(&entry.id, self.message(entry))
    }

    fn message(&self, entry: &Entry) -> &[u8] {
        &self.json[entry.at.clone()]
    }

    /// The frames that turn `before` into this, in order. A cursor only works if new messages come
    /// at the end: a `reset` if one was inserted before others, or the order changed.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<Frame> {
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
        let indices: Vec<usize> = kept.iter().filter_map(|e| old.get(&*e.id).copied()).collect();
        let in_order = indices.is_sorted_by(|a, b| a < b);
        if !in_order || new.iter().any(|entry| old.contains_key(&*entry.id)) {
            return vec![Frame::reset(self.last_id())];
        }
        let mut next = indices.iter().peekable();
        for (index, entry) in before.entries.iter().enumerate() {
            if next.next_if(|kept| **kept == index).is_none() {
                frames.push(Frame::removed(&entry.id));
            }
        }
        // A cursor at a removed last message has to move to one that exists.
        if let (Some(index), Some(last)) = (indices.last(), kept.last())
            && index + 1 < before.entries.len()
        {
            frames.push(Frame::cursor(Some(&last.id)));
        }
        for (entry, index) in kept.iter().zip(&indices) {
            if self.message(entry) != before.message(&before.entries[*index]) {
                frames.push(Frame::changed(self.message(entry)));
            }
        }
        frames.extend(new.iter().map(|entry| self.frame(entry)));
        frames
    }
}
