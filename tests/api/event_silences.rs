//! What a stream does while nothing is to be told, and while the database cannot say whether
//! its viewer may see the link. These tests take as long as docs/API.md 3 says.

use std::time::{Duration, Instant};

use crate::support::{App, Setup, TcpProxy, apply, behind_its_back, message, on_both_databases};

/// docs/API.md 3.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[apply(on_both_databases)]
async fn a_silent_stream_has_a_heartbeat_at_which_access_is_asked_for(setup: Setup) {
    let app = setup.with("LIVE_POLL_INTERVAL", "1h").start().await;
    let alice = app.as_user("alice");
    let (stays, goes) = (alice.share_live("chat-1").await, alice.share_live("chat-1").await);
    let began = Instant::now();
    let mut stays = app.anonymous().watch(&stays).await;
    let mut deleted = app.anonymous().watch(&goes).await;
    // No notice comes of this, as when one was lost.
    behind_its_back(&app, &format!("DELETE FROM shared_chats WHERE id = '{}'", goes.id)).await;
    let comments = stays.comments;
    stays.is_quiet_for(HEARTBEAT - Duration::from_secs(1)).await;
    assert_eq!(stays.comments, comments, "not before its time");
    tokio::join!(stays.is_quiet_for(Duration::from_secs(2)), async {
        assert_eq!(deleted.told().await, "revoked {}");
        assert!(began.elapsed() > HEARTBEAT - Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(deleted.told().await, "end");
    });
    assert_eq!(stays.comments, comments + 1, "after {:?}", began.elapsed());
}

/// A database that can be taken away: the line to a server, or what a file holds.
enum Line {
    Server(TcpProxy),
    File,
}

impl Line {
    async fn of(setup: Setup) -> (Setup, Self) {
        if setup.database_url.starts_with("sqlite:") {
            return (setup, Self::File);
        }
        let (setup, proxy) = TcpProxy::before(setup).await;
        (setup.with("DATABASE_TIMEOUT", "2s"), Self::Server(proxy))
    }

    async fn cut(&self, app: &App) {
        match self {
            Self::Server(proxy) => proxy.cut().await,
            Self::File => rename(app, "shared_chats", "away").await,
        }
        // What it answered before counts for a tenth of a second of the real clock.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    async fn mend(&self, app: &App) {
        match self {
            Self::Server(proxy) => proxy.mend().await,
            Self::File => rename(app, "away", "shared_chats").await,
        }
    }
}

async fn rename(app: &App, from: &str, to: &str) {
    let rename = format!("PRAGMA legacy_alter_table = ON; ALTER TABLE {from} RENAME TO {to}");
    behind_its_back(app, &rename).await;
}

#[apply(on_both_databases)]
async fn a_stream_without_the_database_is_silent_and_ends_after_30_seconds(setup: Setup) {
    let (setup, line) = Line::of(setup).await;
    let app = setup.with("LIVE_POLL_INTERVAL", "200ms").start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let say = |id: &str| app.chats.change("chat-1", |chat| chat.messages.push(message(id, "x")));
    let mut stream = app.anonymous().watch(&link).await;
    line.cut(&app).await;
    say("m3");
    stream.is_quiet_for(Duration::from_secs(3)).await;
    line.mend(&app).await;
    assert_eq!(stream.told().await, "message m3 x");
    // The next time it does not come back.
    line.cut(&app).await;
    say("m4");
    stream.is_quiet_for(Duration::from_secs(28)).await;
    assert_eq!(stream.told().await, "end", "access cannot be checked");
    line.mend(&app).await;
    let cursor = stream.cursor.unwrap();
    let mut again = app.anonymous().watch_after(&link, &cursor).await;
    assert_eq!(again.told().await, "message m4 x");
}
