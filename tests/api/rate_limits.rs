//! Rate limits: of a caller with a valid token by its subject, of any other by its address.

use serde_json::json;

use crate::support::{
    Answer, App, Client, Request, Setup, apply, claims, eventually, hs256, on_both_databases,
};

/// Long enough that nothing comes back while a test runs.
const THREE: &str = "3/1h";

fn from(request: Request, address: &str) -> Request {
    request.header("x-forwarded-for", address)
}

fn refused(answer: Answer) -> Answer {
    answer.clone().fails(429, "rate_limited");
    answer
}

/// Calls until nothing is left, and once more.
async fn exhaust(calls: usize, call: impl Fn() -> Request, status: u16) {
    for _ in 0..calls {
        call().await.is(status);
    }
    refused(call().await);
}

#[apply(on_both_databases)]
async fn the_default_limits_are_far_above_what_a_person_calls(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let view = app.anonymous().view(&link).await.is(200);
    assert_eq!(view.header("ratelimit-policy"), r#""anonymous";q=12000;w=60"#);
    let list = app.as_user("alice").list("").await.is(200);
    assert_eq!(list.header("ratelimit-policy"), r#""caller";q=6000;w=60"#);
    let list = app.as_chat_service().links_of_chat("chat-1").await.is(200);
    assert_eq!(list.header("ratelimit-policy"), r#""chat-service";q=60000;w=60"#);
}

#[apply(on_both_databases)]
async fn no_call_is_limited_where_limits_are_off(setup: Setup) {
    let setup = setup.with("RATE_LIMIT_CALLER", "off").with("RATE_LIMIT_CHAT_SERVICE", "off");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "off").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let view = app.anonymous().view(&link).await.is(200);
    assert_eq!((view.header("ratelimit"), view.header("ratelimit-policy")), ("", ""));
}

/// All clients behind the proxy would be one.
#[apply(on_both_databases)]
async fn the_default_limit_leaves_out_clients_of_an_unknown_proxy(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let view = from(app.anonymous().view(&link), "203.0.113.7").await.is(200);
    assert_eq!(view.header("ratelimit-policy"), "");
    // The limit of a user does not depend on addresses.
    let list = from(app.as_user("alice").list(""), "203.0.113.7").await.is(200);
    assert_eq!(list.header("ratelimit-policy"), r#""caller";q=6000;w=60"#);
}

#[apply(on_both_databases)]
async fn the_default_limit_holds_behind_a_trusted_proxy(setup: Setup) {
    let app = setup.with("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let view = from(app.anonymous().view(&link), "203.0.113.7").await.is(200);
    assert_eq!(view.header("ratelimit-policy"), r#""anonymous";q=12000;w=60"#);
}

#[apply(on_both_databases)]
async fn an_address_that_calls_too_often_has_to_wait(setup: Setup) {
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    // Alice's own calls do not count on her address, once her token is known.
    let link = app.as_user("alice").share("chat-1").await;
    for (path, left) in [
        (link.path(), 2),
        (format!("{}/qr_code", link.path()), 1),
        (format!("/shared/{}", link.id), 0),
    ] {
        let answer = app.anonymous().get(&path).await.is(200);
        assert_eq!(answer.header("ratelimit-policy"), r#""anonymous";q=3;w=3600"#);
        assert_eq!(answer.header("ratelimit"), format!(r#""anonymous";r={left};t=1200"#));
    }
    for path in [&link.path(), "/api/v1/shared_chats", "/openapi.json", "/docs/", "/nowhere"] {
        let answer = refused(app.anonymous().get(path).await);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1100..=1200).contains(&wait), "{wait}");
        assert_eq!(answer.header("ratelimit"), format!(r#""anonymous";r=0;t={wait}"#));
    }
    app.as_user("alice").view(&link).await.fails(429, "rate_limited");
    app.as_user("alice").list("").await.is(200);
}

#[apply(on_both_databases)]
async fn a_refused_caller_may_call_again_after_retry_after(setup: Setup) {
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "2/2s").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().view(&link).await.is(200);
    app.anonymous().view(&link).await.is(200);
    let answer = refused(app.anonymous().view(&link).await);
    assert_eq!(answer.header("retry-after"), "1");
    // What is refused does not count, so asking again does not put it off.
    eventually("a call is free again", async || app.anonymous().view(&link).await.status == 200)
        .await;
}

#[apply(on_both_databases)]
async fn a_line_of_ipv6_is_one_client(setup: Setup) {
    let setup = setup.with("TRUSTED_PROXIES", "127.0.0.0/8");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    for address in ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"] {
        from(app.anonymous().view(&link), address).await.is(200);
    }
    refused(from(app.anonymous().view(&link), "2001:db8:0:1::4").await);
    from(app.anonymous().view(&link), "2001:db8:0:2::1").await.is(200);
}

#[apply(on_both_databases)]
async fn clients_behind_a_trusted_proxy_have_limits_of_their_own(setup: Setup) {
    let setup = setup.with("TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    exhaust(3, || from(app.anonymous().view(&link), "203.0.113.7, 10.1.1.1"), 200).await;
    // What a client writes itself stands left of what the proxy saw.
    for forged in ["198.51.100.1, 203.0.113.7", "unknown, 203.0.113.7", "::ffff:203.0.113.7"] {
        refused(from(app.anonymous().view(&link), forged).await);
    }
    from(app.anonymous().view(&link), "203.0.113.8").await.is(200);
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn forwarding_headers_without_trusted_proxies_are_ignored(setup: Setup) {
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    for host in 1..=3 {
        from(app.anonymous().view(&link), &format!("203.0.113.{host}")).await.is(200);
    }
    refused(from(app.anonymous().view(&link), "203.0.113.4").await);
    refused(app.anonymous().view(&link).header("forwarded", "for=203.0.113.5").await);
}

#[apply(on_both_databases)]
async fn a_user_is_counted_wherever_they_call_from(setup: Setup) {
    let setup = setup.with("TRUSTED_PROXIES", "127.0.0.1").with("RATE_LIMIT_ANONYMOUS", "off");
    let app = setup.with("RATE_LIMIT_CALLER", THREE).start().await;
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let link = alice.share("chat-1").await;
    let answer = from(alice.list(""), "203.0.113.7").await.is(200);
    assert_eq!(answer.header("ratelimit-policy"), r#""caller";q=3;w=3600"#);
    assert_eq!(answer.header("ratelimit"), r#""caller";r=1;t=1200"#);
    // Also with another token of hers, and where the answer is a refusal.
    let mut other = claims(&app.clock, "alice");
    other["jti"] = "another".into();
    app.with_token(&hs256(&other)).delete("no-such-link").await.fails(404, "not_found");
    refused(from(alice.list(""), "203.0.113.8").await);
    refused(alice.create(&json!({"chat_session_id": "chat-1"})).await);
    assert_eq!(bob.list("").await.is(200).header("ratelimit"), r#""caller";r=2;t=1200"#);
    // Anonymous callers are not limited here.
    exhaust_nothing(&app.anonymous(), &link.id).await;
}

async fn exhaust_nothing(client: &Client, link: &str) {
    for _ in 0..10 {
        assert_eq!(client.view(link).await.is(200).header("ratelimit"), "");
    }
}

#[apply(on_both_databases)]
async fn forged_tokens_count_on_their_address(setup: Setup) {
    let setup = setup.with("TRUSTED_PROXIES", "127.0.0.1").with("RATE_LIMIT_CALLER", "100/1h");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    let alice = app.as_user("alice");
    let link =
        from(alice.create(&json!({"chat_session_id": "chat-1"})), "203.0.113.7").await.is(201);
    let link = link.json()["id"].as_str().unwrap().to_owned();
    let forged = |n: usize| app.with_token(&format!("{}{n}", hs256(&claims(&app.clock, "eve"))));
    for n in 0..3 {
        from(forged(n).list(""), "203.0.113.9").await.fails(401, "invalid_token");
    }
    refused(from(forged(4).list(""), "203.0.113.9").await);
    refused(from(forged(5).view(&link), "203.0.113.9").await);
    refused(from(app.with_authorization("Bearer").list(""), "203.0.113.9").await);
    refused(from(app.anonymous().view(&link), "203.0.113.9").await);
    // From that address no unknown token is checked any more, but a known one is no guess.
    refused(from(app.as_user("bob").list(""), "203.0.113.9").await);
    from(alice.list(""), "203.0.113.9").await.is(200);
    from(app.as_user("bob").list(""), "203.0.113.7").await.is(200);
}

#[apply(on_both_databases)]
async fn a_public_link_counts_on_the_address_whatever_token_comes(setup: Setup) {
    let setup = setup.with("RATE_LIMIT_CALLER", "100/1h");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    app.as_user("alice").view(&link).await.is(200);
    app.with_token("no.good.token").view(&link).await.is(200);
    let last = app.as_user("bob").open(&link).await.is(200);
    assert_eq!(last.header("ratelimit"), r#""anonymous";r=0;t=1200"#);
    refused(app.as_user("bob").view(&link).await);
    refused(app.as_user("bob").qr_code(&link, "").await);
    app.as_user("bob").list("").await.is(200);
}

#[apply(on_both_databases)]
async fn a_private_link_counts_on_its_viewer(setup: Setup) {
    let setup = setup.with("RATE_LIMIT_CALLER", THREE);
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "100/1h").start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    exhaust(3, || app.as_user("bob").view(&link), 200).await;
    let page = app.as_user("bob").open(&link).await.is(429);
    assert!(page.header("content-type").starts_with("text/html"));
    app.as_user("alice").view(&link).await.is(200);
    let answer = app.anonymous().view(&link).await;
    assert_eq!(answer.header("ratelimit-policy"), r#""anonymous";q=100;w=3600"#);
    answer.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn the_chat_service_has_a_limit_of_its_own(setup: Setup) {
    let setup = setup.with("RATE_LIMIT_CALLER", "1/1h");
    let app = setup.with("RATE_LIMIT_CHAT_SERVICE", THREE).start().await;
    exhaust(3, || app.as_chat_service().chat_changed("chat-1"), 202).await;
    let answer = refused(app.as_chat_service().chat_was_deleted("chat-1").await);
    assert_eq!(answer.header("ratelimit-policy"), r#""chat-service";q=3;w=3600"#);
    app.as_user("alice").list("").await.is(200);
}

#[apply(on_both_databases)]
async fn a_probe_is_never_refused(setup: Setup) {
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "1/1h").start().await;
    for _ in 0..10 {
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(app.anonymous().get(path).await.is(200).header("ratelimit"), "");
        }
    }
    app.anonymous().get("/openapi.yaml").await.is(200);
    refused(app.anonymous().get("/openapi.yaml").await);
}

#[apply(on_both_databases)]
async fn an_event_stream_is_one_call(setup: Setup) {
    let setup = setup.with("RATE_LIMIT_CALLER", "100/1h");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "2/1h").start().await;
    let (alice, chat_service) = (app.as_user("alice"), app.as_chat_service());
    let link = alice.share_live("chat-1").await;
    let mut stream = app.as_user("bob").watch(&link).await;
    for id in ["m3", "m4", "m5"] {
        app.chats.change("chat-1", |chat| {
            chat.messages.push(crate::support::message(id, "more"));
        });
        chat_service.chat_changed("chat-1").await.is(202);
        assert_eq!(stream.told().await, format!("message {id} more"));
    }
    // Bob goes on to be let in, as himself now, without being counted once more.
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    assert!(stream.told().await.starts_with("settings"));
    app.anonymous().events(&link).await.fails(401, "login_required");
    refused(app.anonymous().events(&link).await);
}

#[apply(on_both_databases)]
async fn looking_for_links_counts_with_any_token(setup: Setup) {
    let app = setup.with("RATE_LIMIT_ANONYMOUS", THREE).start().await;
    exhaust(3, || app.as_user("eve").view("no-such-link"), 404).await;
    refused(app.with_token("x").open("another-link").await);
    refused(app.as_user("eve").get("/nowhere").await);
}

#[apply(on_both_databases)]
async fn a_page_of_another_origin_can_read_the_refusal(setup: Setup) {
    let setup = setup.with("CORS_ALLOWED_ORIGINS", "https://chat.example");
    let app = setup.with("RATE_LIMIT_ANONYMOUS", "1/1h").start().await;
    let call = || app.anonymous().list("").header("origin", "https://chat.example");
    call().await.fails(401, "login_required");
    let answer = refused(call().await);
    assert_eq!(answer.header("access-control-allow-origin"), "https://chat.example");
    let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{exposed}");
    }
    // A preflight is no call.
    let preflight = app.anonymous().request("OPTIONS", "/api/v1/shared_chats");
    let preflight = preflight.header("origin", "https://chat.example");
    preflight.header("access-control-request-method", "GET").await.is(200);
}
