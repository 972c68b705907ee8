//! The token in a cookie (docs/API.md 1): which of several counts, what does not disable it, and
//! what another site can do with it.

use serde_json::json;

use crate::support::{App, Request, Setup, apply, claims, hs256, on_both_databases};

const COOKIE: &str = "session";

fn token(app: &App, user: &str) -> String {
    hs256(&claims(&app.clock, user))
}

fn list(app: &App, cookies: &str) -> Request {
    app.anonymous().list("").header("cookie", cookies)
}

#[apply(on_both_databases)]
async fn the_first_cookie_that_verifies_counts(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", COOKIE).start().await;
    let (alice, bob) = (token(&app, "alice"), token(&app, "bob"));
    let private = app.as_user("alice").share_private("chat-1").await;
    let mut expired = claims(&app.clock, "alice");
    expired["exp"] = json!(1);
    let expired = hs256(&expired);
    let opens = [
        format!("session={expired}; session={alice}"),
        format!("session=; session=rubbish; session={expired}; session={alice}"),
        format!("session=a; session=b; session=c; session={alice}"),
    ];
    for cookies in &opens {
        assert_eq!(list(&app, cookies).await.is(200).ids(), [private.id.as_str()], "{cookies}");
        let view = app.anonymous().view(&private).header("cookie", cookies);
        view.await.is(200);
        let page = app.anonymous().open(&private).header("cookie", cookies);
        page.await.is(200);
    }
    // Of two that are valid it is the first, though the other one was verified before.
    assert_eq!(list(&app, &format!("session={alice}; session={bob}")).await.ids().len(), 1);
    assert_eq!(list(&app, &format!("session={bob}; session={alice}")).await.ids().len(), 0);
    for cookies in [
        // Five is one too many.
        format!("session=a; session=b; session=c; session=d; session={alice}"),
        format!("session=a; session={expired}"),
    ] {
        list(&app, &cookies).await.fails(401, "invalid_token");
        let view = app.anonymous().view(&private).header("cookie", &cookies);
        view.await.fails(401, "invalid_token");
    }
    // Two headers, as HTTP/2 has them.
    let two = list(&app, "session=rubbish").header("cookie", &format!("session={alice}"));
    two.await.is(200);
}

#[apply(on_both_databases)]
async fn a_stream_of_a_private_link_begins_with_the_cookie_that_verifies(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", COOKIE).start().await;
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    let cookies = format!("session=rubbish; session={}", token(&app, "bob"));
    let watch = app.anonymous().events(&link).header("cookie", &cookies);
    let mut stream = watch.stream().await.begun().await;
    alice.change(&link, &json!({"label": "goes on"})).await.is(204);
    app.chats.change("chat-1", |chat| chat.messages.push(crate::support::message("m9", "more")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(stream.told().await, "message m9 more");
}

#[apply(on_both_databases)]
async fn other_cookies_do_not_hide_ours(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", COOKIE).start().await;
    let ours = format!("session={}", token(&app, "alice"));
    let others: Vec<String> = (0..59).map(|n| format!("other-{n}={}", "x".repeat(40))).collect();
    let (before, after) = others.split_at(30);
    list(&app, &format!("{}; {ours}; {}", before.join("; "), after.join("; "))).await.is(200);
    let look_alikes =
        "sessions=a; xsession=b; SESSION=c; session_id=d; =e; f; ;; session; session=";
    list(&app, &format!("{look_alikes}; {ours}")).await.is(200);
    for other in [&b"name=J\xf6rg"[..], "name=J\u{f6}rg".as_bytes(), b"session=\xff", b"\xff\xfe"] {
        let cookies = [other, b"; ", ours.as_bytes(), b"; last=\xe4"].concat();
        let request = app.anonymous().list("").header_bytes("cookie", &cookies);
        request.await.is(200);
    }
}

#[apply(on_both_databases)]
async fn a_header_of_another_scheme_leaves_the_cookie_to_count(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", COOKIE).start().await;
    let alice = app.as_user("alice");
    let private = alice.share_private("chat-1").await;
    let cookie = format!("session={}", token(&app, "alice"));
    for other in
        ["Basic c3RhZ2luZzpzZWNyZXQ=", "Digest username=\"a\", uri=\"/\"", "Negotiate YII="]
    {
        let proxied = app.with_authorization(other);
        proxied.view(&private).header("cookie", &cookie).await.is(200);
        proxied.request("HEAD", &private.path()).header("cookie", &cookie).await.is(200);
        proxied.list("").header("cookie", &cookie).await.is(200);
        // Another site could make a browser send both.
        let delete = proxied.delete(&private).header("cookie", &cookie);
        delete.await.fails(401, "invalid_token");
        proxied.view(&private).await.fails(401, "invalid_token");
        let rubbish = proxied.view(&private).header("cookie", "session=rubbish");
        rubbish.await.fails(401, "invalid_token");
    }
    let good = token(&app, "bob");
    for malformed in [
        "Bearer",
        "Bearer ",
        "Bearer rubbish",
        "bearer-ad rubbish",
        "Basic",
        &good,
        "",
        // As a proxy may join two headers.
        &format!("Basic YTpi, Bearer {good}"),
        &format!("Bearer {good}, Basic YTpi"),
        &format!("Negotiate x,bearer-token {good}"),
    ] {
        let request = app.with_authorization(malformed).view(&private);
        request.header("cookie", &cookie).await.fails(401, "invalid_token");
    }
    let two = app.with_authorization("Basic YTpi").view(&private);
    let two = two.header("authorization", "Basic YTpi").header("cookie", &cookie);
    two.await.fails(401, "invalid_token");
}

#[apply(on_both_databases)]
async fn each_cookie_that_is_tried_is_metered(setup: Setup) {
    let setup = setup.with("AUTH_COOKIE", COOKIE).with("RATE_LIMIT_ANONYMOUS", "5/1h");
    let app = setup.start().await;
    let alice = token(&app, "alice");
    // One of five.
    list(&app, &format!("session={alice}")).await.is(200);
    // Three more; the known one is free.
    list(&app, &format!("session=a; session=b; session=c; session={alice}")).await.is(200);
    // The last one, and one too many.
    let answer = list(&app, &format!("session=d; session=e; session={alice}")).await;
    answer.fails(429, "rate_limited");
    list(&app, &format!("session={alice}")).await.is(200);
}

#[apply(on_both_databases)]
async fn a_cookie_does_not_count_for_what_another_site_asks_unseen(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", COOKIE).start().await;
    app.chats.put_file("chat-1", "f1", "map.png", b"pixels");
    let alice = app.as_user("alice");
    let settings = json!({"is_private": true, "is_frozen": false, "includes_artifacts": true});
    let link = alice.share_with("chat-1", settings).await;
    let cookie = format!("session={}", token(&app, "alice"));
    let anyone = app.anonymous();
    let calls = || {
        [
            anyone.view(&link),
            anyone.request("HEAD", &link.path()),
            anyone.open(&link),
            anyone.artifact(&link, "f1"),
            anyone.events(&link),
            anyone.activity(&link),
            anyone.list(""),
        ]
    };
    let ask = async |request: Request, site: &str, destination: &str| {
        let request = request.header("cookie", &cookie).header("sec-fetch-site", site);
        request.header("sec-fetch-dest", destination).outcome().await.status
    };
    for unseen in ["iframe", "frame", "embed", "object", "image", "script", "empty", "", "Document"]
    {
        for request in calls() {
            assert_eq!(ask(request, "cross-site", unseen).await, 401, "{unseen}");
        }
    }
    // In doubt it is another site.
    for site in ["", "Same-Origin", "same-origin, cross-site", "new-kind"] {
        assert_eq!(ask(anyone.view(&link), site, "image").await, 401, "{site}");
    }
    let twice = anyone.view(&link).header("cookie", &cookie).header("sec-fetch-site", "cross-site");
    let twice = twice.header("sec-fetch-dest", "document").header("sec-fetch-dest", "image");
    twice.await.fails(401, "login_required");
    let unsaid = anyone.view(&link).header("cookie", &cookie);
    unsaid.header("sec-fetch-site", "cross-site").await.fails(401, "login_required");
    // A person follows a link, and the service's own site may ask for anything.
    for (site, destination) in [
        ("cross-site", "document"),
        ("none", "document"),
        ("same-origin", "image"),
        ("same-origin", "empty"),
        ("same-site", "image"),
    ] {
        for request in calls() {
            assert_eq!(ask(request, site, destination).await, 200, "{site} {destination}");
        }
    }
    // A token that a page has itself counts wherever the page is from.
    let own = alice.view(&link).header("sec-fetch-site", "cross-site");
    own.header("sec-fetch-dest", "empty").await.is(200);
}

#[apply(on_both_databases)]
async fn pages_of_other_sites_embed_what_is_public_alone(app: App) {
    app.chats.put_file("chat-1", "f1", "map.png", b"pixels");
    let alice = app.as_user("alice");
    let settings = json!({"is_private": true, "includes_artifacts": true});
    let link = alice.share_with("chat-1", settings).await;
    for (is_private, policy) in [(true, "same-site"), (false, "cross-origin"), (true, "same-site")]
    {
        alice.change(&link, &json!({"is_private": is_private})).await.is(204);
        for call in [alice.artifact(&link, "f1"), alice.qr_code(&link, "")] {
            let shown = call.await.is(200);
            assert_eq!(shown.header("cross-origin-resource-policy"), policy);
            let again = alice.get(&shown.path).header("if-none-match", shown.header("etag"));
            assert_eq!(again.await.is(304).header("cross-origin-resource-policy"), policy);
        }
        for call in [alice.view(&link), alice.open(&link)] {
            assert_eq!(call.await.is(200).header("cross-origin-resource-policy"), "same-origin");
        }
    }
}
