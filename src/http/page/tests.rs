mod budget;

use serde_json::value::RawValue;

use super::*;
use crate::model::{ChatSessionId, MessageContent, Mode, Role, ShareId, UserId, Visibility};

fn chat() -> SharedChat {
    SharedChat {
        id: ShareId::random(),
        chat_session_id: ChatSessionId::parse("secret-session").ok(),
        owner_id: UserId::parse("secret-owner").ok(),
        name: Some("A plan".to_owned()),
        shared_by: Some("Alice".to_owned()),
        label: Some("secret label".to_owned()),
        audience: None,
        visibility: Visibility::Public,
        mode: Mode::Frozen,
        includes_artifacts: false,
        is_legacy: false,
        created_at: "2026-11-05T07:08:09Z".parse().unwrap(),
        updated_at: "2026-11-06T00:00:00Z".parse().unwrap(),
        expires_at: None,
        revision: 1,
        policy: 0,
    }
}

/// `content` is a JSON string literal.
fn message(role: &str, content: &str, created_at: &str) -> Message {
    let content = RawValue::from_string(content.to_owned()).unwrap();
    Message {
        id: "secret-message".to_owned(),
        role: Role::of(Some(role.to_owned()), None),
        content: MessageContent::from_json(content).unwrap(),
        created_at: created_at.to_owned(),
        reply_to: None,
    }
}

fn artifact(filename: &str, url: Option<&str>) -> PageArtifact {
    PageArtifact {
        filename: filename.to_owned(),
        bytes: 1_234_567,
        media_type: "text/csv".to_owned(),
        created_at: "2026-11-04T00:00:00Z".parse().unwrap(),
        url: url.map(str::to_owned),
    }
}

fn page(chat: &SharedChat, messages: &[Message], artifacts: Option<&[PageArtifact]>) -> String {
    let events_url = (!chat.is_frozen()).then_some("/events?\"<");
    let (json_url, qr_code_url) = ("/json", "/qr?a=1&b=2");
    let page = SharedChatPage { chat, messages, artifacts, json_url, qr_code_url, events_url };
    shared_chat(&page).unwrap()
}

/// The page after its inline style.
fn body(html: &str) -> &str {
    html.split_once("</style>").unwrap().1
}

#[test]
fn the_page_shows_the_link_and_its_messages() {
    let messages = [
        message("user", r#""Where *to*?""#, "2026-11-05T07:00:00+02:00"),
        message("assistant", r#""Home.""#, "2026-11-05T07:00:01.25Z"),
    ];
    let html = page(&chat(), &messages, None);
    for part in [
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "<title>A plan</title>",
        "<h1><bdi>A plan</bdi></h1>",
        "</svg>Public</li>",
        "</svg>Snapshot</li>",
        "by <strong><bdi>Alice</bdi></strong>",
        "on <time datetime=\"2026-11-05T07:08:09Z\">5 Nov 2026, 07:08 UTC</time>",
        "<article class=\"message user\">",
        "<h2><bdi>User</bdi></h2>",
        "<time datetime=\"2026-11-05T05:00:00Z\">5 Nov 2026, 05:00 UTC</time>",
        "<div class=\"content\"><p dir=\"auto\">Where <em>to</em>?</p>",
        "<article class=\"message assistant\">",
        "<h2><bdi>Assistant</bdi></h2>",
        "<div class=\"content\"><p dir=\"auto\">Home.</p>",
        "<meta name=\"robots\" content=\"noindex, nofollow\">",
        "<meta name=\"referrer\" content=\"no-referrer\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "Anyone who has this link can open it.",
    ] {
        assert!(html.contains(part), "{part} is missing in {}", body(&html));
    }
    let src = html.split_once("<img src=\"").unwrap().1.split_once('"').unwrap().0;
    assert_eq!(src.replace("&#38;", "&"), "/qr?a=1&b=2");
    assert!(!html.contains("Available until") && !html.contains("Files"));
}

#[test]
fn a_private_live_link_shows_its_badges_and_expiry() {
    let chat = SharedChat {
        visibility: Visibility::Private,
        mode: Mode::Live,
        expires_at: "2026-12-24T18:00:00Z".parse().ok(),
        shared_by: None,
        name: None,
        ..chat()
    };
    let html = page(&chat, &[], None);
    for part in [
        "</svg>Private</li>",
        "</svg>Live</li>",
        "<title>Untitled chat</title>",
        "Available until <time datetime=\"2026-12-24T18:00:00Z\">24 Dec 2026, 18:00 UTC</time>",
        "Only people who are signed in can open this link.",
        "This chat has no messages.",
    ] {
        assert!(html.contains(part), "{part} is missing in {}", body(&html));
    }
    for part in ["</svg>Public", "</svg>Snapshot", "<strong>", "Anyone who has"] {
        assert!(!html.contains(part), "{part}");
    }
    let blank = SharedChat { name: Some(" \u{202e} ".to_owned()), ..chat };
    assert!(page(&blank, &[], None).contains("<h1><bdi>Untitled chat</bdi></h1>"));
}

#[test]
fn the_page_shows_no_owner_session_label_or_ids() {
    let chat = chat();
    let html = page(&chat, &[message("user", r#""x""#, "2026-11-05T07:00:00Z")], None);
    assert!(!html.contains("secret") && !html.contains(chat.id.as_str()));
}

#[test]
fn files_are_links_while_they_are_available() {
    let files = [artifact("sales.csv", Some("/files/1?x=1&y=\"")), artifact("old.csv", None)];
    let html = page(&chat(), &[], Some(&files));
    let (_, list) = html.split_once("Files</h2>").unwrap();
    let (link, gone) = list.split_once("</li>").unwrap();
    assert!(link.contains(
        "<a href=\"/files/1?x=1&#38;y=&#34;\" rel=\"nofollow\"><bdi>sales.csv</bdi></a>"
    ));
    assert!(link.contains("1.2 MB") && link.contains("text/csv") && link.contains("4 Nov 2026"));
    let (gone, _) = gone.split_once("</li>").unwrap();
    assert!(gone.contains("<bdi>old.csv</bdi>") && gone.contains("not available"));
    assert!(!gone.contains("href"));
    assert!(page(&chat(), &[], Some(&[])).contains("This chat has no files."));
}

#[test]
fn untrusted_text_never_becomes_markup() {
    const EVIL: &str =
        "</title></style><script>alert(1)</script>\"' onload='x' <img src=x onerror=y>";
    let chat =
        SharedChat { name: Some(EVIL.to_owned()), shared_by: Some(EVIL.to_owned()), ..chat() };
    let json = serde_json::to_string(EVIL).unwrap();
    let messages = [message(EVIL, &json, EVIL), message("user\" onclick=\"x", &json, "")];
    let mut file = artifact(EVIL, Some(EVIL));
    file.media_type = EVIL.to_owned();
    let files = [file, artifact(EVIL, None)];
    let plain = {
        let chat =
            SharedChat { name: Some("x".into()), shared_by: Some("x".into()), ..chat.clone() };
        let messages = [message("x", r#""<div>""#, "x"), message("x", r#""<div>""#, "")];
        let files = [artifact("x", Some("x")), artifact("x", None)];
        page(&chat, &messages, Some(&files))
    };
    let html = page(&chat, &messages, Some(&files));
    // As many tags as the same page without them; `</title>` and `</style>` once each.
    assert_eq!(html.matches('<').count(), plain.matches('<').count());
    assert_eq!(html.matches("</title").count(), 1);
    assert_eq!(html.matches("</style").count(), 1);
    // The page's own.
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("<img src=x"));
    // Inside tags: as many attribute values.
    let quotes = |html: &str| {
        body(html)
            .split('<')
            .skip(1)
            .map(|tag| tag.split_once('>').unwrap().0.matches('"').count())
            .sum::<usize>()
    };
    assert_eq!(quotes(&html), quotes(&plain));

    let notice = failure(503, EVIL, EVIL, EVIL).unwrap();
    assert_eq!(
        notice.matches('<').count(),
        failure(503, "x", "x", "x").unwrap().matches('<').count()
    );
    let prompt = sign_in(Some(EVIL)).unwrap();
    assert_eq!(prompt.matches('<').count(), sign_in(Some("x")).unwrap().matches('<').count());
}

#[test]
fn bidirectional_overrides_are_removed_from_names() {
    let name = "a\u{202e}b\u{2066}c\u{200f}";
    let chat =
        SharedChat { name: Some(name.to_owned()), shared_by: Some(name.to_owned()), ..chat() };
    let files = [artifact("photo\u{202e}gpj.exe", None)];
    let html = page(&chat, &[message(name, r#""x""#, "")], Some(&files));
    assert_eq!(html.matches("<bdi>abc\u{200f}</bdi>").count(), 3, "heading, sharer and speaker");
    assert!(
        html.contains("<title>abc\u{200f}</title>") && html.contains("<bdi>photogpj.exe</bdi>")
    );
}

#[test]
fn nul_and_lone_surrogates_are_shown_as_replacement_characters() {
    let html = page(&chat(), &[message("user", r#""a\u0000b\ud800c""#, "")], None);
    assert!(html.contains("<p dir=\"auto\">a\u{fffd}b\u{fffd}c</p>"));
}

#[test]
fn an_empty_message_says_so() {
    for content in [r#""""#, r#"" \n ""#, r#""[a]: https://unused.example""#] {
        let html = page(&chat(), &[message("user", content, "")], None);
        let empty = "<div class=\"content\"><p class=\"meta\">Empty message</p></div>";
        assert!(html.contains(empty), "{content}: {}", body(&html));
    }
    assert!(!page(&chat(), &[message("user", r#""x""#, "")], None).contains("Empty message"));
}

#[test]
fn other_roles_are_named_as_sent() {
    let html = page(&chat(), &[message("tool", r#""x""#, "yesterday")], None);
    assert!(html.contains("<article class=\"message other\">") && html.contains("<bdi>tool</bdi>"));
    // "yesterday" is not a time.
    assert!(!html.contains("yesterday"));
}

#[test]
fn the_sign_in_page_links_to_the_login_or_explains() {
    let html = sign_in(Some("https://login.example/?return_to=%2Fx&a=\"b")).unwrap();
    assert!(
        html.contains("href=\"https://login.example/?return_to=%2Fx&#38;a=&#34;b\">Sign in</a>")
    );
    let html = sign_in(None).unwrap();
    assert!(!body(&html).contains("<a ") && html.contains("then open the link again"));
}

#[test]
fn a_failure_names_its_status_and_request() {
    let html = failure(504, "Not in time", "Try again.", "req-1").unwrap();
    for part in ["<title>Not in time</title>", "Try again.", "Error 504", "<code>req-1</code>"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!not_found().unwrap().contains("Error"));
}

#[test]
fn the_policy_allows_only_the_inline_style() {
    let pages =
        [not_found().unwrap(), sign_in(None).unwrap(), failure(502, "a", "b", "c").unwrap()];
    for html in pages {
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            *NOTICE_CONTENT_SECURITY_POLICY,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            )
        );
        // A browser normalises line ends before it hashes.
        assert!(!style.contains('\r'));
        for forbidden in ["<script", " style=", "<link", "@import", "url(", "http://", "https://"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("noindex, nofollow") && html.contains("no-referrer"));
    }
}

#[test]
fn a_live_page_has_one_script_which_its_policy_allows() {
    let live = SharedChat { mode: Mode::Live, ..chat() };
    let html = page(&live, &[message("user", r#""<script>alert(1)</script>""#, "")], None);
    assert_eq!(html.matches("<script").count(), 1);
    let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    assert_eq!(script, LIVE_SCRIPT);
    assert!(!script.contains('\r') && !script.contains("innerHTML"));
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    let policy = LIVE_CONTENT_SECURITY_POLICY.as_str();
    let scripts = format!("img-src 'self'; script-src 'sha256-{hash}'; connect-src 'self'; ");
    assert_eq!(policy.replace(&scripts, "img-src 'self'; "), *NOTICE_CONTENT_SECURITY_POLICY);
    assert!(html.contains("<main data-events=\"/events?&#34;&#60;\">"), "{}", body(&html));
    assert!(html.contains("<noscript> Reload the page for new messages.</noscript>"));
}

#[test]
fn a_frozen_page_has_a_script_that_connects_to_nothing() {
    let html = page(&chat(), &[message("user", r#""```\na\n```""#, "")], None);
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains(&format!("<script>{SCRIPT}</script>")) && !html.contains("data-events"));
    assert!(!html.contains("<button"), "the button is made by the script");
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    let policy = CONTENT_SECURITY_POLICY.as_str();
    assert!(policy.contains(&format!("script-src 'sha256-{hash}'; base-uri")), "{policy}");
    assert!(!policy.contains("connect-src"));
}
