//! The messages of a chat, page by page.

use super::{HttpChatService, bad_answer};
use crate::{
    chat_service::{
        Access, ChatServiceError,
        transcript::{Transcript, parse_answer},
        wire::WireMessage,
    },
    model::{ChatSessionId, Message},
};

/// Where they are, for traces: see [`super::CHAT`].
const MESSAGES: &str = "/api/v1/chats/{id}/messages";

/// How often they are read from their beginning because some were deleted meanwhile.
const TRIES: usize = 3;

impl HttpChatService {
    /// All messages. It is all that the chat held at some moment, and perhaps some that were added or
    /// deleted since.
    pub(in crate::chat_service) async fn messages(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
    ) -> Result<Vec<Message>, ChatServiceError> {
        for _ in 0..TRIES {
            if let Some(messages) = self.read_through(access, id).await? {
                return Ok(messages);
            }
        }
        Err(bad_answer("messages are deleted all the while that they are read"))
    }

    /// Asks page by page until one is empty: a short page says nothing about the end. `None` when a
    /// message may have been passed over: another one was deleted between two pages, by which it moved
    /// from the beginning of the second to the end of the first.
    async fn read_through(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
    ) -> Result<Option<Vec<Message>>, ChatServiceError> {
        let mut budget = self.budget();
        let mut transcript = Transcript::default();
        let (mut offset, mut before) = (0, 0);
        // What a page holds where more come after it. The service may give less than is asked for, which
        // shows when it does so.
        let mut full = self.page_size as usize;
        loop {
            let page = self.page(access, id, offset, self.page_size, &mut budget).await?;
            if !page.is_empty() && before > 0 {
                full = full.min(before);
            }
            // After a short page nothing was there to be passed over. A page that repeats something has
            // passed over nothing, and from then on an offset is no place in what is kept.
            if let Some(last) = transcript.last()
                && before >= full
                && offset == transcript.messages().len()
                && !page.iter().any(|message| transcript.has(message))
                && !self.is_at(access, id, offset - 1, &last.id).await?
            {
                return Ok(None);
            }
            if page.is_empty() {
                return Ok(Some(transcript.into_messages()));
            }
            before = page.len();
            offset += before;
            if !transcript.add(page) {
                // Were this taken for the end, messages could be missing without anyone knowing.
                return Err(bad_answer("a page holds nothing new: offset seems to be ignored"));
            }
            transcript.check_size(self.max_snapshot_bytes)?;
        }
    }

    /// Whether the message still has this place.
    async fn is_at(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
        offset: usize,
        message_id: &str,
    ) -> Result<bool, ChatServiceError> {
        // It counted when it was read.
        let page = self.page(access, id, offset, 1, &mut self.budget()).await?;
        Ok(page.iter().any(|WireMessage(message)| message.id == message_id))
    }

    pub(in crate::chat_service) async fn has_messages(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
    ) -> Result<bool, ChatServiceError> {
        let page = self.page(access, id, 0, 1, &mut self.budget()).await?;
        Ok(!page.is_empty())
    }

    async fn page(
        &self,
        access: Access<'_>,
        id: &ChatSessionId,
        offset: usize,
        limit: u32,
        budget: &mut u64,
    ) -> Result<Vec<WireMessage>, ChatServiceError> {
        let mut url = self.url(id, &["messages"])?;
        url.query_pairs_mut()
            .append_pair("offset", &offset.to_string())
            .append_pair("limit", &limit.to_string());
        parse_answer("the messages", self.get(access, url, MESSAGES, budget).await?).await
    }
}
