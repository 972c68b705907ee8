//! `POST /api/v1/shared_chats`.

use serde_json::json;

use crate::support::{App, on_both_databases};

on_both_databases!(whoever_may_read_a_chat_shares_it);

async fn whoever_may_read_a_chat_shares_it(app: App) {
    let alice = app.as_user("alice");
    let answer = alice.create(&json!({"chat_session_id": "chat-1"})).await.is(201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/api/v1/shared_chats/{id}"));
}
