//! The link itself, at `SHARE_PATH`: a page, or JSON for a client that names it.

use serde_json::json;

use crate::support::{
    App, Chat, Setup, Trouble, apply, claims, hs256, message, on_both_databases, reply,
};

#[apply(on_both_databases)]
async fn only_a_client_that_names_json_gets_it_instead_of_the_page(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let path = link.info["relative_path"].as_str().unwrap().to_owned();
    let page = app.anonymous().open(&link).await.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let json = app.anonymous().view(&link).await.is(200);
    for accept in ["application/json", "application/json, text/plain, */*"] {
        let answer = app.anonymous().get(&path).header("accept", accept).await.is(200);
        assert_eq!(answer.header("content-type"), "application/json", "{accept}");
        assert_eq!(answer.json(), json.json());
        assert_eq!(answer.header("etag"), json.header("etag"));
    }
    // As crawlers and fetchers of previews ask.
    for accept in ["*/*", "", "image/png", "text/html, application/json;q=0.9"] {
        let answer = app.anonymous().get(&path).header("accept", accept).await.is(200);
        assert_eq!(answer.header("content-type"), page.header("content-type"), "{accept}");
        assert_eq!(answer.text(), page.text());
    }
    let answer = app.anonymous().get("/shared/no-such-link").header("accept", "*/*").await.is(404);
    assert_eq!(answer.header("content-type"), page.header("content-type"));
}

#[apply(on_both_databases)]
async fn a_slash_at_the_end_is_redirected_to_the_link_whether_it_exists(setup: Setup) {
    for (settings, at, to) in [
        (vec![], "/shared/{}/", "/shared/{}"),
        (vec![("SHARE_PATH", "/s/{id}/read")], "/s/{}/read/", "/s/{}/read"),
        (
            vec![("PUBLIC_URL", "https://x.example/a%20b/"), ("VIEWER", "on")],
            "/shared/{}/",
            "/a%20b/shared/{}",
        ),
    ] {
        let add = |setup: Setup, (name, value): (&'static str, &str)| setup.with(name, value);
        let app = settings.into_iter().fold(setup.clone(), add).start().await;
        let alice = app.as_user("alice");
        let deleted = alice.share("chat-1").await;
        alice.delete(&deleted).await.is(204);
        let mut answers = Vec::new();
        for id in [
            alice.share("chat-1").await.id,
            alice.share_private("chat-1").await.id,
            deleted.id,
            "of-an-older-system".to_owned(),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = app.anonymous().request(method, &at.replace("{}", &id)).await.is(308);
                assert_eq!(answer.header("location"), to.replace("{}", &id));
                assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow");
                assert_eq!(answer.header("referrer-policy"), "no-referrer");
                answers.push((answer.header("content-length").to_owned(), answer.text()));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        for id in ["short", "a%2Fb", "%00%00%00%00%00%00%00%00", "..%2F..%2Fevil"] {
            let page = app.anonymous().get(&at.replace("{}", id)).await.is(404);
            assert_eq!(page.header("location"), "", "{id}");
        }
        let json = app.anonymous().get(&at.replace("{}", "short"));
        json.header("accept", "application/json").await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn what_the_page_refers_to_has_the_path_of_the_public_url(setup: Setup) {
    let setup = setup.with("PUBLIC_URL", "https://x.example/a%20b/links/").with("VIEWER", "on");
    let app = setup.start().await;
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let page = app.anonymous().open(&link).await.is(200).text();
    let api = format!("/a%20b/links/api/v1/shared_chats/{}", link.id);
    for part in [
        format!("src=\"{api}/qr_code\""),
        format!("data-events=\"{api}/events\""),
        format!("href=\"{api}/artifacts/f1\""),
    ] {
        assert!(page.contains(&part), "{part} in {page}");
    }
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["artifacts"][0]["url"], format!("{api}/artifacts/f1"));
}

#[apply(on_both_databases)]
async fn the_page_shows_the_owners_name_the_chat_and_the_settings(app: App) {
    let alice = app.as_user("alice");
    let page = app.anonymous().open(&alice.share("chat-1").await).await.is(200).text();
    for part in ["Quarterly report", "Alice", "Public", "Snapshot", "How did we do?", "+12 %"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let settings = json!({"is_private": true, "is_frozen": false});
    let link = alice.share_with("chat-1", settings).await;
    let page = alice.open(&link).await.is(200).text();
    for part in ["Private", "Live", "Quarterly report"] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[apply(on_both_databases)]
async fn the_page_runs_no_script_but_its_own_and_loads_nothing_from_outside(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for (page, scripts) in
        [(app.anonymous().open(&link).await, 1), (app.anonymous().open("no-such-link").await, 0)]
    {
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        for word in ["unsafe", "connect-src", "*", "http"] {
            assert!(!policy.contains(word), "{policy}");
        }
        assert_eq!(policy.matches("script-src 'sha256-").count(), scripts, "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        let html = page.text();
        assert_eq!(html.matches("<script").count(), scripts, "{html}");
        for word in ["http://", "https://", "javascript:", " onload", "style=\""] {
            assert!(!html.contains(word), "{word} in {html}");
        }
    }
}

#[apply(on_both_databases)]
async fn hostile_text_stays_text(app: App) {
    let hostile = r#"<script>alert(1)</script><img src=x onerror=alert(1)>
[click](javascript:alert(1)) ![x](https://evil.example/pixel.png) <svg/onload=alert(1)>
</article></main><h1>Fake</h1> &lt;b&gt; "quoted" 'single'"#;
    app.chats.put(
        "hostile",
        Chat::of("alice", hostile, &[message("m1", hostile), reply("m2", "m1", hostile)]),
    );
    app.chats.change("hostile", |chat| {
        chat.files = Some(vec![json!({
            "id": "\"><script>", "filename": hostile, "bytes": 1, "created_at": 1_767_225_600,
        })]);
    });
    let mut who = claims(&app.clock, "alice");
    who["name"] = "<script>alert(1)</script>".into();
    let settings = json!({"includes_artifacts": true});
    let link = app.with_token(&hs256(&who)).share_with("hostile", settings).await;
    let page = app.anonymous().open(&link).await.is(200).text();
    for word in [
        "<script>alert",
        "<img src=x",
        "<svg/onload",
        "href=\"javascript",
        "<h1>Fake",
        "src=\"https",
    ] {
        assert!(!page.contains(word), "{word} in {page}");
    }
    assert!(page.contains("&lt;script&gt;") || page.contains("&#60;script"), "{page}");
    // As JSON it is what was sent.
    let view = app.anonymous().view(&link).await.json();
    assert_eq!(
        (&view["messages"][0]["content"], &view["name"]),
        (&json!(hostile), &json!(hostile))
    );
}

#[apply(on_both_databases)]
async fn a_page_of_large_tables_has_a_bound_and_leads_to_the_whole_chat(app: App) {
    let table = "|a|a|\n|-|-|\n".to_owned() + &"a\n".repeat(99_000);
    let messages: Vec<String> = (0..6).map(|n| message(&format!("m{n}"), &table)).collect();
    app.chats.put("large", Chat::of("alice", "Large", &messages));
    let settings = json!({"is_private": true});
    let alice = app.as_user("alice");
    let link = alice.share_with("large", settings).await;
    let page = alice.open(&link).await.is(200).text();
    // Four MiB of HTML, and the rest as it is written; it was 24 MB.
    assert!(page.len() < 4 * 1024 * 1024 + 6 * table.len() + 30_000, "{} bytes", page.len());
    assert_eq!(page.matches("<article").count(), 6);
    let (_, notice) = page.split_once("too large to be shown with all its formatting").unwrap();
    let path = notice.split_once("href=\"").unwrap().1.split_once('"').unwrap().0;
    let whole = alice.get(path).await.is(200).json();
    assert_eq!(whole["messages"][5]["content"], table);
    app.anonymous().get(path).await.fails(401, "login_required");
    let small = alice.open(&alice.share("chat-1").await).await.is(200).text();
    assert!(!small.contains("too large"));
}

#[apply(on_both_databases)]
async fn a_private_link_prompts_to_sign_in(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    for (client, challenge) in
        [(app.anonymous(), "Bearer"), (app.with_token("rubbish"), "Bearer error=\"invalid_token\"")]
    {
        let page = client.open(&link).await.is(401);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("www-authenticate"), challenge);
        let html = page.text();
        assert!(html.contains("Sign in"), "{html}");
        for secret in ["Quarterly", "How did we do", "Alice", "href="] {
            assert!(!html.contains(secret), "{secret} in {html}");
        }
    }
    let json = app.anonymous().get(&format!("/shared/{}", link.id));
    json.header("accept", "application/json").await.fails(401, "login_required");
    app.as_user("bob").open(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn the_prompt_leads_to_the_login_page_and_back(setup: Setup) {
    let setup = setup.with("LOGIN_URL", "https://id.example/login?client=a%26b#/sign-in");
    let app = setup.start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    let page = app.anonymous().open(&link).await.is(401).text();
    let start = page.find("href=\"").unwrap() + 6;
    let address =
        page[start..].split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let address = url::Url::parse(&address).unwrap();
    assert_eq!(address.host_str(), Some("id.example"));
    assert_eq!(address.fragment(), Some("/sign-in"));
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let return_to = link.info["url"].as_str().unwrap().to_owned();
    let expected = [("client".to_owned(), "a&b".to_owned()), ("return_to".to_owned(), return_to)];
    assert_eq!(pairs, expected);
}

#[apply(on_both_databases)]
async fn a_dead_link_has_a_page_that_says_so(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.delete(&link).await.is(204);
    let never = app.anonymous().open("6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11").await.is(404);
    for id in [link.id.as_str(), "short", "a%2Fb", "%00%00%00%00%00%00%00%00"] {
        let page = app.anonymous().open(id).await.is(404);
        assert_eq!(page.header("content-type"), never.header("content-type"), "{id}");
        if page.header("content-type").starts_with("text/html") {
            assert_eq!(page.text(), never.text(), "{id}");
        }
    }
    let json = app.anonymous().get(&format!("/shared/{}", link.id));
    json.header("accept", "application/json").await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_page_that_cannot_be_made_tells_nothing_internal(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    app.chats.misbehaves("/messages", Trouble::Status(500));
    let page = app.anonymous().open(&link).await.is(502);
    let request_id = page.header("x-request-id").to_owned();
    let html = page.text();
    assert!(html.contains(&request_id), "{html}");
    for secret in ["upstream secret", "127.0.0.1", "status 500", "/api/v1/chats"] {
        assert!(!html.contains(secret), "{secret} in {html}");
    }
}

#[apply(on_both_databases)]
async fn a_page_that_the_browser_has_is_not_sent_again(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let tag = app.anonymous().open(&link).await.is(200).header("etag").to_owned();
    app.anonymous().open(&link).header("if-none-match", &tag).await.is(304);
    // The JSON of the same link is another representation.
    app.anonymous().view(&link).header("if-none-match", &tag).await.is(200);
}

#[apply(on_both_databases)]
async fn the_page_is_served_where_links_point(setup: Setup) {
    let app = setup.with("SHARE_PATH", "/s/{id}/read").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let path = format!("/s/{}/read", link.id);
    assert_eq!(link.info["relative_path"], path);
    app.anonymous().get(&path).header("accept", "text/html").await.is(200);
    app.anonymous().open(&link).await.fails(404, "not_found");
    app.anonymous().request("POST", &path).await.fails(405, "method_not_allowed");
}

#[apply(on_both_databases)]
async fn the_page_is_not_served_beside_another_frontend(setup: Setup) {
    let setup = setup.with("PUBLIC_URL", "https://chat.example");
    let app = setup.clone().start().await;
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().open(&link).await.fails(404, "not_found");
    app.anonymous().get("/favicon.ico").await.fails(404, "not_found");
    let app = setup.with("VIEWER", "on").start().await;
    app.anonymous().open(&link).await.is(200);
    let icon = app.anonymous().get("/favicon.ico").await.is(200);
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    app.anonymous().request("POST", "/favicon.ico").await.fails(405, "method_not_allowed");
    let app = app.setup.clone().without("PUBLIC_URL").with("VIEWER", "off").start().await;
    app.anonymous().open(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_signed_in_browser_opens_a_private_link_by_its_cookie(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", "session").start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    let token = hs256(&claims(&app.clock, "bob"));
    let cookie = format!("other=x; session={token}");
    app.anonymous().open(&link).header("cookie", &cookie).await.is(200);
    app.anonymous().open(&link).header("cookie", "session=rubbish").await.is(401);
    app.anonymous().open(&link).header("cookie", "session=").await.is(401);
}
