//! `GET /api/v1/shared_chats`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use serde_json::json;

use crate::support::{
    Answer, App, Client, Link, apply, behind_its_back, eventually, on_both_databases, random_name,
};

/// Shares chats of these names, a second apart.
async fn share_named(app: &App, names: &[&str]) -> Vec<Link> {
    let mut links = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let chat = format!("chat-of-{n}");
        app.chats.put_named(&chat, name);
        links.push(app.as_user("alice").share(&chat).await);
        app.clock.advance(Duration::seconds(1));
    }
    links
}

async fn names(client: &Client, query: &str) -> Vec<String> {
    client.list(query).await.is(200).each("name")
}

#[apply(on_both_databases)]
async fn a_list_holds_only_the_callers_own(app: App) {
    let mine = app.as_user("alice").share("chat-1").await;
    let theirs = app.as_user("bob").share("bobs-chat").await;
    assert_eq!(app.as_user("alice").list("").await.is(200).ids(), [mine.id]);
    assert_eq!(app.as_user("bob").list("").await.ids(), [theirs.id]);
    let nothing = app.as_user("carol").list("").await;
    assert_eq!((nothing.json(), nothing.header("x-total-count")), (json!([]), "0"));
    // Users are told apart byte for byte.
    assert_eq!(app.as_user("Alice").list("").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn a_row_of_the_list_is_the_answer_to_its_create(app: App) {
    let at = app.after(Duration::days(7));
    let settings = json!({"label": "mine", "is_private": true, "expires_at": at});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let list = app.as_user("alice").list("").await.is(200);
    assert_eq!(list.json(), json!([link.info]));
    assert!(!list.text().contains("owner"));
}

#[apply(on_both_databases)]
async fn the_newest_link_comes_first_unless_asked_otherwise(app: App) {
    share_named(&app, &["first", "second", "third"]).await;
    let alice = app.as_user("alice");
    assert_eq!(names(&alice, "").await, ["third", "second", "first"]);
    assert_eq!(names(&alice, "sort=-created_at").await, ["third", "second", "first"]);
    assert_eq!(names(&alice, "sort=created_at").await, ["first", "second", "third"]);
}

#[apply(on_both_databases)]
async fn names_sort_alike_on_every_database(app: App) {
    share_named(&app, &["b", "Émile", "a", "B2", "zebra", "A-1", "_x", "émile 2"]).await;
    let sorted = ["_x", "a", "A-1", "b", "B2", "zebra", "Émile", "émile 2"];
    let alice = app.as_user("alice");
    assert_eq!(names(&alice, "sort=name").await, sorted);
    let mut backwards = names(&alice, "sort=-name").await;
    backwards.reverse();
    assert_eq!(backwards, sorted);
}

#[apply(on_both_databases)]
async fn links_of_one_moment_are_neither_lost_nor_repeated_between_pages(app: App) {
    let alice = app.as_user("alice");
    let mut made = Vec::new();
    for _ in 0..10 {
        made.push(alice.share("chat-1").await.id);
    }
    made.sort();
    for sort in ["created_at", "-created_at", "name", "-name"] {
        let mut seen = Vec::new();
        for offset in (0..12).step_by(3) {
            seen.extend(alice.list(&format!("sort={sort}&limit=3&offset={offset}")).await.ids());
        }
        seen.sort();
        assert_eq!(seen, made, "{sort}");
    }
}

#[apply(on_both_databases)]
async fn the_search_finds_parts_of_names_in_any_case_beyond_ascii(app: App) {
    let all = ["École ΟΔΟΣ", "Straße 7", "plain Report", "ЁЛКА", "cafe\u{301}", "日本語"];
    share_named(&app, &all).await;
    let alice = app.as_user("alice");
    for (part, found) in [
        ("éCOLE", "École ΟΔΟΣ"),
        ("οδος", "École ΟΔΟΣ"),
        ("STRASSE", "Straße 7"),
        ("ße", "Straße 7"),
        ("REPORT", "plain Report"),
        ("ain rep", "plain Report"),
        ("ёлка", "ЁЛКА"),
        ("CAFÉ", "cafe\u{301}"),
        ("本", "日本語"),
    ] {
        let query = format!("name_filter={}", escape(part));
        assert_eq!(names(&alice, &query).await, [found], "{part}");
    }
    assert_eq!(names(&alice, "name_filter=nowhere").await, [""; 0]);
    assert_eq!(names(&alice, "name_filter=").await.len(), all.len());
    // It is no accent-blind search.
    assert_eq!(names(&alice, "name_filter=ecole").await, [""; 0]);
}

fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[apply(on_both_databases)]
async fn the_search_takes_no_character_for_a_wildcard(app: App) {
    let all = ["100 % sure", "snake_case", r"back\slash", "plain", "it's", "a*b?[c]"];
    share_named(&app, &all).await;
    for (part, found) in [
        ("%", "100 % sure"),
        ("_", "snake_case"),
        (r"\", r"back\slash"),
        ("'", "it's"),
        ("*", "a*b?[c]"),
        ("?[c", "a*b?[c]"),
    ] {
        let query = format!("name_filter={}", escape(part));
        assert_eq!(names(&app.as_user("alice"), &query).await, [found], "{part}");
    }
    for part in ["%%", "p_ain", r"\%", "%' OR '1'='1"] {
        let query = format!("name_filter={}", escape(part));
        assert_eq!(names(&app.as_user("alice"), &query).await, [""; 0], "{part}");
    }
}

#[apply(on_both_databases)]
async fn a_search_text_has_at_most_256_characters(app: App) {
    let longest = "é".repeat(256);
    share_named(&app, &[&longest]).await;
    let alice = app.as_user("alice");
    assert_eq!(names(&alice, &format!("name_filter={}", escape(&longest))).await, [longest]);
    let longer = format!("name_filter={}", "%C3%A9".repeat(257));
    let message = alice.list(&longer).await.fails(400, "bad_request");
    assert!(message.starts_with("name_filter"), "{message}");
    // What is no UTF-8, or holds NUL, is found nowhere and is no error.
    for odd in ["%FF%FE", "%00", "a%00b", "%ED%A0%80"] {
        assert_eq!(names(&alice, &format!("name_filter={odd}")).await, [""; 0]);
    }
}

#[apply(on_both_databases)]
async fn filters_keep_their_kind(app: App) {
    let alice = app.as_user("alice");
    let public = alice.share("chat-1").await.id;
    let private = alice.share_private("chat-1").await.id;
    let live = alice.share_live("chat-1").await.id;
    for (filter, mut expected) in [
        ("all", vec![public.clone(), private.clone(), live.clone()]),
        ("private", vec![private.clone()]),
        ("public", vec![public.clone(), live.clone()]),
        ("frozen", vec![public, private]),
        ("active", vec![live]),
    ] {
        let list = alice.list(&format!("filter_type={filter}")).await.is(200);
        let mut found = list.ids();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(list.header("x-total-count"), expected.len().to_string(), "{filter}");
    }
}

#[apply(on_both_databases)]
async fn filters_add_up(app: App) {
    let alice = app.as_user("alice");
    app.chats.put_named("other", "Another report");
    let one = alice.share_private("chat-1").await;
    alice.share("chat-1").await;
    alice.share_private("other").await;
    let query = "filter_type=private&chat_session_id=chat-1&name_filter=REPORT";
    assert_eq!(alice.list(query).await.ids(), [one.id]);
    assert_eq!(alice.list(&format!("{query}&offset=1")).await.header("x-total-count"), "1");
}

#[apply(on_both_databases)]
async fn a_list_can_be_of_one_chat(app: App) {
    let links = share_named(&app, &["one", "other"]).await;
    let alice = app.as_user("alice");
    assert_eq!(alice.list("chat_session_id=chat-of-1").await.ids(), [links[1].id.clone()]);
    assert_eq!(alice.list("chat_session_id=CHAT-OF-1").await.json(), json!([]));
    assert_eq!(alice.list("chat_session_id=nowhere").await.json(), json!([]));
    let message = alice.list("chat_session_id=a%2Fb").await.fails(400, "bad_request");
    assert!(message.starts_with("chat_session_id"), "{message}");
}

#[apply(on_both_databases)]
async fn the_search_folds_fully(app: App) {
    let all = ["STRAẞE", "Maße", "İstanbul", "ISPARTA", "ısırgan", "ﬁn", "ᏣᎳᎩ"];
    share_named(&app, &all).await;
    let alice = app.as_user("alice");
    for (part, found) in [
        ("ẞ", &all[..2]),
        ("ss", &all[..2]),
        ("ß", &all[..2]),
        ("istanbul", &all[2..3]),
        ("ISTANBUL", &all[2..3]),
        ("İSTANBUL", &all[2..3]),
        ("ısparta", &all[3..4]),
        ("ISIRGAN", &all[4..5]),
        ("FIN", &all[5..6]),
        ("\u{abb3}", &all[6..]),
    ] {
        let query = format!("sort=created_at&name_filter={}", escape(part));
        assert_eq!(names(&alice, &query).await, found, "{part}");
    }
}

#[apply(on_both_databases)]
async fn names_that_an_older_version_folded_are_found_after_a_start(app: App) {
    let links = share_named(&app, &["STRAẞE", "İzmir", "plain"]).await;
    for (link, folded) in [(&links[0], "straße"), (&links[1], "i\u{307}zmir")] {
        let id = &link.id;
        let older = format!("UPDATE shared_chats SET name_folded = '{folded}' WHERE id = '{id}'");
        behind_its_back(&app, &older).await;
    }
    let alice = app.as_user("alice");
    assert_eq!(names(&alice, "name_filter=strasse").await, [""; 0]);
    let next = app.another_instance().await;
    for (part, found) in [("strasse", "STRAẞE"), ("izmir", "İzmir"), ("PLAIN", "plain")] {
        let query = format!("name_filter={part}");
        eventually(part, async || names(&next.as_user("alice"), &query).await == [found]).await;
    }
}

#[apply(on_both_databases)]
async fn the_showcase_is_empty(app: App) {
    share_named(&app, &["one", "other"]).await;
    let alice = app.as_user("alice");
    for (filter, found) in [("all", 2), ("not_featured", 2), ("featured", 0)] {
        let list = alice.list(&format!("showcase_filter={filter}")).await.is(200);
        assert_eq!(list.ids().len(), found, "{filter}");
        assert_eq!(list.header("x-total-count"), found.to_string(), "{filter}");
    }
    alice.list("showcase_filter=starred").await.fails(400, "bad_request");
}

/// The address after `rel`, as RFC 8288 writes it.
fn relation(answer: &Answer, rel: &str) -> Option<String> {
    let link =
        answer.header("link").split(", ").find(|l| l.ends_with(&format!("; rel=\"{rel}\"")))?;
    Some(link.split_once('<')?.1.split_once('>')?.0.to_owned())
}

#[apply(on_both_databases)]
async fn pages_are_followed_to_the_end_and_back(app: App) {
    let names: Vec<String> = (0..7).map(|n| format!("name {n}")).collect();
    share_named(&app, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let alice = app.as_user("alice");
    let mut page = alice.list("limit=3&sort=name").await.is(200);
    assert_eq!(relation(&page, "prev"), None);
    let mut seen = page.each("name");
    while let Some(next) = relation(&page, "next") {
        page = alice.get(&next).await.is(200);
        assert_eq!(page.header("x-total-count"), "7");
        seen.extend(page.each("name"));
    }
    assert_eq!(seen, names);
    let mut back = page.each("name");
    while let Some(before) = relation(&page, "prev") {
        page = alice.get(&before).await.is(200);
        back = [page.each("name"), back].concat();
    }
    assert_eq!(back, names);
    // All of it on one page has no neighbours.
    assert_eq!(alice.list("limit=7").await.header("link"), "");
}

/// The addresses of the whole list, following `next`.
async fn followed(client: &Client, query: &str) -> Vec<String> {
    let mut page = client.list(query).await.is(200);
    let mut ids = page.ids();
    while let Some(next) = relation(&page, "next") {
        page = client.get(&next).await.is(200);
        ids.extend(page.ids());
    }
    ids
}

#[apply(on_both_databases)]
async fn every_order_is_paged_by_the_link_after_which_to_go_on(app: App) {
    // Some of the same name, and some of the same moment.
    for (n, name) in ["b", "a", "b", "b", "c"].into_iter().enumerate() {
        app.chats.put_named(&format!("chat-of-{n}"), name);
        for _ in 0..2 {
            app.as_user("alice").share(&format!("chat-of-{n}")).await;
        }
    }
    let alice = app.as_user("alice");
    for sort in ["-created_at", "created_at", "name", "-name"] {
        let whole = alice.list(&format!("sort={sort}")).await.ids();
        assert_eq!(whole.len(), 10);
        for limit in [1, 3] {
            let paged = followed(&alice, &format!("sort={sort}&limit={limit}")).await;
            assert_eq!(paged, whole, "{sort} by {limit}");
        }
        let first = alice.list(&format!("sort={sort}&limit=4")).await;
        let next = relation(&first, "next").unwrap().replace("offset=4", "offset=9");
        let next = alice.get(&next).await.is(200);
        assert_eq!(next.ids(), whole[4..8], "the place goes before the offset");
    }
}

/// Names that are too long for an index of PostgreSQL, and differ at their ends or at their 201st
/// character; and some whose folding is three times as long as they are.
fn long_names() -> Vec<String> {
    let long = random_name(999);
    let beginning: String = long.chars().take(200).collect();
    let musical = "\u{1d160}".repeat(999);
    vec![
        format!("{long}乙"),
        format!("{long}一"),
        beginning.clone(),
        format!("{beginning}丁"),
        format!("{beginning}丁"),
        format!("{musical}B"),
        format!("{musical}a"),
        "zebra".to_owned(),
        "Ape".to_owned(),
    ]
}

#[apply(on_both_databases)]
async fn long_names_are_shared_sorted_paged_and_found(app: App) {
    let all = long_names();
    share_named(&app, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut sorted = all.clone();
    sorted.sort_by_key(|name| name.to_lowercase());
    let alice = app.as_user("alice");
    assert_eq!(names(&alice, "sort=name").await, sorted);
    for sort in ["name", "-name"] {
        let whole = alice.list(&format!("sort={sort}")).await.ids();
        for limit in [1, 2, 4] {
            let paged = followed(&alice, &format!("sort={sort}&limit={limit}")).await;
            assert_eq!(paged, whole, "{sort} by {limit}");
            // It fits into the headers that proxies take.
            let first = alice.list(&format!("sort={sort}&limit={limit}")).await;
            assert!(first.header("link").len() < 2000, "{}", first.header("link"));
        }
    }
    let end: String = all[0].chars().skip(800).collect();
    let query = format!("name_filter={}", escape(&end));
    assert_eq!(names(&alice, &query).await, [all[0].clone()]);
    // A place among them, as a client may have kept it.
    let folded = all[1].to_lowercase();
    let place = URL_SAFE_NO_PAD.encode(format!("n{}:{folded}", "0".repeat(8)));
    let after = names(&alice, &format!("sort=name&after={place}")).await;
    let at = sorted.iter().position(|name| *name == all[1]).unwrap();
    assert_eq!(after, sorted[at..]);
}

#[apply(on_both_databases)]
async fn links_deleted_between_pages_cost_no_others_their_place(app: App) {
    let links = share_named(&app, &["1", "2", "3", "4", "5", "6"]).await;
    let alice = app.as_user("alice");
    let first = alice.list("sort=created_at&limit=2").await;
    alice.delete(&links[0].id).await.is(204);
    let second = alice.get(&relation(&first, "next").unwrap()).await.is(200);
    assert_eq!(second.each("name"), ["3", "4"]);
    // The one after which to go on is gone itself.
    alice.delete(&links[3].id).await.is(204);
    let third = alice.get(&relation(&second, "next").unwrap()).await.is(200);
    assert_eq!(
        (third.each("name"), third.header("x-total-count").to_owned()),
        (vec!["5".to_owned(), "6".to_owned()], "4".to_owned())
    );
}

#[apply(on_both_databases)]
async fn a_place_of_another_order_is_refused(app: App) {
    share_named(&app, &["1", "2"]).await;
    let alice = app.as_user("alice");
    let by_name = relation(&alice.list("sort=name&limit=1").await, "next").unwrap();
    alice.get(&by_name.replace("sort=name", "sort=created_at")).await.fails(400, "bad_request");
    for after in ["", "x", "dA", "%00", "bjp4"] {
        alice.list(&format!("after={after}")).await.fails(400, "bad_request");
    }
}

#[apply(on_both_databases)]
async fn links_between_pages_keep_the_question(app: App) {
    share_named(&app, &["é & é", "é & É", "other"]).await;
    let query = format!("name_filter={}&filter_type=public&unknown=x&limit=1", escape("É & é"));
    let first = app.as_user("alice").list(&query).await.is(200);
    assert_eq!(first.header("x-total-count"), "2");
    let next = relation(&first, "next").unwrap();
    assert!(next.starts_with("/api/v1/shared_chats?"), "{next}");
    let second = app.as_user("alice").get(&next).await.is(200);
    assert_eq!(second.each("name"), ["é & é"]);
    assert_eq!(relation(&second, "next"), None);
}

#[apply(on_both_databases)]
async fn an_offset_past_the_end_finds_nothing(app: App) {
    share_named(&app, &["one"]).await;
    for offset in ["1", "2", "1000000", "9223372036854775807"] {
        for limit in ["1", "1000"] {
            let query = format!("offset={offset}&limit={limit}");
            let list = app.as_user("alice").list(&query).await.is(200);
            assert_eq!(list.json(), json!([]), "{query}");
            assert_eq!(list.header("x-total-count"), "1", "{query}");
            let before = relation(&list, "prev").unwrap();
            assert_eq!(app.as_user("alice").get(&before).await.each("name"), ["one"]);
        }
    }
}

#[apply(on_both_databases)]
async fn limits_and_offsets_have_bounds(app: App) {
    let alice = app.as_user("alice");
    for limit in ["-1", "0", "1001", "99999999999999999999", "1.5", "ten", "", "%00", "1e2", " 1"] {
        let message = alice.list(&format!("limit={limit}")).await.fails(400, "bad_request");
        assert!(message.starts_with("limit"), "{message}");
    }
    for offset in ["-1", "9223372036854775808", "99999999999999999999", "x", "", "0x1"] {
        let message = alice.list(&format!("offset={offset}")).await.fails(400, "bad_request");
        assert!(message.starts_with("offset"), "{message}");
    }
    for query in ["limit=1", "limit=1000", "offset=0", "limit=1&offset=0"] {
        alice.list(query).await.is(200);
    }
    // A hundred by default.
    let mut made = Vec::new();
    for _ in 0..101 {
        made.push(alice.create(&json!({"chat_session_id": "chat-1"})).spawn());
    }
    for made in made {
        made.await.unwrap().is(201);
    }
    assert_eq!(alice.list("").await.ids().len(), 100);
    assert_eq!(alice.list("limit=1000").await.ids().len(), 101);
}

#[apply(on_both_databases)]
async fn parameters_that_are_not_known_are_ignored(app: App) {
    share_named(&app, &["one"]).await;
    for query in ["archived=true", "is_private=maybe", "a&b=&=c&%00=%00", "limit[]=7", "LIMIT=-1"] {
        assert_eq!(app.as_user("alice").list(query).await.is(200).ids().len(), 1, "{query}");
    }
}

#[apply(on_both_databases)]
async fn values_that_are_not_known_are_refused_by_name(app: App) {
    for query in [
        "filter_type=secret",
        "filter_type=",
        "filter_type=Private",
        "sort=label",
        "sort=",
        "sort=name;--",
        "showcase_filter=",
    ] {
        let message = app.as_user("alice").list(query).await.fails(400, "bad_request");
        assert!(message.starts_with(query.split('=').next().unwrap()), "{query}: {message}");
    }
}

#[apply(on_both_databases)]
async fn an_expired_link_is_in_no_list(app: App) {
    let hour = Duration::hours(1);
    let alice = app.as_user("alice");
    let settings = json!({"expires_at": app.after(hour / 2)});
    alice.share_with("chat-1", settings).await;
    let stays = alice.share("chat-1").await;
    assert_eq!(alice.list("").await.ids().len(), 2);
    app.clock.advance(hour / 2);
    let list = alice.list("").await;
    assert_eq!((list.ids(), list.header("x-total-count")), (vec![stays.id], "1"));
}

#[apply(on_both_databases)]
async fn a_list_is_for_users_who_are_signed_in(app: App) {
    app.anonymous().list("").await.fails(401, "login_required");
    app.anonymous().list("limit=0").await.fails(401, "login_required");
    app.with_token("rubbish").list("").await.fails(401, "invalid_token");
    app.as_chat_service().list("limit=0").await.fails(400, "bad_request");
    app.as_chat_service().list("").await.fails(403, "forbidden");
    app.as_chat_service().list("showcase_filter=featured").await.fails(403, "forbidden");
}

#[apply(on_both_databases)]
async fn a_list_stays_out_of_shared_caches(app: App) {
    let list = app.as_user("alice").list("").await.is(200);
    assert_eq!(list.header("cache-control"), "private, no-cache");
    assert_eq!(list.header("content-type"), "application/json");
}
