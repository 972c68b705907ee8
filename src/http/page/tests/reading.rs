//! What helps to read, keep and go on with a chat.

use super::super::{budget::Budget, questions::MIN_QUESTIONS, within};
use super::*;

fn question(text: &str) -> Message {
    message("user", &serde_json::to_string(text).unwrap(), "2026-11-05T07:00:00Z")
}

fn with_settings(chat: &SharedChat, settings: &PageSettings) -> String {
    let (json_url, qr_code_url, events_url) = ("/json", "/qr", None);
    let (messages, artifacts) = (&[], None);
    let page =
        SharedChatPage { chat, messages, artifacts, json_url, qr_code_url, events_url, settings };
    shared_chat(&page).unwrap()
}

#[test]
fn each_message_has_an_address_and_a_link_to_it() {
    let html = page(&chat(), &[question("a"), question("b")], None);
    for number in 1..=2 {
        let start = format!("<article id=\"m{number}\" ");
        let article = html.split_once(&start).unwrap().1.split_once("</article>").unwrap().0;
        let link = format!("href=\"#m{number}\" aria-label=\"#{number}, link to this message\"");
        assert!(article.contains(&link), "{article}");
    }
}

#[test]
fn many_questions_are_a_table_of_contents() {
    let mut messages = vec![question("Why *so*?\nmore"), message("assistant", r#""No""#, "")];
    messages.extend((0..MIN_QUESTIONS - 2).map(|_| question("<b>\u{202e}x")));
    assert!(!page(&chat(), &messages, None).contains("<nav"));
    messages.push(question("last"));
    let html = page(&chat(), &messages, None);
    let nav = html.split_once("<nav").unwrap().1.split_once("</nav>").unwrap().0;
    assert!(nav.contains(&format!("<summary>Questions ({MIN_QUESTIONS})</summary>")), "{nav}");
    assert!(nav.contains("<a href=\"#m1\"><bdi>Why *so*?</bdi></a>"), "{nav}");
    assert!(nav.contains("<a href=\"#m3\"><bdi>&#60;b&#62;x</bdi></a>"), "{nav}");
    assert_eq!(nav.matches("<li>").count(), MIN_QUESTIONS);
}

#[test]
fn links_to_messages_and_the_table_of_contents_are_in_the_budget() {
    const BUDGET: usize = 10_000;
    let messages = vec![question(&"&".repeat(80)); 1000];
    let chat = chat();
    let page = SharedChatPage {
        chat: &chat,
        messages: &messages,
        artifacts: None,
        json_url: "/json",
        qr_code_url: "/qr",
        events_url: None,
        settings: &PageSettings::default(),
    };
    let html = within(&page, BUDGET).unwrap();
    let links = html.matches("class=\"permalink\"").count();
    assert!((5..20).contains(&links), "{links}");
    assert_eq!(html.matches("<article id=\"m").count(), 1000, "each keeps its address");
    assert!(!html.contains("<nav"), "the messages took it all");
    assert!(Budget::of(BUDGET).take(links * 128));
}

#[test]
fn the_link_says_its_mode_and_whether_it_has_files() {
    let live = SharedChat { mode: Mode::Live, ..chat() };
    for (chat, files, words) in [
        (chat(), None, "Snapshot without files"),
        (chat(), Some(&[][..]), "Snapshot with files"),
        (live, None, "Live without files"),
    ] {
        assert!(page(&chat, &[], files).contains(words), "{words}");
    }
}

#[test]
fn the_chat_can_be_kept_as_markdown_without_script() {
    let html = page(&chat(), &[], None);
    let link = "<link rel=\"alternate\" type=\"text/markdown\" href=\"/json?format=markdown\">";
    assert!(html.contains(link));
    assert!(
        html.contains("<a href=\"/json?format=markdown\" rel=\"nofollow\" download=\"A plan.md\">")
    );
}

#[test]
fn the_page_leads_to_where_the_chat_goes_on_if_that_is_set() {
    let chat = chat();
    assert!(!with_settings(&chat, &PageSettings::default()).contains("Continue in"));
    let continue_url = "https://chat.example:8443/new?a=\"&shared={id}".parse().ok();
    let settings = PageSettings { continue_url, ..PageSettings::default() };
    let html = with_settings(&chat, &settings);
    let address =
        format!("https://chat.example:8443/new?a=&#34;&#38;shared={}\"", chat.id.as_str());
    assert!(html.contains(&address), "{}", body(&html));
    assert!(html.contains(">Continue in chat.example:8443</a>"));
}

#[test]
fn a_preview_shows_the_name_only_if_that_is_set_and_anyone_may_open_the_link() {
    let private = SharedChat { visibility: Visibility::Private, ..chat() };
    for (chat, link_preview, title) in [
        (chat(), LinkPreview::Off, "Shared chat"),
        (chat(), LinkPreview::Name, "A plan"),
        (private.clone(), LinkPreview::Off, "Shared chat"),
        (private, LinkPreview::Name, "Shared chat"),
    ] {
        let html = with_settings(&chat, &PageSettings { link_preview, ..PageSettings::default() });
        let meta = format!("<meta property=\"og:title\" content=\"{title}\">");
        assert!(html.contains(&meta), "{meta}");
        assert_eq!(html.matches("property=\"og:").count(), 3);
        assert!(html.contains("<meta name=\"robots\" content=\"noindex, nofollow\">"));
    }
}

#[test]
fn the_version_of_a_page_moves_with_its_settings() {
    let settings = PageSettings::default();
    let preview = PageSettings { link_preview: LinkPreview::Name, ..settings.clone() };
    let elsewhere =
        PageSettings { continue_url: "https://chat.example/{id}".parse().ok(), ..settings.clone() };
    let versions = [&settings, &preview, &elsewhere].map(version);
    assert_eq!(version(&settings), versions[0]);
    assert!(versions[0] != versions[1] && versions[0] != versions[2] && versions[1] != versions[2]);
    assert!(versions.iter().all(|version| version.len() == 8));
}
