//! A database that is out of reach: 503 with `Retry-After`, nothing half done, and all is well
//! again when it comes back.

use serde_json::json;

use crate::support::{App, Link, Setup, TcpProxy, a_moment, apply};

async fn everything_is_unavailable(app: &App, link: &Link) {
    let alice = app.as_user("alice");
    // Until the last answer of a probe is not used again.
    a_moment().await;
    for request in [
        app.anonymous().view(link),
        app.anonymous().qr_code(link, ""),
        alice.list(""),
        alice.create(&json!({"chat_session_id": "chat-1"})),
        alice.change(link, &json!({"is_private": true})),
        alice.delete(link),
        alice.batch_delete(&[link]),
        app.as_chat_service().links_of_chat("chat-1"),
        app.as_chat_service().chat_was_deleted("chat-1"),
        app.anonymous().get("/health/ready"),
    ] {
        let answer = request.await;
        assert_eq!(answer.header("retry-after"), "5");
        answer.fails(503, "unavailable");
    }
    app.anonymous().open(link).await.is(503);
    app.anonymous().get("/health/live").await.is(200);
}

mod a_server {
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;
    use crate::support::{WriteLock, on_postgres};

    async fn behind_a_proxy(setup: Setup) -> (App, TcpProxy) {
        let (setup, proxy) = TcpProxy::before(setup).await;
        (setup.start().await, proxy)
    }

    #[apply(on_postgres)]
    async fn a_server_that_is_gone_is_waited_for(setup: Setup) {
        let (app, proxy) = behind_a_proxy(setup.with("DATABASE_TIMEOUT", "2s")).await;
        let link = app.as_user("alice").share("chat-1").await;
        let before = app.anonymous().view(&link).await.is(200);
        for _ in 0..2 {
            proxy.cut().await;
            everything_is_unavailable(&app, &link).await;
            proxy.mend().await;
            assert_eq!(app.anonymous().view(&link).await.is(200).json(), before.json());
            assert_eq!(app.as_user("alice").list("").await.is(200).json(), json!([link.info]));
            a_moment().await;
            app.anonymous().get("/health/ready").await.is(200);
        }
        app.as_user("alice").delete(&link).await.is(204);
    }

    #[apply(on_postgres)]
    async fn a_server_that_does_not_answer_is_given_up(setup: Setup) {
        let (app, proxy) = behind_a_proxy(setup.with("DATABASE_TIMEOUT", "2s")).await;
        let link = app.as_user("alice").share("chat-1").await;
        app.anonymous().view(&link).await.is(200);
        proxy.hold();
        let began = std::time::Instant::now();
        let alice = app.as_user("alice");
        let view = app.anonymous().view(&link).spawn();
        let list = alice.list("").spawn();
        view.await.unwrap().fails(503, "unavailable");
        list.await.unwrap().fails(503, "unavailable");
        assert!(began.elapsed() < Duration::from_secs(10));
        proxy.let_go();
        app.anonymous().view(&link).await.is(200);
        alice.list("").await.is(200);
    }

    #[apply(on_postgres)]
    async fn connections_that_were_cut_are_made_again(setup: Setup) {
        let (app, proxy) = behind_a_proxy(setup.with("DATABASE_TIMEOUT", "2s")).await;
        let link = app.as_user("alice").share("chat-1").await;
        app.anonymous().view(&link).await.is(200);
        // As when a server restarts between two requests: no request fails.
        for _ in 0..3 {
            proxy.cut().await;
            proxy.mend().await;
            app.anonymous().view(&link).await.is(200);
            app.as_user("alice").list("").await.is(200);
        }
    }

    #[apply(on_postgres)]
    async fn views_of_disconnected_clients_delay_no_others(setup: Setup) {
        let (app, proxy) =
            behind_a_proxy(setup.with("WORKERS", "1").with("DATABASE_TIMEOUT", "20s")).await;
        let link = app.as_user("alice").share("chat-1").await;
        app.anonymous().view(&link).await.is(200);
        // A view makes its connection anew, and the server says nothing.
        proxy.cut().await;
        proxy.mend().await;
        proxy.hold();
        for _ in 0..2 {
            // So many that no more would be let in to wait with them.
            let leaving: Vec<_> = (0..100).map(|_| app.anonymous().view(&link).spawn()).collect();
            a_moment().await;
            leaving.iter().for_each(JoinHandle::abort);
        }
        a_moment().await;
        proxy.let_go();
        app.anonymous().get("/health/ready").await.is(200);
        app.anonymous().view(&link).await.is(200);
    }

    #[apply(on_postgres)]
    async fn changes_of_many_rows_leave_connections_to_others(setup: Setup) {
        let setup = setup.with("DATABASE_POOL_SIZE", "4").queue_timeout(Duration::from_millis(300));
        let app = setup.start().await;
        let alice = app.as_user("alice");
        let link = alice.share("chat-1").await;
        // One of them waits, and so would all that come after it.
        let lock = WriteLock::take(&app).await;
        let deleting: Vec<_> = (0..10).map(|_| alice.batch_delete(&[&link]).spawn()).collect();
        lock.is_waited_for().await;
        a_moment().await;
        assert_eq!(alice.list("").await.is(200).json(), json!([link.info]));
        drop(lock);
        let mut done = 0;
        for deleted in deleting {
            match deleted.await.unwrap() {
                deleted if deleted.status == 204 => done += 1,
                refused => drop(refused.fails(503, "unavailable")),
            }
        }
        assert!(done > 0);
        app.anonymous().view(&link).await.is(404);
    }
}

mod a_file {
    use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

    use super::*;
    use crate::support::on_sqlite;

    #[apply(on_sqlite)]
    async fn a_locked_file_is_503_after_database_timeout_and_still_read(setup: Setup) {
        let app = setup.with("DATABASE_TIMEOUT", "500ms").start().await;
        let link = app.as_user("alice").share("chat-1").await;
        app.anonymous().view(&link).await.is(200);
        let path = app.setup.database_url.strip_prefix("sqlite:").unwrap().to_owned();
        let mut locking = SqliteConnection::establish(&path).unwrap();
        locking.batch_execute("BEGIN IMMEDIATE").unwrap();
        let alice = app.as_user("alice");
        for request in [
            alice.create(&json!({"chat_session_id": "chat-1"})),
            alice.change(&link, &json!({"is_private": true})),
            alice.delete(&link),
        ] {
            request.await.fails(503, "unavailable");
        }
        // Reading goes on.
        app.anonymous().view(&link).await.is(200);
        assert_eq!(alice.list("").await.json(), json!([link.info]));
        locking.batch_execute("ROLLBACK").unwrap();
        // What was given up does not happen later.
        for _ in 0..50 {
            let label = json!({"label": "mended"});
            if alice.change(&link, &label).await.status == 204 {
                break;
            }
        }
        app.anonymous().view(&link).await.is(200);
        assert_eq!(alice.list("").await.each("label"), ["mended"]);
    }
}
