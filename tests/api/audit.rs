//! Audit: who did what to which link, in the table and in the log, and what was refused, in the log
//! alone.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use shared_chats::model::{ChatSessionId, ShareId};

use crate::support::{
    App, Setup, apply, audit_records, behind_its_back, eventually, import, on_both_databases, rows,
    store,
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

/// What the log says was refused.
fn refusals(app: &App) -> Vec<Value> {
    app.audit_log().into_iter().filter(|line| line["result"] != "ok").collect()
}

/// Stores refusals of these moments as earlier versions did, each counted 40 times.
async fn store_old_refusals(app: &App, moments: impl Iterator<Item = DateTime<Utc>>) {
    let is_sqlite = app.setup.database_url.starts_with("sqlite:");
    let row = |(id, at): (usize, DateTime<Utc>)| {
        let at = match is_sqlite {
            true => at.timestamp_micros().to_string(),
            false => format!("'{}'", at.to_rfc3339()),
        };
        format!("({at}, {id}, 'many', 'list', 'forbidden', 40)")
    };
    let rows = moments.enumerate().map(row).collect::<Vec<_>>().join(", ");
    let columns = "at, id, actor_kind, action, result, times";
    behind_its_back(app, &format!("INSERT INTO audit_records ({columns}) VALUES {rows}")).await;
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
    let mut logged = app.audit_log();
    // The test on the other database gives its requests the same ids.
    logged.retain(|line| line["link"] == short(link));
    for (line, record) in logged.iter().zip(&found) {
        let in_log = |name: &&str| line[*name] == record[*name];
        assert!(["action", "result", "link", "chat", "request_id"].iter().all(in_log), "{line}");
    }
    assert_eq!(logged.len(), found.len());
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
    let actions: Vec<&str> =
        found.iter().map(|record| record["action"].as_str().unwrap()).collect();
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
    assert_eq!((records(&app).await.len(), refusals(&app).len()), (5, 2));
    let text = Value::from([records(&app).await, app.audit_log()].concat()).to_string();
    for secret in [&link.id, "old_token-1", "chat-1", "label\"", "a-token", "Bearer", "eyJ"] {
        let told = text.replace("\"label\":", "").replace("\\\"label\\\":", "");
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
    let request_id = uuid::Uuid::new_v4().to_string();
    bob.delete(&link).header("x-request-id", &request_id).await.is(403);
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
    let found = refusals(&app);
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
    let said: Vec<[String; 5]> = found.iter().map(why).collect();
    assert_eq!(said, expected);
    let first = &found[0];
    assert_eq!((&first["actor_id"], &first["request_id"]), (&"bob".into(), &request_id.into()));
    assert_eq!((&first["client"], &first["times"]), (&"127.0.0.1".into(), &json!(1)));
}

#[apply(on_both_databases)]
async fn refusals_of_anonymous_clients_are_listed(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    let (anonymous, rubbish) = (app.anonymous(), app.with_token("rubbish"));
    for _ in 0..15 {
        anonymous.delete(&link).await.is(401);
        anonymous.view(&link).await.is(401);
        anonymous.open(&link).await.is(401);
        rubbish.delete(&link).await.is(401);
    }
    let found = refusals(&app);
    let mut counted: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for line in &found {
        let field = |name: &str| line[name].as_str().unwrap();
        *counted.entry((field("actor_kind"), field("action"), field("result"))).or_default() += 1;
        assert_eq!((&line["actor_id"], &line["times"]), (&Value::Null, &json!(1)));
        assert_eq!((field("link"), field("client")), (&*short(&link), "127.0.0.1"));
    }
    assert_eq!(
        counted.into_iter().collect::<Vec<_>>(),
        [
            (("anonymous", "delete", "invalid_token"), 15),
            (("anonymous", "delete", "login_required"), 15),
            (("anonymous", "view", "login_required"), 30),
        ]
    );
}

#[apply(on_both_databases)]
async fn each_refusal_of_one_caller_is_listed(app: App) {
    let bob = app.as_user("bob");
    for _ in 0..100 {
        bob.delete("no-such-link").await.is(404);
    }
    app.as_user("carol").delete("no-such-link").await.is(404);
    let found = refusals(&app);
    let of = |id: &str| found.iter().filter(|line| line["actor_id"] == id).count();
    assert_eq!((of("bob"), of("carol")), (100, 1));
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
    assert_eq!(refusals(&app).len(), 1);
}

/// Nor do they need it: an attack cannot fill the disk, and the log has all of it in an outage too.
#[apply(on_both_databases)]
async fn refusals_write_nothing_to_the_database(app: App) {
    behind_its_back(&app, "ALTER TABLE audit_records RENAME TO hidden").await;
    app.as_user("bob").delete("no-such-link").await.fails(404, "not_found");
    app.anonymous().delete("no-such-link").await.fails(401, "login_required");
    behind_its_back(&app, "ALTER TABLE hidden RENAME TO audit_records").await;
    app.as_user("bob").delete("no-such-link").await.fails(404, "not_found");
    assert_eq!(refusals(&app).len(), 3);
    app.stop().await;
    assert_eq!(rows(&app, "audit_records").await, 0);
}

#[apply(on_both_databases)]
async fn refusals_that_earlier_versions_stored_stay_readable(app: App) {
    store_old_refusals(&app, [app.now()].into_iter()).await;
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let found = records(&app).await;
    let field = |name: &str| found.iter().map(|record| record[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("actor_kind"), ["many", "user"]);
    assert_eq!(field("times"), [40, 1]);
    assert_eq!(alice.activity(&link).await.is(200).json()["changes"].as_array().unwrap().len(), 1);
}

#[apply(on_both_databases)]
async fn the_client_is_who_a_trusted_proxy_says(setup: Setup) {
    let app = setup.with("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let create = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}));
    create.header("x-forwarded-for", "203.0.113.7").await.is(201);
    let delete = app.as_user("bob").delete("no-such-link");
    delete.header("x-forwarded-for", "2001:db8::1").await.is(404);
    let logged = app.audit_log();
    let clients: Vec<&Value> = logged.iter().map(|line| &line["client"]).collect();
    assert_eq!(clients, ["203.0.113.7", "2001:db8::1"]);
    assert_eq!(records(&app).await[0]["client"], "203.0.113.7");
}

#[apply(on_both_databases)]
async fn records_go_after_their_retention(app: App) {
    let now = app.now();
    store_old_refusals(&app, (0..1_300).map(|n| now + Duration::seconds(n / 10))).await;
    let store = store(&app);
    let retention = Duration::days(90);
    let swept = async |at| store.sweep_audit_records(at - retention).await.unwrap();
    assert_eq!(swept(now + retention - Duration::seconds(1)).await, 0);
    // Those of 120 seconds, ten each, and of the moment itself.
    assert_eq!(swept(now + retention + Duration::seconds(119)).await, 1_200);
    assert_eq!(rows(&app, "audit_records").await, 100);
    // The service does so by itself, when it starts and every ten minutes.
    app.clock.advance(retention + Duration::days(1));
    app.another_instance().await;
    eventually("they are swept", async || rows(&app, "audit_records").await == 0).await;
}
