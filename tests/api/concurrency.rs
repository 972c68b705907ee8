//! Many at once, on one instance and on several.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{App, Setup, apply, on_both_databases, on_postgres};

#[apply(on_both_databases)]
async fn no_view_that_begins_after_a_revocation_shows_the_link(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    for round in 0..6 {
        let link = alice.share("chat-1").await;
        let revoked = Arc::new(AtomicBool::new(false));
        let all_have_seen_it = Arc::new(Barrier::new(5));
        let viewers: Vec<_> = [&app, &other, &app, &other]
            .into_iter()
            .map(|app| {
                let (viewer, link, revoked) = (app.anonymous(), link.clone(), revoked.clone());
                let barrier = all_have_seen_it.clone();
                tokio::spawn(async move {
                    viewer.view(&link).await.is(200);
                    barrier.wait().await;
                    loop {
                        let began_after = revoked.load(Ordering::SeqCst);
                        let status = viewer.view(&link).await.status;
                        if began_after {
                            assert_ne!(status, 200);
                            return;
                        }
                    }
                })
            })
            .collect();
        all_have_seen_it.wait().await;
        match round % 3 {
            0 => drop(alice.delete(&link).await.is(204)),
            1 => drop(alice.change(&link, &json!({"is_private": true})).await.is(204)),
            _ => drop(alice.batch_delete(&[&link]).await.is(204)),
        }
        revoked.store(true, Ordering::SeqCst);
        for viewer in viewers {
            viewer.await.unwrap();
        }
    }
}

#[apply(on_both_databases)]
async fn many_links_are_made_at_once(app: App) {
    let other = app.another_instance().await;
    let body = json!({"chat_session_id": "chat-1"});
    let creates: Vec<_> = (0..60)
        .map(|n| if n % 2 == 0 { app.as_user("alice") } else { other.as_user("alice") })
        .map(|alice| alice.create(&body).spawn())
        .collect();
    let mut ids = std::collections::HashSet::new();
    for create in creates {
        let id = create.await.unwrap().is(201).json()["id"].as_str().unwrap().to_owned();
        assert!(ids.insert(id));
    }
    assert_eq!(app.as_user("alice").list("limit=1000").await.ids().len(), ids.len());
}

#[apply(on_both_databases)]
async fn of_many_deletions_of_one_link_one_counts(app: App) {
    let other = app.another_instance().await;
    let link = app.as_user("alice").share("chat-1").await;
    let deletions: Vec<_> = (0..20)
        .map(|n| if n % 2 == 0 { app.as_user("alice") } else { other.as_user("alice") })
        .map(|alice| alice.delete(&link).spawn())
        .collect();
    let mut statuses = Vec::new();
    for deletion in deletions {
        statuses.push(deletion.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (204, &[404; 19][..]));
}

#[apply(on_postgres)]
async fn clients_that_change_one_link_get_no_503_at_any_default_isolation_level(setup: Setup) {
    for level in ["repeatable%5C%20read", "serializable"] {
        let options = format!("%20-c%20default_transaction_isolation%3D{level}");
        let url = format!("{}{options}", setup.database_url);
        let app = setup.clone().with("DATABASE_URL", url).start().await;
        let alice = app.as_user("alice");
        let link = alice.share("chat-1").await;
        for round in 0..10 {
            let changes: Vec<_> = (0..8)
                .map(|n| alice.change(&link, &json!({"label": format!("{round}-{n}")})).spawn())
                .collect();
            for change in changes {
                change.await.unwrap().is(204);
            }
        }
    }
}

#[apply(on_both_databases)]
async fn disconnected_clients_leave_the_connections_usable(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let body = json!({"chat_session_id": "chat-1"});
    let leaving: Vec<_> = (0..40)
        .flat_map(|n| {
            let pause = Duration::from_micros(200 * n);
            let requests = [alice.create(&body), alice.list(""), app.anonymous().view(&link)];
            requests.map(|request| {
                tokio::spawn(async move {
                    tokio::select! {
                        answer = std::future::IntoFuture::into_future(request) => drop(answer),
                        () = tokio::time::sleep(pause) => {}
                    }
                })
            })
        })
        .collect();
    for client in leaving {
        client.await.unwrap();
    }
    // Every connection and the writer are as good as before.
    for _ in 0..10 {
        app.anonymous().view(&link).await.is(200);
        let new = alice.share("chat-1").await;
        alice.delete(&new).await.is(204);
    }
    for id in alice.list("limit=1000").await.is(200).ids() {
        app.anonymous().view(id).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn instances_that_start_at_once_migrate_once(setup: Setup) {
    let starts: Vec<_> = (0..4).map(|_| tokio::spawn(setup.clone().try_start())).collect();
    let mut apps = Vec::new();
    for start in starts {
        apps.push(start.await.unwrap().unwrap());
    }
    let link = apps[0].as_user("alice").share("chat-1").await;
    for app in apps {
        app.anonymous().view(&link).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn a_view_is_whole_while_its_settings_change(app: App) {
    app.chats.change("chat-1", |chat| {
        chat.files = Some(vec![
            json!({"id": "f1", "filename": "chart.png", "bytes": 1, "created_at": 1_767_225_600}),
        ]);
    });
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let done = Arc::new(AtomicBool::new(false));
    let (viewer, viewed, stop) = (app.anonymous(), link.clone(), done.clone());
    let viewing = tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            let answer = viewer.view(&viewed).header("accept-encoding", "zstd").await;
            // It may have changed all the while that it was to be shown.
            if answer.status == 200 {
                let view = answer.json();
                assert_eq!(view["includes_artifacts"] == true, view.get("artifacts").is_some());
                assert_eq!(view["messages"].as_array().unwrap().len(), 2);
            }
        }
    });
    for n in 0..40 {
        alice.change(&link, &json!({"includes_artifacts": n % 2 == 0})).await.is(204);
    }
    done.store(true, Ordering::SeqCst);
    viewing.await.unwrap();
}
