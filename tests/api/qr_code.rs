//! `GET /api/v1/shared_chats/{id}/qr_code`.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, App, Setup, apply, on_both_databases};

#[track_caller]
fn scanned(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "image/png");
    let image = image::load_from_memory_with_format(&answer.body, image::ImageFormat::Png);
    let image = image.unwrap().into_luma8();
    // A scanner needs some light around the code.
    let (around, side) = (64, image.width() as usize + 128);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
        let at = |v: usize| v.checked_sub(around).and_then(|v| u32::try_from(v).ok());
        match (at(x), at(y)) {
            (Some(x), Some(y)) => image.get_pixel_checked(x, y).map_or(255, |pixel| pixel.0[0]),
            _ => 255,
        }
    });
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the image");
    grids[0].decode().unwrap().1
}

#[apply(on_both_databases)]
async fn the_image_holds_the_links_address(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let image = app.anonymous().get(link.info["qr_code_url"].as_str().unwrap()).await.is(200);
    assert_eq!(scanned(&image), link.info["url"]);
}

#[apply(on_both_databases)]
async fn every_option_gives_a_code_that_scans(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for query in [
        "size=2048&margin=0&error_correction=L",
        "size=1024&margin=16&error_correction=H",
        "size=300&margin=4&error_correction=Q",
        "size=128&margin=1&error_correction=M",
        "format=png&unknown=ignored",
    ] {
        let image = app.anonymous().qr_code(&link, query).await.is(200);
        assert_eq!(scanned(&image), link.info["url"], "{query}");
        if let Some(size) = query.strip_prefix("size=") {
            let size: u32 = size.split('&').next().unwrap().parse().unwrap();
            assert_eq!(image::load_from_memory(&image.body).unwrap().width(), size, "{query}");
        }
    }
}

#[apply(on_both_databases)]
async fn an_svg_is_an_image_that_runs_nothing(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let image = app.anonymous().qr_code(&link, "format=svg&size=500").await.is(200);
    assert_eq!(image.header("content-type"), "image/svg+xml");
    assert_eq!(image.header("content-security-policy"), "default-src 'none'");
    let svg = image.text();
    assert!(svg.contains("<svg") && svg.contains("500"), "{svg}");
    assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
}

#[apply(on_both_databases)]
async fn accept_decides_where_no_format_is_named(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for (accept, query, media) in [
        ("*/*", "", "image/png"),
        ("image/svg+xml", "", "image/svg+xml"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8", "", "image/png"),
        ("text/html", "", "image/png"),
        ("image/svg+xml", "format=png", "image/png"),
        ("image/png", "format=svg", "image/svg+xml"),
    ] {
        let image = app.anonymous().qr_code(&link, query).header("accept", accept).await.is(200);
        assert_eq!(image.header("content-type"), media, "{accept} {query}");
        assert!(image.header("vary").contains("Accept"));
    }
}

#[apply(on_both_databases)]
async fn options_have_bounds(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for query in [
        "format=gif",
        "format=",
        "format=PNG",
        "size=63",
        "size=2049",
        "size=-1",
        "size=x",
        "size=",
        "size=99999999999999999999",
        "size=300.5",
        "margin=17",
        "margin=-1",
        "margin=",
        "error_correction=l",
        "error_correction=X",
        "error_correction=",
    ] {
        let message = app.anonymous().qr_code(&link, query).await.fails(400, "bad_request");
        assert!(message.starts_with(query.split('=').next().unwrap()), "{query}: {message}");
    }
}

#[apply(on_both_databases)]
async fn a_size_too_small_to_scan_is_refused_with_the_least_one(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let options = "margin=16&error_correction=H";
    let too_small = app.anonymous().qr_code(&link, &format!("size=64&{options}")).await;
    let message = too_small.fails(400, "bad_request");
    assert!(message.starts_with("size"), "{message}");
    let least: u32 = message.split(' ').find_map(|word| word.parse().ok()).unwrap();
    app.anonymous().qr_code(&link, &format!("size={}&{options}", least - 1)).await.is(400);
    let image = app.anonymous().qr_code(&link, &format!("size={least}&{options}")).await.is(200);
    assert_eq!(scanned(&image), link.info["url"]);
}

#[apply(on_both_databases)]
async fn no_credential_is_asked_for(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    for client in [app.anonymous(), app.with_token("rubbish"), app.as_user("bob")] {
        let image = client.qr_code(&link, "").await.is(200);
        assert_eq!(image.header("cache-control"), "private, no-cache");
    }
}

#[apply(on_both_databases)]
async fn a_dead_link_has_no_code(app: App) {
    let alice = app.as_user("alice");
    let settings = json!({"expires_at": app.after(chrono::Duration::minutes(1))});
    let (deleted, expired) =
        (alice.share("chat-1").await, alice.share_with("chat-1", settings).await);
    let mut tags = Vec::new();
    for link in [&deleted, &expired] {
        tags.push(app.anonymous().qr_code(link, "").await.is(200).header("etag").to_owned());
    }
    alice.delete(&deleted).await.is(204);
    app.clock.advance(chrono::Duration::minutes(1));
    for link in [deleted.id.as_str(), &expired.id, "no-such-link", "short"] {
        app.anonymous().qr_code(link, "").await.fails(404, "not_found");
        let known = app.anonymous().qr_code(link, "").header("if-none-match", &tags[0]);
        known.await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn what_the_client_has_already_is_not_sent_again(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let mut tags = Vec::new();
    for query in ["", "format=svg", "size=500", "margin=2", "error_correction=H"] {
        let image = app.anonymous().qr_code(&link, query).await.is(200);
        assert_eq!(image.header("cache-control"), "no-cache");
        let tag = image.header("etag").to_owned();
        let again =
            app.anonymous().qr_code(&link, query).header("if-none-match", &tag).await.is(304);
        assert_eq!(again.header("etag"), tag);
        tags.push(tag);
    }
    let distinct: std::collections::HashSet<&String> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "{tags:?}");
}

#[apply(on_both_databases)]
async fn another_public_url_is_another_image(setup: Setup) {
    let old = setup.clone().with("PUBLIC_URL", "https://old.example").start().await;
    let link = old.as_user("alice").share("chat-1").await;
    let tag = old.anonymous().qr_code(&link, "").await.is(200).header("etag").to_owned();
    let new = setup.with("PUBLIC_URL", "https://new.example").start().await;
    let image = new.anonymous().qr_code(&link, "").header("if-none-match", &tag).await.is(200);
    assert_eq!(scanned(&image), format!("https://new.example/shared/{}", link.id));
}

#[apply(on_both_databases)]
async fn no_more_codes_are_drawn_at_once_than_bodies_are_made(setup: Setup) {
    let setup = setup.config(|config| config.http.queue_timeout = Duration::ZERO);
    let app = setup.start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let drawn: Vec<_> = (0..200)
        .map(|n| app.anonymous().qr_code(&link, &format!("size={}", 2048 - n)).spawn())
        .collect();
    let mut refused = 0;
    for answer in drawn {
        match answer.await.unwrap() {
            answer if answer.status == 200 => {}
            answer => {
                answer.fails(503, "unavailable");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "all of them were drawn at once");
    app.anonymous().qr_code(&link, "size=2048").await.is(200);
}
