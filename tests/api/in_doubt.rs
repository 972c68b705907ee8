//! A change in doubt: it was answered 503, and committed or not. What it made is whole, or gone.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    artifacts::settles_at,
    support::{
        App, Link, Request, Setup, WriteLock, a_moment, apply, behind_its_back, eventually,
        on_both_databases, on_postgres, on_sqlite, rows,
    },
};

const INCLUDED: fn() -> Value = || json!({"chat_session_id": "chat-1", "includes_artifacts": true});

/// Alice's create that can be repeated.
fn create(app: &App) -> Request {
    app.as_user("alice").create(&INCLUDED()).header("idempotency-key", "key")
}

/// The link that she gets when she asks again.
async fn again(app: &App) -> Link {
    let answer = create(app).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    let info = answer.json();
    Link { id: info["id"].as_str().unwrap().to_owned(), info }
}

/// The one file that there is can be had, and is kept once.
async fn has_its_file(app: &App, link: &Link) {
    let view = app.anonymous().view(link).await.is(200).json();
    assert_eq!(view["artifacts"][0]["available"], true, "{view}");
    assert_eq!(app.anonymous().artifact(link, "f1").await.is(200).body, "plan");
    settles_at(&app.setup, 1).await;
}

/// Lets the leases of unfinished copies end, and waits until a sweep has come to its end.
async fn all_leases_end(app: &App) {
    let unknown = app.setup.store_folder().join("0b4f6a4e-0c5d-4f6e-9a51-4f2f4a1c7d11");
    std::fs::write(&unknown, "left over").unwrap();
    app.clock.advance(TimeDelta::minutes(61));
    app.another_instance().await;
    eventually("it is swept", async || !unknown.exists()).await;
}

#[apply(on_both_databases)]
async fn copies_whose_link_was_not_made_go_in_the_end(setup: Setup) {
    let app = setup.with("DATABASE_TIMEOUT", "500ms").start().await;
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let held = app.chats.hold(&path);
    let create = create(&app).spawn();
    held.arrived(1).await;
    let lock = WriteLock::take(&app).await;
    held.let_go();
    create.await.unwrap().fails(503, "unavailable");
    drop(lock);
    all_leases_end(&app).await;
    settles_at(&app.setup, 0).await;
    assert_eq!((rows(&app, "artifacts").await, rows(&app, "shared_chats").await), (0, 0));
}

mod a_server {
    use tokio_postgres::{Client, NoTls};

    use super::*;
    use crate::support::{TcpProxy, eventually};

    /// Holds back every COMMIT of a link at the server, by a deferred trigger that waits for an
    /// advisory lock. What is cut meanwhile is in doubt: the service cannot know its outcome.
    ///
    /// ```text
    /// service    | INSERT, COMMIT -------- connection lost: 503
    /// PostgreSQL |         trigger waits -------------------------- committed
    /// test       | take()     arrived()  proxy.cut()     let_go()
    /// ```
    struct HeldCommits {
        client: Client,
        number: i64,
    }

    impl HeldCommits {
        async fn take(app: &App) -> Self {
            // Locks of this kind belong to the database, not to the test's schema.
            let number = i64::from(uuid::Uuid::new_v4().as_fields().0);
            let hold = format!(
                "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     PERFORM pg_advisory_xact_lock({number});
                     RETURN NULL;
                 END $$;
                 CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON shared_chats
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();"
            );
            behind_its_back(app, &hold).await;
            let url = &app.setup.database_url;
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let held = Self { client, number };
            held.client.batch_execute(&format!("SELECT pg_advisory_lock({number})")).await.unwrap();
            held
        }

        /// Waits until one is under way, and returns its session.
        async fn arrived(&self) -> i32 {
            let waiting = format!(
                "SELECT pid FROM pg_locks
                 WHERE locktype = 'advisory' AND objid::bigint = {} AND NOT granted",
                self.number
            );
            let mut session = None;
            eventually("a COMMIT came", async || {
                session = self.client.query_opt(&waiting, &[]).await.unwrap();
                session.is_some()
            })
            .await;
            session.unwrap().get(0)
        }

        /// Waits until another session waits for what this one does.
        async fn is_waited_for(&self, session: i32) {
            let waiting =
                "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)) LIMIT 1";
            eventually("another session waits", async || {
                self.client.query_opt(waiting, &[&session]).await.unwrap().is_some()
            })
            .await;
        }

        async fn let_go(self) {
            let number = self.number;
            let unlock = format!("SELECT pg_advisory_unlock({number})");
            self.client.batch_execute(&unlock).await.unwrap();
        }
    }

    async fn start(setup: Setup) -> (App, TcpProxy) {
        let (setup, proxy) = TcpProxy::before(setup.with("DATABASE_TIMEOUT", "5s")).await;
        let app = setup.start().await;
        app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
        (app, proxy)
    }

    #[apply(on_postgres)]
    async fn a_create_in_doubt_keeps_its_files(setup: Setup) {
        let (app, proxy) = start(setup).await;
        let commits = HeldCommits::take(&app).await;
        let first = create(&app).spawn();
        commits.arrived().await;
        proxy.cut().await;
        commits.let_go().await;
        first.await.unwrap().fails(503, "unavailable");
        proxy.mend().await;
        let link = again(&app).await;
        has_its_file(&app, &link).await;
        all_leases_end(&app).await;
        has_its_file(&app, &link).await;
    }

    #[apply(on_postgres)]
    async fn a_change_in_doubt_keeps_its_files(setup: Setup) {
        let (app, proxy) = start(setup).await;
        let link = app.as_user("alice").share("chat-1").await;
        let commits = HeldCommits::take(&app).await;
        let on = json!({"includes_artifacts": true});
        let first = app.as_user("alice").change(&link, &on).spawn();
        commits.arrived().await;
        proxy.cut().await;
        // The copies are taken back while it is still under way.
        proxy.mend().await;
        a_moment().await;
        commits.let_go().await;
        first.await.unwrap().fails(503, "unavailable");
        has_its_file(&app, &link).await;
        app.as_user("alice").change(&link, &on).await.is(204);
        all_leases_end(&app).await;
        has_its_file(&app, &link).await;
    }

    #[apply(on_postgres)]
    async fn a_create_in_doubt_that_was_not_made_leaves_nothing(setup: Setup) {
        let (app, proxy) = start(setup).await;
        let commits = HeldCommits::take(&app).await;
        let first = create(&app).spawn();
        let session = commits.arrived().await;
        proxy.cut().await;
        let end = format!("SELECT pg_terminate_backend({session})");
        commits.client.batch_execute(&end).await.unwrap();
        first.await.unwrap().fails(503, "unavailable");
        commits.let_go().await;
        proxy.mend().await;
        assert_eq!(app.as_user("alice").list("").await.is(200).json(), json!([]));
        all_leases_end(&app).await;
        settles_at(&app.setup, 0).await;
        assert_eq!(rows(&app, "artifacts").await, 0);
    }

    #[apply(on_postgres)]
    async fn a_create_with_the_same_key_meanwhile_leaves_the_files_alone(setup: Setup) {
        let (app, proxy) = start(setup).await;
        let commits = HeldCommits::take(&app).await;
        let first = create(&app).spawn();
        let session = commits.arrived().await;
        proxy.cut().await;
        proxy.mend().await;
        let second = create(&app).spawn();
        // It has its copies, and waits for what becomes of the key.
        eventually("the second create has its copies", async || {
            app.chats.asked().iter().filter(|a| a.path.ends_with("/content")).count() == 2
        })
        .await;
        commits.is_waited_for(session).await;
        commits.let_go().await;
        first.await.unwrap().fails(503, "unavailable");
        let made = second.await.unwrap().is(201).json();
        let link = again(&app).await;
        assert_eq!(made["id"], link.info["id"]);
        has_its_file(&app, &link).await;
        assert_eq!(rows(&app, "artifacts").await, 1);
    }
}

mod a_file {
    use super::*;

    /// Makes whatever is done to links take longer than `DATABASE_TIMEOUT`, once it was begun.
    async fn start(setup: Setup) -> (App, Link) {
        let app = setup.with("DATABASE_TIMEOUT", "300ms").start().await;
        app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
        let link = app.as_user("alice").share("chat-1").await;
        let long = "SELECT count(*) FROM many AS a, many AS b, many AS c";
        let slow = format!(
            "CREATE TABLE many AS WITH RECURSIVE number(n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 300) SELECT n FROM number;
             CREATE TRIGGER slow_insert AFTER INSERT ON shared_chats BEGIN {long}; END;
             CREATE TRIGGER slow_update AFTER UPDATE ON shared_chats BEGIN {long}; END;"
        );
        behind_its_back(&app, &slow).await;
        (app, link)
    }

    /// Waits for its end as well.
    async fn is_well_again(app: &App) {
        let drop = "DROP TRIGGER slow_insert; DROP TRIGGER slow_update; DROP TABLE many;";
        behind_its_back(app, drop).await;
    }

    #[apply(on_sqlite)]
    async fn a_slow_create_keeps_its_files(setup: Setup) {
        let (app, _) = start(setup).await;
        create(&app).await.fails(503, "unavailable");
        is_well_again(&app).await;
        let link = again(&app).await;
        assert_eq!(app.as_user("alice").list("").await.is(200).ids().len(), 2);
        has_its_file(&app, &link).await;
        all_leases_end(&app).await;
        has_its_file(&app, &link).await;
    }

    #[apply(on_sqlite)]
    async fn a_slow_change_keeps_its_files(setup: Setup) {
        let (app, link) = start(setup).await;
        let on = json!({"includes_artifacts": true});
        app.as_user("alice").change(&link, &on).await.fails(503, "unavailable");
        is_well_again(&app).await;
        has_its_file(&app, &link).await;
        app.as_user("alice").change(&link, &on).await.is(204);
        all_leases_end(&app).await;
        has_its_file(&app, &link).await;
    }
}
