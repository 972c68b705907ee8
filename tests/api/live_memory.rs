//! Chats that are watched stay within a bound of memory, and the large ones are polled less.

use std::time::Duration;

use crate::support::{
    App, Chat, EventStream, Link, Setup, a_moment, apply, eventually, message, on_both_databases,
};

/// A live link to a chat of so many bytes.
async fn live(app: &App, chat: &str, bytes: usize) -> Link {
    app.chats.put(chat, Chat::of("alice", chat, &[message("m1", &"x".repeat(bytes))]));
    app.as_user("alice").share_live(chat).await
}

async fn is_refused(app: &App, link: &Link) {
    let answer = app.anonymous().events(link).await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.fails(503, "unavailable");
}

/// As a client that has to fetch the view, and comes back.
async fn is_ended(mut stream: EventStream) {
    let mut event = stream.next().await.unwrap();
    // The message for which there was no room may come first.
    if event.name == "message" {
        event = stream.next().await.unwrap();
    }
    assert_eq!(event.name, "reset");
    assert_eq!(stream.told().await, "end");
}

fn with_room_for(setup: Setup, bytes: usize) -> Setup {
    let setup = setup.with("LIVE_POLL_INTERVAL", "1h");
    setup.config(move |config| config.live.max_watched_bytes = bytes)
}

#[apply(on_both_databases)]
async fn a_chat_for_which_there_is_no_room_cannot_be_watched(setup: Setup) {
    let app = with_room_for(setup, 300_000).start().await;
    let (first, second) = (live(&app, "a", 200_000).await, live(&app, "b", 200_000).await);
    let mut watched = app.anonymous().watch(&first).await;
    is_refused(&app, &second).await;
    // It is viewed all the same, and others of that chat may watch it, as does one of a small chat.
    app.anonymous().view(&second).await.is(200);
    let other = app.anonymous().watch(&first).await;
    let small = live(&app, "c", 100).await;
    app.anonymous().watch(&small).await;
    watched.is_quiet_for(Duration::from_millis(300)).await;
    drop((watched, other));
    eventually("there is room", async || app.anonymous().events(&second).await.status == 200).await;
}

#[apply(on_both_databases)]
async fn the_largest_chat_makes_room_for_a_smaller_one(setup: Setup) {
    let app = with_room_for(setup, 300_000).start().await;
    let large = live(&app, "large", 200_000).await;
    let [middle, small] = [live(&app, "middle", 150_000).await, live(&app, "small", 100).await];
    let of_large = [app.anonymous().watch(&large).await, app.anonymous().watch(&large).await];
    let mut of_small = app.anonymous().watch(&small).await;
    let mut of_middle = app.anonymous().watch(&middle).await;
    for stream in of_large {
        is_ended(stream).await;
    }
    // It comes back in vain, and pushes nothing out.
    is_refused(&app, &large).await;
    of_small.is_quiet_for(Duration::from_millis(100)).await;
    of_middle.is_quiet_for(Duration::from_millis(100)).await;
}

#[apply(on_both_databases)]
async fn a_chat_that_outgrows_the_room_is_ended(setup: Setup) {
    let app = with_room_for(setup, 300_000).start().await;
    let (growing, other) = (live(&app, "a", 100).await, live(&app, "b", 100_000).await);
    let stream = app.anonymous().watch(&growing).await;
    let mut of_other = app.anonymous().watch(&other).await;
    app.chats.change("a", |chat| chat.messages.push(message("m2", &"x".repeat(250_000))));
    app.as_chat_service().chat_changed("a").await.is(202);
    is_ended(stream).await;
    of_other.is_quiet_for(Duration::from_millis(100)).await;
    is_refused(&app, &growing).await;
}

#[apply(on_both_databases)]
async fn a_large_chat_is_polled_less_and_a_notice_is_told_at_once(setup: Setup) {
    let app = setup.with("LIVE_POLL_INTERVAL", "50ms").live_max_age(Duration::ZERO).start().await;
    let polls = |chat: &str| {
        let path = format!("/api/v1/chats/{chat}");
        app.chats.asked().iter().filter(|asked| asked.path == path).count()
    };
    let (small, large) = (live(&app, "small", 100).await, live(&app, "large", 6_000_000).await);
    let _of_small = app.anonymous().watch(&small).await;
    let created = polls("large");
    let mut of_large = app.anonymous().watch(&large).await;
    // The first poll comes before it is known how large the chat is.
    eventually("it was read twice", async || polls("large") >= created + 2).await;
    let (small_before, large_before) = (polls("small"), polls("large"));
    eventually("the small one was polled", async || polls("small") >= small_before + 4).await;
    a_moment().await;
    assert_eq!(polls("large"), large_before);
    app.chats.change("large", |chat| chat.messages.push(message("m2", "news")));
    app.as_chat_service().chat_changed("large").await.is(202);
    assert_eq!(of_large.told().await, "message m2 news");
}
