//! For the fuzz target: answers of a chat service, and what is kept of them.

use super::{
    chats_file::WireFileChat,
    transcript::{Transcript, files},
    wire::{self, WireChat, WireFile, WireMessage},
};
use crate::model::{ChatFile, Message};

/// `GET …/chats/{id}`: the name.
pub(crate) fn chat(json: &str) -> Result<Option<String>, String> {
    wire::parse::<WireChat>(json).map(|chat| chat.name)
}

/// `GET …/chats/{id}/messages`: each once.
pub(crate) fn messages(json: &str) -> Result<Vec<Message>, String> {
    let page: Vec<WireMessage> = wire::parse(json)?;
    let mut transcript = Transcript::default();
    transcript.add(page);
    transcript.check_size(u64::MAX).map_err(|error| error.to_string())?;
    Ok(transcript.into_messages())
}

/// `GET …/chats/{id}/agent_server_files`: each once.
pub(crate) fn listed_files(json: &str) -> Result<Vec<ChatFile>, String> {
    let listed: Vec<WireFile> = wire::parse(json)?;
    files(listed).map_err(|error| error.to_string())
}

/// The file that `CHAT_SERVICE_URL=file:PATH` names.
pub(crate) fn file(json: &str) -> Result<Vec<Vec<Message>>, String> {
    let chats: Vec<WireFileChat> = wire::parse(json)?;
    let messages = chats.into_iter().map(|chat| chat.messages);
    Ok(messages.map(|all| all.into_iter().map(|WireMessage(message)| message).collect()).collect())
}
