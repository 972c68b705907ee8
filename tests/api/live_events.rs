//! What a stream tells of a chat, and that nothing is lost or told twice.

use std::time::Duration;

use crate::support::{
    App, Chat, Setup, Trouble, a_moment, apply, eventually, message, on_both_databases, reply,
};

async fn tell(app: &App, change: impl FnOnce(&mut Chat)) {
    app.chats.change("chat-1", change);
    app.as_chat_service().chat_changed("chat-1").await.is(202);
}

#[apply(on_both_databases)]
async fn every_kind_of_change_is_told(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    tell(&app, |chat| chat.messages.push(message("m3", "And now?"))).await;
    let told = stream.next().await.unwrap();
    assert_eq!((told.name.as_str(), told.id.as_deref()), ("message", Some("m3")));
    let view = app.anonymous().view(&link).await.json();
    assert_eq!(told.data, view["messages"][2], "as in the view");
    tell(&app, |chat| chat.messages[1] = reply("m2", "m1", "Well: +13 %.")).await;
    assert_eq!(stream.told().await, "changed m2 Well: +13 %.");
    tell(&app, |chat| chat.name = "\"Another name\"".to_owned()).await;
    assert_eq!(stream.told().await, r#"renamed {"name":"Another name"}"#);
    tell(&app, |chat| drop(chat.messages.remove(0))).await;
    assert_eq!(stream.told().await, r#"removed {"id":"m1"}"#);
    tell(&app, |chat| chat.messages.swap(0, 1)).await;
    assert_eq!(stream.told().await, "reset {}");
    tell(&app, |chat| chat.messages.push(message("m4", "Still here."))).await;
    assert_eq!(stream.told().await, "message m4 Still here.");
}

#[apply(on_both_databases)]
async fn content_comes_as_it_was_sent(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    let text = "line\none\r\ntwo \u{2028} \u{85} \0 id: x\n\ndata: y";
    tell(&app, |chat| chat.messages.push(message("m3 ü", text))).await;
    let told = stream.next().await.unwrap();
    assert_eq!((told.data["content"].as_str(), told.id.as_deref()), (Some(text), Some("m3 ü")));
    // And it is a cursor, as UTF-8 in the header or escaped in the query.
    tell(&app, |chat| chat.messages.push(message("m4", "x"))).await;
    let mut again = app.anonymous().watch_after(&link, "m3 ü").await;
    assert_eq!(again.told().await, "message m4 x");
    let path = format!("{}/events?after=m3%20%C3%BC", link.path());
    assert_eq!(app.anonymous().get(&path).stream().await.told().await, "message m4 x");
}

#[apply(on_both_databases)]
async fn a_stream_tells_only_what_comes_after_it_began(setup: Setup) {
    // Without notices, and too late for the poll.
    let app = setup.with("LIVE_POLL_INTERVAL", "1h").live_max_age(Duration::ZERO).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut early = app.anonymous().watch(&link).await;
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "unseen")));
    let mut late = app.anonymous().watch(&link).await;
    // The second one brought it along for the first, to whom it is news.
    assert_eq!(early.told().await, "message m3 unseen");
    tell(&app, |chat| chat.messages.push(message("m4", "new"))).await;
    assert_eq!(late.told().await, "message m4 new");
    assert_eq!(early.told().await, "message m4 new");
}

#[apply(on_both_databases)]
async fn a_cursor_brings_what_was_missed(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let stream = app.anonymous().watch(&link).await;
    // A stream without a cursor is given one: nothing said meanwhile is lost.
    let cursor = stream.cursor.clone().unwrap();
    assert_eq!(cursor, "m2");
    drop(stream);
    tell(&app, |chat| {
        chat.messages.extend((3..60).map(|n| message(&format!("m{n}"), &"x".repeat(5000))));
    })
    .await;
    let mut stream = app.anonymous().watch_after(&link, &cursor).await;
    for number in 3..60 {
        assert_eq!(stream.next().await.unwrap().data["id"], format!("m{number}"));
    }
    tell(&app, |chat| chat.messages.push(message("m60", "new"))).await;
    assert_eq!(stream.told().await, "message m60 new");
    assert_eq!(stream.cursor.as_deref(), Some("m60"));
    // Any message is one.
    let mut stream = app.anonymous().watch_after(&link, "m1").await;
    assert_eq!(stream.next().await.unwrap().data["id"], "m2");
}

#[apply(on_both_databases)]
async fn the_header_goes_before_the_query(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let path = format!("{}/events?after=m1", link.path());
    let mut by_query = app.anonymous().get(&path).stream().await;
    assert!(by_query.told().await.starts_with("message m2"));
    let both = app.anonymous().get(&path).header("last-event-id", "m2").stream().await;
    both.begun().await.is_quiet_for(Duration::from_millis(200)).await;
}

#[apply(on_both_databases)]
async fn a_header_that_is_empty_is_none(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let path = format!("{}/events?after=m1", link.path());
    let mut stream = app.anonymous().get(&path).header("last-event-id", "").stream().await;
    assert!(stream.told().await.starts_with("message m2"));
    let stream = app.anonymous().events(&link).header("last-event-id", "").stream().await;
    stream.begun().await.is_quiet_for(Duration::from_millis(200)).await;
}

#[apply(on_both_databases)]
async fn a_header_that_is_not_utf_8_is_latin_1(app: App) {
    app.chats.change("chat-1", |chat| chat.messages.push(message("mü", "x")));
    app.chats.change("chat-1", |chat| chat.messages.push(message("m4", "missed")));
    let link = app.as_user("alice").share_live("chat-1").await;
    // As `fetch` sends what a script gives it.
    for (cursor, told) in [
        (&b"m\xfc"[..], "message m4 missed"),
        (b"never-seen-\xfc", "reset {}"),
        (b"m4\xc3", "reset {}"),
    ] {
        let events = app.anonymous().events(&link).header_bytes("last-event-id", cursor);
        assert_eq!(events.stream().await.told().await, told, "{}", cursor.escape_ascii());
    }
}

#[apply(on_both_databases)]
async fn a_cursor_that_is_in_a_view_is_known_to_the_stream(setup: Setup) {
    let app = setup
        .with("LIVE_POLL_INTERVAL", "1h")
        .live_max_age(Duration::from_secs(3600))
        .start()
        .await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let other = app.another_instance().await;
    // This instance has looked at the chat a moment ago, and may use that again.
    let _watching = app.anonymous().watch(&link).await;
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "x")));
    let view = other.anonymous().view(&link).await.json();
    assert_eq!(view["messages"][2]["id"], "m3");
    let mut stream = app.anonymous().watch_after(&link, "m3").await;
    stream.is_quiet_for(Duration::from_millis(200)).await;
}

#[apply(on_both_databases)]
async fn an_unknown_cursor_is_a_reset_and_the_stream_goes_on(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch_after(&link, "never-seen").await;
    assert_eq!(stream.told().await, "reset {}");
    tell(&app, |chat| chat.messages.push(message("m3", "new"))).await;
    assert_eq!(stream.told().await, "message m3 new");
}

#[apply(on_both_databases)]
async fn the_cursor_of_a_removed_message_is_replaced(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    tell(&app, |chat| drop(chat.messages.pop())).await;
    assert_eq!(stream.told().await, r#"removed {"id":"m2"}"#);
    assert_eq!(stream.cursor.as_deref(), Some("m1"));
    // One who was away meanwhile cannot be told what became of it.
    assert_eq!(app.anonymous().watch_after(&link, "m2").await.told().await, "reset {}");
}

#[apply(on_both_databases)]
async fn a_chat_that_gives_no_notice_is_polled_once_for_all(setup: Setup) {
    let app = setup.with("LIVE_POLL_INTERVAL", "200ms").live_max_age(Duration::ZERO).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(app.anonymous().watch(&link).await);
    }
    let asked = || app.chats.asked().iter().filter(|a| a.path.ends_with("/chat-1")).count();
    let before = asked();
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "by the way")));
    for stream in &mut streams {
        assert_eq!(stream.told().await, "message m3 by the way");
    }
    let polled = asked() - before;
    assert!((1..streams.len()).contains(&polled), "{polled} times");
}

#[apply(on_both_databases)]
async fn a_chat_is_not_polled_after_its_last_stream_has_ended(setup: Setup) {
    let app = setup.with("LIVE_POLL_INTERVAL", "50ms").live_max_age(Duration::ZERO).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    drop(app.anonymous().watch(&link).await);
    // Six polls would fall into a moment.
    eventually("the polls end", async || {
        let before = app.chats.asked().len();
        a_moment().await;
        app.chats.asked().len() == before
    })
    .await;
}

#[apply(on_both_databases)]
async fn a_chat_that_is_gone_ends_its_streams(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    app.chats.remove("chat-1");
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
    app.anonymous().view(&link).await.fails(404, "not_found");
    app.anonymous().events(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn trouble_with_the_chat_service_is_waited_out(setup: Setup) {
    let app = setup.with("LIVE_POLL_INTERVAL", "100ms").with("CHAT_SERVICE_TIMEOUT", "300ms");
    let app = app.start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    for trouble in [Trouble::Status(500), Trouble::Drips, Trouble::BreaksOff, Trouble::Silence] {
        app.chats.misbehaves("/messages", trouble);
        stream.is_quiet_for(Duration::from_millis(400)).await;
    }
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "back")));
    app.chats.recovers();
    assert_eq!(stream.told().await, "message m3 back");
}

#[apply(on_both_databases)]
async fn without_the_chat_service_no_stream_begins(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "300ms").start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    app.chats.misbehaves("/messages", Trouble::Status(500));
    app.anonymous().events(&link).await.fails(502, "chat_service_error");
    app.chats.misbehaves("/messages", Trouble::Silence);
    app.anonymous().events(&link).await.fails(504, "chat_service_timeout");
}

#[apply(on_both_databases)]
async fn a_slow_stream_is_cut_and_resumes_by_its_cursor(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut slow = app.anonymous().watch(&link).await;
    let mut quick = app.anonymous().watch(&link).await;
    let text = "x".repeat(200_000);
    for number in 0..60 {
        tell(&app, |chat| chat.messages.push(message(&format!("n{number}"), &text))).await;
        assert_eq!(quick.next().await.unwrap().data["id"], format!("n{number}"));
        tell(&app, |chat| drop(chat.messages.pop())).await;
        assert_eq!(quick.next().await.unwrap().name, "removed");
    }
    let mut read = 0;
    while let Some(event) = slow.next().await {
        let number = read / 2;
        assert_eq!(event.data["id"], format!("n{number}"), "in order");
        read += 1;
    }
    assert!((1..120).contains(&read), "{read} events");
}

#[apply(on_both_databases)]
async fn a_message_reaches_many_streams_in_order(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(app.anonymous().watch(&link).await);
    }
    for number in 0..30 {
        tell(&app, |chat| chat.messages.push(message(&format!("n{number}"), "x"))).await;
    }
    for stream in &mut streams {
        for number in 0..30 {
            assert_eq!(stream.told().await, format!("message n{number} x"));
        }
    }
}
