//! Checks of the fuzz targets: parsing of requests, and encoding of responses.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use chrono::DateTime;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};
use serde_json::value::{RawValue, to_raw_value};
use url::{Url, form_urlencoded};

use crate::http::extract::presented::{self, Presented};
use crate::http::headers::ranges::{self, Part};
use crate::http::headers::{accept::named_quality, disposition, etag};
use crate::http::links::{events, list, qr_code};
use crate::http::page::{self, PageArtifact, PageSettings, SharedChatPage, markdown};
use crate::http::{responses, trusted_proxies::TrustedProxies};
use crate::model::{
    ChatFile, Credential, Message, MessageContent, Mode, Role, ShareId, SharedChat, UserId,
    Visibility,
};
use crate::qr::QrOptions;
use crate::sharing::{Available, Content, Files, Messages, Precondition, SharePath, Urls};

const COOKIE: &str = "session";

/// The credentials in an `Authorization` header or, where that is empty, in a `Cookie` header.
pub(crate) fn presented(authorization: &[u8], cookie: &[u8]) -> Vec<Credential> {
    let request = if authorization.is_empty() {
        with(header::COOKIE, cookie)
    } else {
        with(header::AUTHORIZATION, authorization)
    };
    let Some(request) = request else { return Vec::new() };
    match presented::presented(&request, Some(COOKIE)) {
        Presented::Header(credential) => vec![credential],
        Presented::Cookies(cookies) => cookies,
        Presented::Nothing | Presented::Malformed(_) => Vec::new(),
    }
}

/// A `GET` with this header, if its value is valid.
fn with(name: HeaderName, value: &[u8]) -> Option<HttpRequest> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(TestRequest::default().insert_header((name, value)).to_http_request())
}

/// The first byte selects the part of a request that the others are.
pub fn request(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind {
        b'l' => list_query(data),
        b'q' => qr_query(data),
        b'e' => event_cursor(data),
        b'r' => range(data),
        b'm' => entity_tags(data),
        b'a' => accept(data),
        b'f' => forwarded_for(data),
        _ => file_name(data),
    }
}

/// A request with this query, if it is a valid URI.
fn query(data: &[u8]) -> Option<HttpRequest> {
    let text = std::str::from_utf8(data).ok()?;
    let uri: actix_web::http::Uri = format!("/?{text}").parse().ok()?;
    Some(TestRequest::with_uri(&uri.to_string()).to_http_request())
}

/// The `Link` header of a valid query leads to the next page of the same query.
fn list_query(data: &[u8]) {
    let Some(request) = query(data) else { return };
    let Ok(owner) = UserId::parse("owner") else { return };
    let Ok(asked) = list::Parameters::parse(request.query_string(), &owner) else { return };
    let list = &asked.query;
    assert!((1..=1000).contains(&list.limit) && list.offset >= 0);
    if let Some(part) = &list.name_part {
        assert!(part.chars().count() <= 256 && !part.contains('\0'));
    }
    let end = list.after.as_ref().map(list::cursor);
    let total = list.offset.saturating_add(list.limit).saturating_add(1);
    let links = list::neighbours("/l", &asked.kept, list.offset, list.limit, total, end.as_deref());
    assert!(HeaderValue::from_str(&links).is_ok(), "{links:?}");
    for link in links.split(", ").filter(|link| !link.is_empty()) {
        let Some((query, _)) =
            link.strip_prefix("</l?").and_then(|link| link.split_once(">; rel="))
        else {
            panic!("{link:?}")
        };
        let Ok(again) = list::Parameters::parse(query, &owner) else { panic!("{query:?}") };
        assert_eq!(again.kept, asked.kept);
        let (again, before) = (again.query, list);
        assert_eq!(again.name_part, before.name_part);
        assert_eq!(again.chat_session_id, before.chat_session_id);
        assert_eq!((again.order, again.limit), (before.order, before.limit));
        if link.contains("rel=\"next\"") {
            assert_eq!(again.after, before.after);
            assert_eq!(Some(again.offset), before.offset.checked_add(before.limit));
        }
    }
}

fn qr_query(data: &[u8]) {
    let Some(request) = query(data) else { return };
    let Ok(options) = qr_code::options(&request) else { return };
    assert!(QrOptions::SIZES.contains(&options.size));
    assert!(QrOptions::MARGINS.contains(&options.margin));
}

/// In the header or, after a `=`, in the query. A given cursor is never ignored.
fn event_cursor(data: &[u8]) {
    let (request, given) = match data.split_first() {
        Some((b'=', value)) => {
            let encoded: String = form_urlencoded::byte_serialize(value).collect();
            (query(format!("after={encoded}").as_bytes()), value)
        }
        _ => (with(HeaderName::from_static("last-event-id"), data), data),
    };
    let Some(request) = request else { return };
    let cursor = events::cursor(&request);
    assert_eq!(cursor.is_none(), given.is_empty(), "{cursor:?}");
    assert!(cursor.is_none_or(|cursor| !cursor.is_empty()));
}

fn range(data: &[u8]) {
    let Some((bytes, range)) = data.split_first_chunk() else { return };
    let bytes = u64::from_le_bytes(*bytes);
    let Some(request) = with(header::RANGE, range) else { return };
    match ranges::part(&request, bytes, None) {
        Part::Range(range) => assert!(range.start < range.end && range.end <= bytes, "{range:?}"),
        Part::Whole | Part::Unsatisfiable => {}
    }
}

/// A condition is never ignored, and matches a tag that it names.
fn entity_tags(data: &[u8]) {
    let Some(asked) = with(header::IF_MATCH, data) else { return };
    let Ok(precondition) = etag::precondition(&asked) else { return };
    let is_any = data.trim_ascii() == b"*";
    assert_eq!(precondition == Precondition::None, is_any, "{:?}", asked.headers());
    if is_any {
        return;
    }
    let tag = etag::ViewTag::new(9_876, 0, None, "json");
    let list = [data, b",", tag.as_str().as_bytes()].concat();
    let Some(asked) = with(header::IF_MATCH, &list) else { panic!("a comma is no header") };
    match etag::precondition(&asked) {
        Ok(Precondition::Revisions(revisions)) => assert!(revisions.contains(&9_876)),
        other => panic!("{:?}: {other:?}", asked.headers()),
    }
    let Some(asked) = with(header::IF_NONE_MATCH, &list) else { return };
    assert!(etag::not_modified(&asked, tag.as_str()));
}

fn accept(data: &[u8]) {
    let Some(request) = with(header::ACCEPT, data) else { return };
    for media_type in ["text/html", "image/svg+xml"] {
        let quality = named_quality(&request, media_type);
        assert!(quality.is_none_or(|quality| (0.0..=1.0).contains(&quality)), "{quality:?}");
    }
}

/// Only a trusted proxy can set the client's address, and entries left of the client are ignored.
fn forwarded_for(data: &[u8]) {
    let name = HeaderName::from_static("x-forwarded-for");
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
    let Ok(trusted) = "10.0.0.0/8".parse::<TrustedProxies>() else { panic!("no network") };
    let Some(request) = with(name.clone(), data) else { return };
    assert_eq!(trusted.client(stranger, request.headers()), stranger);
    let client = trusted.client(proxy, request.headers());
    let is_proxy = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
    let Some(forged) = with(name, &[b"203.0.113.66,", data].concat()) else { return };
    let forged = trusted.client(proxy, forged.headers());
    assert!(is_proxy(client) || client == forged, "{client} became {forged}");
}

fn file_name(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let value = disposition::attachment(name);
    assert!(value.is_ascii() && HeaderValue::from_str(&value).is_ok(), "{value:?}");
    let Some(rest) = value.strip_prefix("attachment; filename=\"") else { panic!("{value:?}") };
    let Some((plain, rest)) = rest.split_once('"') else { panic!("{value:?}") };
    assert!(!plain.contains(['/', '\\', '"']), "{value:?}");
    assert!(rest.is_empty() || rest.starts_with("; filename*=UTF-8''"), "{value:?}");
    assert!(!rest.contains('"') && rest.matches(';').count() <= 1, "{value:?}");
}

/// A message's Markdown: the HTML is harmless, and its size is bounded. In a document it has no
/// heading of the first two levels, and does not reach the next message.
pub fn page(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    document(text);
    let html = markdown::alone(text);
    markdown::assertions::assert_harmless(&html);
    markdown::assertions::greatest_depth(&html);
    assert!(html.len() <= 8192 + text.len() * 32, "{} of {}", html.len(), text.len());
    assert!(!html.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')));
}

fn document(text: &str) {
    let Some((_, chat)) = link(None) else { panic!("there is no link") };
    let messages: Vec<Message> = [text, "next"].iter().filter_map(message).collect();
    let document = page::document(&chat, &messages);
    assert!(document.ends_with("\n\n## 2 · user\n\nnext\n"), "{document}");
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let is_of_document = |event: &Event<'_>| match event {
        Event::Start(Tag::Heading { level, .. }) => *level <= HeadingLevel::H2,
        _ => false,
    };
    let headings = Parser::new_ext(&document, options).filter(is_of_document).count();
    assert_eq!(headings, 3, "{document}");
}

fn message(text: &&str) -> Option<Message> {
    let text: Box<RawValue> = to_raw_value(text).ok()?;
    Some(Message {
        id: String::new(),
        role: Role::USER,
        content: MessageContent::from_json(text).ok()?,
        created_at: String::new(),
        reply_to: None,
    })
}

/// The JSON and the page of a frozen link to such a chat.
pub(crate) fn viewed(
    name: Option<String>,
    messages: &[Message],
    files: Vec<ChatFile>,
) -> (Vec<u8>, String) {
    let Some((urls, chat)) = link(name.clone()) else { panic!("there is no link") };
    let Ok(array) = serde_json::to_vec(messages) else { panic!("messages are no JSON") };
    let content = Content {
        name,
        messages: Messages::Plain(array.clone().into()),
        files: Files::Listed(files),
        available: Available::All,
        content_hash: None,
    };
    let Ok((mut json, end)) = responses::around_messages(&chat, &content, &urls) else {
        panic!("the view is no JSON")
    };
    json.extend(array);
    json.extend(end);
    let Ok(files) = content.files.parse() else { panic!("the files are no JSON") };
    let artifacts: Vec<PageArtifact> = responses::artifacts(&chat, &files, &Available::All, &urls)
        .into_iter()
        .flatten()
        .map(|file| PageArtifact {
            filename: file.filename.to_owned(),
            bytes: file.bytes,
            media_type: file.media_type,
            created_at: file.created_at,
            url: Some(file.url),
        })
        .collect();
    let shown = SharedChatPage {
        chat: &chat,
        messages,
        artifacts: Some(&artifacts),
        json_url: "/json",
        qr_code_url: "/qr",
        events_url: None,
        settings: &PageSettings::default(),
    };
    let Ok(html) = page::shared_chat(&shown) else { panic!("there is no page") };
    (json, html)
}

fn link(name: Option<String>) -> Option<(Urls, SharedChat)> {
    let public_url = Url::parse("https://chat.example").ok()?;
    let urls = Urls::new(&public_url, SharePath::parse("/shared/{id}").ok()?);
    let chat = SharedChat {
        id: ShareId::parse("6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11")?,
        chat_session_id: None,
        owner_id: None,
        name,
        shared_by: None,
        label: None,
        audience: None,
        visibility: Visibility::Public,
        mode: Mode::Frozen,
        includes_artifacts: true,
        is_legacy: false,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        expires_at: None,
        revision: 1,
        policy: 0,
    };
    Some((urls, chat))
}
