//! Answers of a chat service, good and bad ones.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;

use super::*;
use crate::model::{Credential, CredentialScheme, Groups, Identity, UserId};

mod answers;
mod calls;
mod content;
mod fetched;
mod fields;
mod file;
mod forwarding;
mod hostile;
mod raw_server;

fn caller_with(scheme: CredentialScheme, user: &str) -> Caller {
    Caller {
        identity: Arc::new(Identity {
            user_id: UserId::parse(user).unwrap(),
            display_name: None,
            is_chat_service: false,
            is_admin: false,
            groups: Groups::default(),
            expires_at: DateTime::from_timestamp(4_000_000_000, 0).unwrap(),
        }),
        credential: Credential::new(scheme, "callers.own.token"),
    }
}

fn caller() -> Caller {
    caller_with(CredentialScheme::Bearer, "alice")
}

fn chat_id() -> ChatSessionId {
    ChatSessionId::parse("c-1").unwrap()
}

fn settings(source: &str) -> ChatServiceSettings {
    ChatServiceSettings {
        service_credential: Some(ServiceCredential::Token("services.own.token".to_owned())),
        // Tests of time-outs set their own.
        timeout: Duration::from_secs(10),
        ..ChatServiceSettings::new(source.parse().unwrap())
    }
}

fn service(source: &str) -> ChatService {
    ChatService::new(settings(source)).unwrap()
}

/// Messages `from..to` as the chat service lists them; every second one is an answer.
fn messages_json(from: usize, to: usize) -> String {
    let one = |n: usize| {
        let reply_to =
            if n.is_multiple_of(2) { "null".to_owned() } else { format!("\"m{}\"", n - 1) };
        format!(
            r#"{{"id":"m{n}","content":"text {n}","created_at":"2026-01-01T00:00:00Z","reply_to":{reply_to},"secret":"x"}}"#
        )
    };
    format!("[{}]", (from..to).map(one).collect::<Vec<_>>().join(","))
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}
