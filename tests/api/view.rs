//! `GET /api/v1/shared_chats/{id}`.

use crate::support::{App, on_both_databases};

on_both_databases!(anyone_with_the_link_sees_the_chat);

async fn anyone_with_the_link_sees_the_chat(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["name"], "Quarterly report");
    assert_eq!(view["messages"][1]["content"], "Well: **+12 %**.");
}
