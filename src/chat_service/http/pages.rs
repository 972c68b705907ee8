//! The messages of a chat, page by page.

use super::{HttpChatService, bad_answer};
use crate::{
    chat_service::{
        ChatReader, ChatServiceError,
        transcript::{Transcript, parse_answer},
        wire::WireMessage,
    },
    model::Message,
};

/// The path template for traces.
const MESSAGES: &str = "/api/v1/chats/{id}/messages";

/// How often reading starts again because messages were deleted meanwhile.
const TRIES: usize = 3;

impl HttpChatService {
    /// All messages that the chat held at some moment, and perhaps some that were added or deleted
    /// since.
    pub(in crate::chat_service) async fn messages(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<Vec<Message>, ChatServiceError> {
        for _ in 0..TRIES {
            if let Some(messages) = self.read_through(reader).await? {
                return Ok(messages);
            }
        }
        Err(bad_answer("messages are deleted all the while that they are read"))
    }

    /// Asks page by page until one is empty: a short page says nothing about the end. `None` when a
    /// message may have been skipped: another one was deleted between two pages, by which it moved
    /// from the beginning of the second to the end of the first.
    async fn read_through(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<Option<Vec<Message>>, ChatServiceError> {
        let mut budget = self.budget();
        let mut transcript = Transcript::default();
        let (mut offset, mut before) = (0, 0);
        // The length of a page that others follow. The service may give less than it is asked for,
        // which shows when it does.
        let mut full = self.page_size as usize;
        loop {
            let page = self.page(reader, offset, self.page_size, &mut budget).await?;
            if !page.is_empty() && before > 0 {
                full = full.min(before);
            }
            // After a short page there was nothing to skip. A page that repeats a message has
            // skipped none, and from then on offsets are not positions in `transcript`.
            if let Some(last) = transcript.last()
                && before >= full
                && offset == transcript.messages().len()
                && !page.iter().any(|message| transcript.has(message))
                && !self.is_at(reader, offset - 1, &last.id).await?
            {
                return Ok(None);
            }
            if page.is_empty() {
                return Ok(Some(transcript.into_messages()));
            }
            before = page.len();
            offset += before;
            if !transcript.add(page) {
                // Taken for the end, it would hide missing messages.
                return Err(bad_answer("a page holds nothing new: offset seems to be ignored"));
            }
            transcript.check_size(self.max_snapshot_bytes)?;
        }
    }

    /// Whether the message is still at this offset.
    async fn is_at(
        &self,
        reader: &ChatReader<'_>,
        offset: usize,
        message_id: &str,
    ) -> Result<bool, ChatServiceError> {
        // The message was subtracted from the budget when it was first read.
        let page = self.page(reader, offset, 1, &mut self.budget()).await?;
        Ok(page.iter().any(|WireMessage(message)| message.id == message_id))
    }

    pub(in crate::chat_service) async fn has_messages(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<bool, ChatServiceError> {
        Ok(!self.page(reader, 0, 1, &mut self.budget()).await?.is_empty())
    }

    async fn page(
        &self,
        reader: &ChatReader<'_>,
        offset: usize,
        limit: u32,
        budget: &mut u64,
    ) -> Result<Vec<WireMessage>, ChatServiceError> {
        let mut url = self.url(reader.id, &["messages"])?;
        url.query_pairs_mut()
            .append_pair("offset", &offset.to_string())
            .append_pair("limit", &limit.to_string());
        parse_answer("the messages", self.get(reader, url, MESSAGES, budget).await?).await
    }
}
