//! Links from the old system: imported, viewed, and never changed.

use chrono::Duration;
use serde_json::{Value, json};
use shared_chats::{
    model::ShareId,
    sharing::{Imported, LineReport, NotImported},
};

use crate::support::{
    App, apply, audit_records, behind_its_back, import, on_both_databases, random_name, rows, store,
};

fn line(app: &App, token: &str) -> Value {
    json!({
        "token": token,
        "name": "Old plans",
        "chat_session_id": "old-chat",
        "shared_by": "Ann",
        "created_at": "2025-01-02T03:04:05Z",
        "expires_at": app.after(Duration::days(10)),
        "messages": [{"content": "Where to?"}, {"content": "**North**", "reply_to": "m1"}],
    })
}

fn file(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn imported(app: &App, token: &str) {
    let (counts, _) = import(app, file(&[line(app, token)])).await;
    assert_eq!(counts, Imported { imported: 1, ..Imported::default() });
}

#[apply(on_both_databases)]
async fn a_legacy_link_is_viewed_like_any_other(app: App) {
    let expires_at = app.after(Duration::days(10));
    let mut old = line(&app, "old_token-1");
    old["expires_at"] = expires_at.clone().into();
    import(&app, file(&[old])).await;
    let anyone = app.anonymous();
    let answer = anyone.view("old_token-1").await.is(200);
    let at = "2025-01-02T03:04:05Z";
    let mut view = answer.json();
    assert_eq!(view["shared_at"].as_str().unwrap()[..19], at[..19]);
    assert_eq!(view["expires_at"], expires_at);
    for field in ["shared_at", "expires_at"] {
        view.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(
        view,
        json!({
            "id": "old_token-1", "name": "Old plans", "shared_by": "Ann", "is_frozen": true,
            "is_private": false, "includes_artifacts": false,
            "messages": [
                {"id": "m1", "role": "user", "content": "Where to?", "created_at": at,
                 "reply_to": null},
                {"id": "m2", "role": "assistant", "content": "**North**", "created_at": at,
                 "reply_to": "m1"},
            ],
        })
    );
    let same = anyone.view("old_token-1").header("if-none-match", answer.header("etag"));
    same.await.is(304);
    anyone.request("HEAD", "/api/v1/shared_chats/old_token-1").await.is(200);
    assert_eq!(anyone.qr_code("old_token-1", "").await.is(200).header("content-type"), "image/png");
    assert!(anyone.open("old_token-1").await.is(200).text().contains("<strong>North</strong>"));
    // Byte for byte.
    anyone.view("OLD_token-1").await.is(404);
}

#[apply(on_both_databases)]
async fn a_private_legacy_link_needs_a_sign_in(app: App) {
    let mut private = line(&app, "old-private");
    private["is_private"] = true.into();
    import(&app, file(&[private])).await;
    app.anonymous().view("old-private").await.fails(401, "login_required");
    app.as_user("bob").view("old-private").await.is(200);
}

#[apply(on_both_databases)]
async fn a_legacy_link_is_in_no_list(app: App) {
    let mut old = line(&app, "old-token");
    old["chat_session_id"] = "chat-1".into();
    old["shared_by"] = "alice".into();
    import(&app, file(&[old])).await;
    let link = app.as_user("alice").share("chat-1").await;
    assert_eq!(app.as_user("alice").list("").await.is(200).ids(), [link.id.as_str()]);
    let of_chat = app.as_chat_service().links_of_chat("chat-1").await.is(200);
    assert_eq!(of_chat.ids(), [link.id.as_str()]);
}

#[apply(on_both_databases)]
async fn changing_or_deleting_a_legacy_link_is_409(app: App) {
    imported(&app, "old-token").await;
    let alice = app.as_user("alice");
    for change in [json!({}), json!({"is_private": true}), json!({"expires_at": null})] {
        alice.change("old-token", &change).await.fails(409, "legacy_link");
    }
    alice.delete("old-token").await.fails(409, "legacy_link");
    let own = alice.share("chat-1").await;
    alice.batch_delete(&[own.id.as_str(), "old-token"]).await.fails(409, "legacy_link");
    app.anonymous().view(&own).await.is(200);
    app.anonymous().view("old-token").await.is(200);
    app.anonymous().delete("old-token").await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn a_legacy_link_goes_with_its_chat(app: App) {
    imported(&app, "old-token").await;
    let mut other = line(&app, "of-another-chat");
    other["chat_session_id"] = Value::Null;
    import(&app, file(&[other])).await;
    let answer = app.as_chat_service().chat_was_deleted("old-chat").await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 1}));
    app.anonymous().view("old-token").await.is(404);
    app.anonymous().view("of-another-chat").await.is(200);
    assert_eq!(rows(&app, "snapshots").await, 1);
}

#[apply(on_both_databases)]
async fn a_legacy_link_is_gone_at_its_end_date(app: App) {
    let end = app.now() + Duration::hours(1);
    let mut old = line(&app, "old-token");
    old["expires_at"] = end.to_rfc3339().into();
    import(&app, file(&[old])).await;
    let (store, id) = (store(&app), ShareId::parse("old-token").unwrap());
    let just_before = end - Duration::microseconds(1);
    assert!(store.link(&id, just_before).await.unwrap().is_some());
    assert!(store.link(&id, end).await.unwrap().is_none());

    app.clock.advance(Duration::minutes(59));
    app.anonymous().view("old-token").await.is(200);
    app.clock.advance(Duration::minutes(1));
    app.anonymous().view("old-token").await.fails(404, "not_found");
    app.anonymous().qr_code("old-token", "").await.is(404);
    app.anonymous().open("old-token").await.is(404);
    app.as_user("alice").change("old-token", &json!({})).await.is(404);
    app.as_user("alice").delete("old-token").await.is(404);
}

#[apply(on_both_databases)]
async fn an_import_can_be_repeated_and_leaves_what_is_there(app: App) {
    let lines = [line(&app, "old-token-1"), line(&app, "old-token-2")];
    import(&app, file(&lines)).await;
    let before = app.anonymous().view("old-token-1").await.is(200).json();
    let mut changed = lines[0].clone();
    changed["name"] = "Another".into();
    changed["is_private"] = true.into();
    // A third one twice: the first of them counts.
    let (mut third, mut again) = (line(&app, "old-token-3"), line(&app, "old-token-3"));
    third["name"] = "First".into();
    again["name"] = "Second".into();
    let (counts, reports) = import(&app, file(&[changed, lines[1].clone(), third, again])).await;
    assert_eq!(counts, Imported { imported: 1, already_there: 3, ..Imported::default() });
    assert_eq!(reports, []);
    assert_eq!(app.anonymous().view("old-token-1").await.is(200).json(), before);
    assert_eq!(app.anonymous().view("old-token-3").await.is(200).json()["name"], "First");
    assert_eq!(rows(&app, "snapshots").await, 3);
}

#[apply(on_both_databases)]
async fn a_token_that_is_imported_again_shows_what_it_holds_now(app: App) {
    imported(&app, "old-token").await;
    let codings = ["identity", "gzip", "zstd"];
    let view = |coding: &str| app.anonymous().view("old-token").header("accept-encoding", coding);
    let mut tags = Vec::new();
    for coding in codings {
        let shown = view(coding).await.is(200);
        assert!(shown.text().contains("**North**"));
        tags.push(shown.header("etag").to_owned());
    }
    app.anonymous().open("old-token").await.is(200);
    app.as_chat_service().chat_was_deleted("old-chat").await.is(200);
    app.anonymous().view("old-token").await.is(404);
    let mut other = line(&app, "old-token");
    other["chat_session_id"] = "another-chat".into();
    other["messages"] = json!([{"content": "**South**"}]);
    let (counts, _) = import(&app, file(&[other])).await;
    assert_eq!(counts.imported, 1);
    for (coding, tag) in codings.into_iter().zip(tags) {
        let shown = view(coding).header("if-none-match", &tag).await.is(200);
        assert!(shown.text().contains("**South**") && !shown.text().contains("**North**"));
        view(coding).header("if-none-match", shown.header("etag")).await.is(304);
    }
    let page = app.anonymous().open("old-token").await.is(200).text();
    assert!(page.contains("<strong>South</strong>") && !page.contains("North"), "{page}");
}

#[apply(on_both_databases)]
async fn a_bad_line_leaves_nothing_and_stops_no_other(app: App) {
    let mut typo = line(&app, "old-token-typo");
    typo["is_privat"] = true.into();
    let mut text = b"\xef\xbb\xbf".to_vec();
    let mut add = |line: &str| text.extend_from_slice(format!("{line}\r\n").as_bytes());
    add(&line(&app, "old-token-1").to_string());
    add("");
    add(&typo.to_string());
    add(&format!("{{\"token\": \"{}\"}}", "x".repeat(2_000_000)));
    add("{\"token\": ");
    add(&line(&app, "old-token-2").to_string());
    text.extend_from_slice(b"\xff\n");
    text.extend_from_slice(line(&app, "old-token-3").to_string().as_bytes());
    let (counts, reports) = import(&app, text).await;
    assert_eq!(counts, Imported { imported: 3, bad: 4, ..Imported::default() });
    let lines: Vec<u64> = reports.iter().map(|report| report.line).collect();
    assert_eq!(lines, [3, 4, 5, 7]);
    assert!(reports.iter().all(|report| matches!(report.why, NotImported::Bad(_))));
    for token in ["old-token-1", "old-token-2", "old-token-3"] {
        app.anonymous().view(token).await.is(200);
    }
    app.anonymous().view("old-token-typo").await.is(404);
    assert_eq!(rows(&app, "shared_chats").await, 3);
}

#[apply(on_both_databases)]
async fn a_line_that_the_database_refuses_ends_no_import(app: App) {
    let refuses = match app.setup.database_url.starts_with("sqlite:") {
        true => {
            "CREATE TRIGGER refuses BEFORE INSERT ON shared_chats WHEN NEW.name = 'refused' \
             BEGIN SELECT RAISE(ABORT, 'a secret'); END"
        }
        false => "ALTER TABLE shared_chats ADD CONSTRAINT refuses CHECK (name <> 'refused')",
    };
    behind_its_back(&app, refuses).await;
    let mut lines: Vec<Value> =
        (0..250).map(|number| line(&app, &format!("old-token-{number}"))).collect();
    for refused in [0, 7, 8, 199, 249] {
        lines[refused]["name"] = "refused".into();
    }
    lines[5] = json!({"token": "bad"});
    lines[6]["expires_at"] = app.after(Duration::seconds(-1)).into();
    let (counts, reports) = import(&app, file(&lines)).await;
    assert_eq!(counts, Imported { imported: 243, expired: 1, bad: 6, ..Imported::default() });
    let numbers: Vec<u64> = reports.iter().map(|report| report.line).collect();
    assert_eq!(numbers, [1, 6, 8, 9, 200, 250]);
    for refused in [0, 2, 3, 4, 5] {
        let NotImported::Bad(why) = &reports[refused].why else { panic!("{reports:?}") };
        assert!(why.starts_with("the database refuses it") && !why.contains("secret"), "{why}");
    }
    assert_eq!((rows(&app, "shared_chats").await, rows(&app, "snapshots").await), (243, 243));
    app.anonymous().view("old-token-248").await.is(200);
    app.anonymous().view("old-token-7").await.is(404);
    // Each link that was stored is in one record of the audit.
    let records = audit_records(&app).await;
    let imports = records.iter().filter(|record| record["action"] == "legacy_import");
    let stored: Vec<Value> = imports
        .flat_map(|record| record["detail"]["links"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!(stored.len(), 243, "{records:?}");
}

#[apply(on_both_databases)]
async fn a_line_with_a_long_name_is_imported(app: App) {
    let mut long = line(&app, "old-token-long");
    let name = random_name(1000);
    long["name"] = name.clone().into();
    let (counts, reports) = import(&app, file(&[line(&app, "old-token-1"), long])).await;
    assert_eq!((counts.imported, reports), (2, vec![]));
    let view = app.anonymous().view("old-token-long").await.is(200).json();
    assert_eq!(view["name"], name);
}

#[apply(on_both_databases)]
async fn an_expired_line_is_not_imported(app: App) {
    let mut old = line(&app, "old-token");
    old["expires_at"] = app.after(Duration::seconds(-1)).into();
    let (counts, reports) = import(&app, file(&[old])).await;
    assert_eq!((counts, reports), (Imported { expired: 1, ..Imported::default() }, vec![]));
    assert_eq!(rows(&app, "shared_chats").await, 0);
}

#[apply(on_both_databases)]
async fn a_deleted_chats_links_are_not_imported(app: App) {
    app.as_chat_service().chat_was_deleted("old-chat").await.is(200);
    let mut other = line(&app, "of-another-chat");
    other["chat_session_id"] = "another-chat".into();
    let lines = file(&[line(&app, "old-token"), other]);
    let (counts, reports) = import(&app, &lines).await;
    assert_eq!(counts, Imported { imported: 1, chat_deleted: 1, ..Imported::default() });
    assert_eq!(reports, [LineReport { line: 1, why: NotImported::ChatDeleted }]);
    app.anonymous().view("old-token").await.is(404);
}

#[apply(on_both_databases)]
async fn more_lines_than_one_transaction_takes_are_imported(app: App) {
    let mut lines: Vec<Value> =
        (0..450).map(|number| line(&app, &format!("old-token-{number}"))).collect();
    for (index, line) in lines.iter_mut().enumerate() {
        line["chat_session_id"] = format!("chat-of-{}", index % 7).into();
    }
    let mut text = file(&lines);
    text.insert_str(text.find('\n').unwrap() + 1, "bad\n");
    let (counts, reports) = import(&app, text).await;
    assert_eq!(counts, Imported { imported: 450, bad: 1, ..Imported::default() });
    assert_eq!(reports[0].line, 2);
    app.anonymous().view("old-token-449").await.is(200);
}

#[apply(on_both_databases)]
async fn an_import_and_the_end_of_a_chat_take_turns(app: App) {
    for round in 0..8 {
        let chat = format!("chat-{round}");
        let mut lines: Vec<Value> =
            (0..40).map(|number| line(&app, &format!("token-{round}-{number}"))).collect();
        lines.iter_mut().for_each(|line| line["chat_session_id"] = chat.clone().into());
        let deleted = app.as_chat_service().chat_was_deleted(&chat).spawn();
        let (counts, _) = import(&app, file(&lines)).await;
        let deleted = deleted.await.unwrap().is(200).json()["deleted"].as_u64().unwrap();
        assert_eq!(counts.imported, deleted);
        assert_eq!(counts.imported + counts.chat_deleted, 40);
        assert_eq!(rows(&app, "shared_chats").await, 0);
    }
}

#[apply(on_both_databases)]
async fn two_imports_at_once_import_everything_once(app: App) {
    let mut lines: Vec<Value> =
        (0..300).map(|number| line(&app, &format!("old-token-{number}"))).collect();
    // A chat that both know would make them take turns as a whole.
    lines.iter_mut().for_each(|line| line["chat_session_id"] = Value::Null);
    let forwards = file(&lines);
    lines.reverse();
    let backwards = file(&lines);
    let ((one, _), (other, _)) = tokio::join!(import(&app, forwards), import(&app, backwards));
    assert_eq!(one.imported + other.imported, 300);
    assert_eq!(one.already_there + other.already_there, 300);
    assert_eq!(rows(&app, "snapshots").await, 300);
}
