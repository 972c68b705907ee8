//! Audit records: who did what to which link, and what was refused.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde_json::{Value, json};
use shared_chats::model::{Action, Actor, AuditRecord, ChatSessionId, Origin, ShareId};

use crate::support::{
    App, Setup, apply, audit_records, behind_its_back, import, on_both_databases, rows, store,
};

fn short(link: impl AsRef<str>) -> String {
    ShareId::parse(link.as_ref()).unwrap().short().as_str().to_owned()
}

fn short_chat(chat: &str) -> String {
    ChatSessionId::parse(chat).unwrap().short().as_str().to_owned()
}

/// The records without their times.
async fn records(app: &App) -> Vec<Value> {
    let mut records = audit_records(app).await;
    for record in &mut records {
        assert!(!record.as_object_mut().unwrap().remove("at").unwrap().is_null());
    }
    records
}

/// The records, once there are so many: refusals are written aside.
async fn all_of(app: &App, number: usize) -> Vec<Value> {
    let waiting = async {
        loop {
            let records = records(app).await;
            if records.len() >= number {
                return records;
            }
            tokio::time::sleep(StdDuration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(StdDuration::from_secs(15), waiting).await;
    let Ok(found) = waited else { panic!("{:?}", records(app).await) };
    assert_eq!(found.len(), number, "{found:?}");
    found
}

/// Has a minute begin, so that what is counted in the test falls into one.
fn begin_a_minute(app: &App) {
    let into_it = Duration::microseconds(app.now().timestamp_micros() % 60_000_000);
    app.clock.advance(Duration::minutes(1) - into_it);
}

/// The refusals that are stored once this minute is over.
async fn after_the_minute(app: &App, number: usize) -> Vec<Value> {
    app.clock.advance(Duration::minutes(1));
    let found = all_of(app, number).await;
    found.into_iter().filter(|record| record["result"] != "ok").collect()
}

/// What a record of Alice's says beside its detail.
fn of_alice(action: &str, link: &str, request_id: &str, detail: &Value) -> Value {
    json!({
        "actor_kind": "user", "actor_id": "alice", "action": action, "result": "ok",
        "link": short(link), "chat": short_chat("chat-1"), "client": "127.0.0.1",
        "request_id": request_id, "times": 1, "detail": detail,
    })
}

#[apply(on_both_databases)]
async fn each_change_of_a_link_leaves_one_record(app: App) {
    let (alice, end) = (app.as_user("alice"), app.after(Duration::days(1)));
    let asked = json!({"chat_session_id": "chat-1", "is_private": true, "label": "secret plan",
                       "expires_at": end});
    let made = alice.create(&asked).header("x-request-id", "made").await.is(201).json();
    let link = made["id"].as_str().unwrap();
    let change = json!({"is_private": false, "expires_at": null, "label": null});
    alice.change(link, &change).header("x-request-id", "changed").await.is(204);
    let change = json!({"includes_artifacts": true, "label": "another secret"});
    alice.change(link, &change).header("x-request-id", "files").await.is(204);
    // Nothing is changed by this.
    alice.change(link, &json!({})).await.is(204);
    alice.delete(link).header("x-request-id", "deleted").await.is(204);
    let settings = json!({"is_private": true, "is_frozen": true, "includes_artifacts": false,
                          "expires_at": end, "label": "set"});
    let mut found = records(&app).await;
    // The same moment, however many digits.
    assert_eq!(moment(&found[0]["detail"]["expires_at"]), moment(&end.clone().into()));
    found[0]["detail"]["expires_at"] = end.into();
    assert_eq!(
        found,
        [
            of_alice("create", link, "made", &settings),
            of_alice(
                "change",
                link,
                "changed",
                &json!({"is_private": false, "expires_at": null, "label": "cleared"})
            ),
            of_alice("change", link, "files", &json!({"includes_artifacts": true, "label": "set"})),
            of_alice("delete", link, "deleted", &Value::Null),
        ]
    );
}

fn moment(text: &Value) -> chrono::DateTime<chrono::Utc> {
    text.as_str().unwrap().parse().unwrap()
}

#[apply(on_both_databases)]
async fn links_that_go_together_are_one_record(app: App) {
    let alice = app.as_user("alice");
    let (one, other) = (alice.share("chat-1").await, alice.share("chat-1").await);
    let never = "00000000-0000-4000-8000-000000000000";
    alice.batch_delete(&[&one.id, &other.id, never]).await.is(204);
    alice.batch_delete(&[never]).await.is(204);
    let found = records(&app).await;
    assert_eq!(found.len(), 4);
    let (batch, nothing) = (&found[2], &found[3]);
    assert_eq!((&batch["action"], &batch["actor_id"]), (&"batch_delete".into(), &"alice".into()));
    assert_eq!((&batch["link"], &batch["times"]), (&Value::Null, &json!(1)));
    assert_eq!(batch["detail"]["deleted"], 2);
    let listed: Vec<&str> =
        batch["detail"]["links"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    assert_eq!(listed.len(), 2);
    assert!([&one, &other].iter().all(|link| listed.contains(&&*short(link))));
    assert_eq!(nothing["detail"], json!({"deleted": 0, "links": []}));
}

#[apply(on_both_databases)]
async fn what_the_chat_service_does_is_recorded(app: App) {
    let service = app.as_chat_service();
    let asked = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
    let made = service.create(&asked).await.is(201).json();
    let link = made["id"].as_str().unwrap();
    service.chat_was_deleted("chat-1").header("x-request-id", "gone").await.is(200);
    let found = records(&app).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        (&found[0]["actor_kind"], &found[0]["actor_id"], &found[0]["action"]),
        (&"chat_service".into(), &"chat-service".into(), &"create".into())
    );
    assert_eq!(
        found[1],
        json!({
            "actor_kind": "chat_service", "actor_id": "chat-service", "action": "chat_deleted",
            "result": "ok", "link": null, "chat": short_chat("chat-1"), "client": "127.0.0.1",
            "request_id": "gone", "times": 1,
            "detail": {"deleted": 1, "links": [short(link)]},
        })
    );
}

fn old(app: &App, token: &str) -> String {
    let end = app.after(Duration::days(10));
    let line = json!({"token": token, "created_at": "2025-01-02T03:04:05Z", "expires_at": end,
                      "messages": [{"content": "x"}]});
    format!("{line}\n")
}

#[apply(on_both_databases)]
async fn an_import_leaves_a_record_of_what_it_stored(app: App) {
    let file = format!("{}no link\n{}", old(&app, "old_token-1"), old(&app, "old_token-2"));
    import(&app, &file).await;
    // There already: nothing is stored.
    import(&app, &file).await;
    let found = records(&app).await;
    assert_eq!(
        found,
        [json!({
            "actor_kind": "command_line", "actor_id": null, "action": "legacy_import",
            "result": "ok", "link": null, "chat": null, "client": null, "request_id": null,
            "times": 1,
            "detail": {
                "first_line": 1, "last_line": 3, "imported": 2, "already_there": 0,
                "chat_deleted": 0, "expired": 0, "bad": 1,
                "links": [short("old_token-1"), short("old_token-2")],
            },
        })]
    );
}

#[apply(on_both_databases)]
async fn a_repeated_create_is_recorded_once(app: App) {
    let create = || {
        let asked = json!({"chat_session_id": "chat-1"});
        app.as_user("alice").create(&asked).header("idempotency-key", "once")
    };
    let (one, other, third) = tokio::join!(create(), create(), create());
    assert!([&one, &other, &third].iter().all(|answer| answer.status == 201));
    assert_eq!(records(&app).await.len(), 1);
}

#[apply(on_both_databases)]
async fn what_is_refused_leaves_no_record_of_a_change(app: App) {
    app.as_chat_service().chat_was_deleted("deleted-chat").await.is(200);
    app.chats.put_named("deleted-chat", "A chat");
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    alice.create(&json!({"chat_session_id": "deleted-chat"})).await.is(404);
    let (alices, bobs) = (alice.share("chat-1").await, bob.share("bobs-chat").await);
    bob.batch_delete(&[&bobs, &alices]).await.is(403);
    bob.delete(&alices).await.is(403);
    alice.change(&alices, &json!({"label": "x"})).header("if-match", "\"0-7-\"").await.is(412);
    let found = records(&app).await;
    let done = found.iter().filter(|record| record["result"] == "ok");
    let actions: Vec<&str> = done.map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["chat_deleted", "create", "create"]);
}

#[apply(on_both_databases)]
async fn no_record_no_change(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    behind_its_back(&app, "ALTER TABLE audit_records RENAME TO hidden").await;
    alice.create(&json!({"chat_session_id": "chat-1"})).await.is(500);
    alice.change(&link, &json!({"is_private": true})).await.is(500);
    alice.delete(&link).await.is(500);
    alice.batch_delete(&[&link]).await.is(500);
    app.as_chat_service().chat_was_deleted("chat-1").await.is(500);
    assert_eq!(alice.list("").await.json(), json!([link.info]));
    behind_its_back(&app, "ALTER TABLE hidden RENAME TO audit_records").await;
    alice.delete(&link).await.is(204);
    assert_eq!(records(&app).await.len(), 2);
}

#[apply(on_both_databases)]
async fn records_hold_no_secrets_and_no_text(app: App) {
    begin_a_minute(&app);
    let alice = app.as_user("alice");
    let settings = json!({"label": "a label", "is_private": true});
    let link = alice.share_with("chat-1", settings).await;
    alice.change(&link, &json!({"label": "another label"})).await.is(204);
    app.as_user("bob").change(&link, &json!({"label": "bobs label"})).await.is(403);
    let stranger = app.with_token("a-token-of-sorts");
    stranger.view(&link).await.is(401);
    alice.batch_delete(&[&link]).await.is(204);
    import(&app, old(&app, "old_token-1")).await;
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(after_the_minute(&app, 7).await.len(), 2);
    let text = Value::from(records(&app).await).to_string();
    for secret in [&link.id, "old_token-1", "chat-1", "label\"", "a-token", "Bearer", "eyJ"] {
        let told = text.replace("\"label\":", "");
        assert!(!told.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains(&short(&link)), "{text}");
}

#[apply(on_both_databases)]
async fn records_outlive_their_links(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.delete(&link).await.is(204);
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    let of_it: Vec<Value> = records(&app).await;
    assert_eq!(of_it.iter().filter(|record| record["link"] == short(&link)).count(), 2);
    assert_eq!(rows(&app, "shared_chats").await, 0);
}

#[apply(on_both_databases)]
async fn refusals_of_a_known_caller_are_listed(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    import(&app, old(&app, "old_token-1")).await;
    let (bob, service) = (app.as_user("bob"), app.as_chat_service());
    let never = "00000000-0000-4000-8000-000000000000";
    let why = |record: &Value| {
        let field = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
        [field("actor_kind"), field("action"), field("result"), field("link"), field("chat")]
    };
    bob.delete(&link).header("x-request-id", "refused").await.is(403);
    bob.change(never, &json!({"label": "x"})).await.is(404);
    bob.delete("old_token-1").await.is(409);
    bob.batch_delete(&[&link]).await.is(403);
    bob.create(&json!({"chat_session_id": "no-such-chat"})).await.is(404);
    bob.chat_was_deleted("chat-1").await.is(403);
    bob.activity(&link).await.is(403);
    service.list("").await.is(403);
    service.view(&link).await.is(403);
    service.open(&link).await.is(403);
    let alice = app.as_user("alice");
    alice.change(&link, &json!({"label": "x"})).header("if-match", "\"0-7-\"").await.is(412);
    let found = all_of(&app, 2 + 11).await;
    let found: Vec<&Value> = found.iter().filter(|record| record["result"] != "ok").collect();
    let (a_link, no_link, chat) = (short(&link), short(never), short_chat("chat-1"));
    let expected = [
        ["user", "delete", "forbidden", &a_link, "-"],
        ["user", "change", "not_found", &no_link, "-"],
        ["user", "delete", "legacy_link", &short("old_token-1"), "-"],
        ["user", "batch_delete", "forbidden", "-", "-"],
        ["user", "create", "not_found", "-", &short_chat("no-such-chat")],
        ["user", "chat_deleted", "forbidden", "-", &chat],
        ["user", "activity", "forbidden", &a_link, "-"],
        ["chat_service", "list", "forbidden", "-", "-"],
        ["chat_service", "view", "forbidden", &a_link, "-"],
        ["chat_service", "view", "forbidden", &a_link, "-"],
        ["user", "change", "precondition_failed", &a_link, "-"],
    ];
    let said: Vec<[String; 5]> = found.iter().map(|record| why(record)).collect();
    assert_eq!(said, expected);
    let first = found[0];
    assert_eq!((&first["actor_id"], &first["request_id"]), (&"bob".into(), &"refused".into()));
    assert_eq!((&first["client"], &first["times"]), (&"127.0.0.1".into(), &json!(1)));
}

#[apply(on_both_databases)]
async fn what_nobody_in_particular_is_refused_is_counted_by_the_minute(app: App) {
    begin_a_minute(&app);
    let link = app.as_user("alice").share_private("chat-1").await;
    let (nobody, rubbish) = (app.anonymous(), app.with_token("rubbish"));
    for _ in 0..15 {
        nobody.delete(&link).await.is(401);
        nobody.view(&link).await.is(401);
        nobody.open(&link).await.is(401);
        rubbish.delete(&link).await.is(401);
    }
    assert_eq!(records(&app).await.len(), 1, "they are not listed");
    let found = after_the_minute(&app, 4).await;
    let mut counted: Vec<(&str, &str, &str, i64)> = Vec::new();
    for record in &found {
        let field = |name: &str| record[name].as_str().unwrap();
        let times = record["times"].as_i64().unwrap();
        counted.push((field("actor_kind"), field("action"), field("result"), times));
        assert!(["actor_id", "link", "client", "request_id"].iter().all(|f| record[*f].is_null()));
    }
    counted.sort_unstable();
    assert_eq!(
        counted,
        [
            ("anonymous", "delete", "invalid_token", 15),
            ("anonymous", "delete", "login_required", 15),
            ("anonymous", "view", "login_required", 30),
        ]
    );
    nobody.delete(&link).await.is(401);
    assert_eq!(after_the_minute(&app, 5).await.len(), 4, "the next minute is another record");
}

#[apply(on_both_databases)]
async fn a_caller_who_is_refused_a_lot_is_counted(setup: Setup) {
    let app = setup.config(|config| config.records.kept.refusals_per_minute = 3).start().await;
    begin_a_minute(&app);
    let bob = app.as_user("bob");
    for _ in 0..10 {
        bob.delete("no-such-link").await.is(404);
    }
    app.as_user("carol").delete("no-such-link").await.is(404);
    let found = after_the_minute(&app, 5).await;
    let mut times: Vec<(&str, i64)> = found
        .iter()
        .map(|r| (r["actor_id"].as_str().unwrap(), r["times"].as_i64().unwrap()))
        .collect();
    times.sort_unstable();
    assert_eq!(times, [("bob", 1), ("bob", 1), ("bob", 1), ("bob", 7), ("carol", 1)]);
}

#[apply(on_both_databases)]
async fn what_is_no_attempt_is_not_recorded(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let bob = app.as_user("bob");
    bob.create(&json!({"nonsense": 1})).await.is(400);
    bob.request("PUT", &link.path()).await.is(405);
    bob.change(&link, &json!({"is_private": "yes"})).await.is(400);
    // Addresses of nothing.
    bob.view("no-such-link").await.is(404);
    bob.open("no-such-link").await.is(404);
    bob.get("/nowhere").await.is(404);
    bob.delete(&link).await.is(403);
    assert_eq!(after_the_minute(&app, 2).await.len(), 1);
}

#[apply(on_both_databases)]
async fn refusals_wait_for_the_database(app: App) {
    behind_its_back(&app, "ALTER TABLE audit_records RENAME TO hidden").await;
    app.as_user("bob").delete("no-such-link").await.fails(404, "not_found");
    tokio::time::sleep(StdDuration::from_millis(2500)).await;
    behind_its_back(&app, "ALTER TABLE hidden RENAME TO audit_records").await;
    app.as_user("bob").delete("no-such-link").await.fails(404, "not_found");
    all_of(&app, 2).await;
}

#[apply(on_both_databases)]
async fn refusals_are_stored_when_the_service_stops(app: App) {
    app.anonymous().delete("no-such-link").await.is(401);
    app.as_user("bob").delete("no-such-link").await.is(404);
    app.stop().await;
    assert_eq!(records(&app).await.len(), 2);
}

#[apply(on_both_databases)]
async fn the_client_is_who_a_trusted_proxy_says(setup: Setup) {
    let app = setup.with("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let create = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}));
    create.header("x-forwarded-for", "203.0.113.7").await.is(201);
    let delete = app.as_user("bob").delete("no-such-link");
    delete.header("x-forwarded-for", "2001:db8::1").await.is(404);
    let clients: Vec<Value> =
        all_of(&app, 2).await.iter().map(|record| record["client"].clone()).collect();
    assert_eq!(clients, ["203.0.113.7", "2001:db8::1"]);
}

#[apply(on_both_databases)]
async fn records_go_after_their_retention(app: App) {
    let now = app.now();
    let record = |n: i64| {
        let at = now + Duration::seconds(n / 10);
        AuditRecord::of(Action::List, Actor::Anonymous, Origin::default(), at)
    };
    let store = store(&app);
    store.append_audit_records(&(0..1_300).map(record).collect::<Vec<_>>()).await.unwrap();
    let retention = Duration::days(90);
    let swept = async |at| store.sweep_audit_records(at - retention).await.unwrap();
    assert_eq!(swept(now + retention - Duration::seconds(1)).await, 0);
    // Those of 120 seconds, ten each, and of the moment itself.
    assert_eq!(swept(now + retention + Duration::seconds(119)).await, 1_200);
    assert_eq!(rows(&app, "audit_records").await, 100);
    // The service does so by itself, when it starts and every ten minutes.
    app.clock.advance(retention + Duration::days(1));
    app.another_instance().await;
    let gone = async {
        while rows(&app, "audit_records").await > 0 {
            tokio::time::sleep(StdDuration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(StdDuration::from_secs(15), gone).await.unwrap();
}
