//! `GET /api/v1/shared_chats`.

use std::ops::RangeInclusive;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use url::form_urlencoded::{self, Serializer};

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::links::query::number;
use crate::http::responses::SharedChatInfo;
use crate::model::{Action, Caller, ChatSessionId, ShareId, UserId, storable};
use crate::sharing::{LinkFilter, LinkOrder, ListQuery, Page, Place, PlaceKey};

const DEFAULT_LIMIT: i64 = 100;
pub const LIMITS: RangeInclusive<i64> = 1..=1000;
/// A longer cursor, which only a long name makes, is left out of `Link`: headers and addresses have
/// bounds. The next page then goes by its offset alone.
const MAX_CURSOR_BYTES: usize = 1024;
/// Longest `name_filter`, in characters.
const NAME_FILTER_CHARS: usize = 256;

pub struct List;

impl Call for List {
    const AUDITED: Audited = Audited::Attempts(Action::List);
    const REFUSALS: &'static [&'static [E]] = &[CALLER];
}

/// Lists the caller's own links.
#[utoipa::path(
    get, path = "/api/v1/shared_chats", tag = "links", operation_id = "list_shared_chats",
    params(
        ("offset" = Option<i64>, Query, description = "Links to skip", minimum = 0),
        ("after" = Option<String>, Query,
            description = "An opaque cursor instead of `offset`, as the `next` page in `Link` has \
                           it: every page costs the same, and deletions between two pages do not \
                           shift the rows. `sort` must stay the same"),
        ("limit" = Option<i64>, Query, description = "Links on a page, 100 by default",
            minimum = 1, maximum = 1000),
        ("name_filter" = Option<String>, Query, max_length = 256,
            description = "A substring of the name, case-insensitive beyond ASCII too"),
        ("filter_type" = Option<String>, Query,
            description = "`all`, `private`, `public`, `frozen`, or `active`, which means live",
            pattern = "^(all|private|public|frozen|active)$"),
        ("showcase_filter" = Option<String>, Query,
            description = "`featured` finds nothing: this service has no showcase",
            pattern = "^(all|featured|not_featured)$"),
        ("chat_session_id" = Option<String>, Query, description = "Only links to this chat",
            min_length = 1, max_length = 128,
            pattern = r"^([A-Za-z0-9_~-]|\.[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*$"),
        ("sort" = Option<String>, Query, description = "`-created_at` by default",
            pattern = "^-?(created_at|name)$"),
    ),
    responses(
        (status = 200, description = "A page of links", body = Vec<SharedChatInfo>,
            headers(
                ("X-Total-Count" = i64, description = "The number of links on all pages"),
                ("Link" = String, description = "The next and the previous page (RFC 8288)"),
            )),
        Refusals<List>,
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    request: HttpRequest,
    state: web::Data<State>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let Parameters { query, featured_only, kept } =
        Parameters::parse(request.query_string(), caller.user_id())?;
    let (offset, limit, order) = (query.offset, query.limit, query.order);
    let mut page = state.sharing.list(&caller, query).await?;
    if featured_only {
        page = Page { links: Vec::new(), total: 0 };
    }
    let policy = state.sharing.policy().await?.policy;
    let rows: Vec<_> =
        page.links.iter().map(|chat| SharedChatInfo::new(chat, &state.urls, &policy)).collect();
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("x-total-count", page.total))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    let end = page.links.last().map(|last| cursor(&order.place_of(last)));
    let end = end.filter(|cursor| cursor.len() <= MAX_CURSOR_BYTES);
    let path = state.urls.at(request.path());
    let pages = neighbours(&path, &kept, offset, limit, page.total, end.as_deref());
    if !pages.is_empty() {
        response.insert_header((header::LINK, pages));
    }
    Ok(response.json(rows))
}

pub struct Parameters {
    pub query: ListQuery,
    featured_only: bool,
    /// The parameters that neighbouring pages repeat.
    pub kept: Vec<(String, String)>,
}

impl Parameters {
    /// Unknown parameters are ignored: the client may be newer.
    pub fn parse(text: &str, owner: &UserId) -> Result<Self, ApiError> {
        let mut query = ListQuery {
            owner: owner.clone(),
            filter: LinkFilter::default(),
            name_part: None,
            chat_session_id: None,
            order: LinkOrder::default(),
            offset: 0,
            after: None,
            limit: DEFAULT_LIMIT,
        };
        let mut featured_only = false;
        let mut after = None;
        let mut kept = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let one_of = |choices: &str| ApiError::bad_value(&name, format!("must be {choices}"));
            match &*name {
                "offset" => query.offset = number(&name, &value, 0..=i64::MAX)?,
                "after" => after = Some(value.to_string()),
                "limit" => query.limit = number(&name, &value, LIMITS)?,
                "name_filter" => {
                    if value.chars().count() > NAME_FILTER_CHARS {
                        let problem = format!("must have at most {NAME_FILTER_CHARS} characters");
                        return Err(ApiError::bad_value(&name, problem));
                    }
                    // Names hold U+FFFD where a NUL was.
                    query.name_part = Some(storable(&value));
                }
                "filter_type" => {
                    query.filter = match &*value {
                        "all" => LinkFilter::All,
                        "private" => LinkFilter::Private,
                        "public" => LinkFilter::Public,
                        "frozen" => LinkFilter::Frozen,
                        "active" => LinkFilter::Active,
                        _ => return Err(one_of("all, private, public, frozen or active")),
                    }
                }
                "showcase_filter" => {
                    featured_only = match &*value {
                        "featured" => true,
                        "all" | "not_featured" => false,
                        _ => return Err(one_of("all, featured or not_featured")),
                    }
                }
                "chat_session_id" => {
                    let id = ChatSessionId::parse(&value);
                    query.chat_session_id = Some(id.map_err(|e| ApiError::bad_value(&name, e))?);
                }
                "sort" => {
                    query.order = match &*value {
                        "-created_at" => LinkOrder::NewestFirst,
                        "created_at" => LinkOrder::OldestFirst,
                        "name" => LinkOrder::Name,
                        "-name" => LinkOrder::NameBackwards,
                        _ => return Err(one_of("created_at, -created_at, name or -name")),
                    }
                }
                _ => continue,
            }
            if !matches!(&*name, "offset" | "after" | "limit") {
                kept.push((name.into_owned(), value.into_owned()));
            }
        }
        // The cursor's form depends on `sort`, which may come later in the query.
        query.after = after.map(|after| place(&after, query.order)).transpose()?;
        Ok(Self { query, featured_only, kept })
    }
}

/// An opaque cursor for a place in a list.
pub fn cursor(place: &Place) -> String {
    let (kind, key) = match &place.key {
        PlaceKey::CreatedAt(at) => ("t", at.timestamp_micros().to_string()),
        PlaceKey::FoldedName(name) => ("n", name.clone()),
    };
    URL_SAFE_NO_PAD.encode(format!("{kind}{}:{key}", place.id.as_str()))
}

/// Decodes a cursor for a list in this order.
fn place(cursor: &str, order: LinkOrder) -> Result<Place, ApiError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let by_time = matches!(order, LinkOrder::NewestFirst | LinkOrder::OldestFirst);
        let (id, key) = text.strip_prefix(if by_time { 't' } else { 'n' })?.split_once(':')?;
        let key = if by_time {
            let at = DateTime::<Utc>::from_timestamp_micros(key.parse().ok()?)?;
            // Years that both databases can store.
            PlaceKey::CreatedAt((1970..=9999).contains(&at.year()).then_some(at)?)
        } else {
            PlaceKey::FoldedName(storable(key))
        };
        Some(Place { key, id: ShareId::parse(id)? })
    };
    read().ok_or_else(|| ApiError::bad_value("after", "must be from a `Link` of the same `sort`"))
}

/// The `Link` header (RFC 8288) with the pages before and after this one. The next one starts after
/// the cursor `end`, so that every page costs the same.
pub fn neighbours(
    path: &str,
    kept: &[(String, String)],
    offset: i64,
    limit: i64,
    total: i64,
    end: Option<&str>,
) -> String {
    let page = |relation: &str, offset: i64, after: Option<&str>| {
        let query = Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("offset", &offset.to_string())
            .append_pair("limit", &limit.to_string())
            .extend_pairs(after.map(|after| ("after", after)))
            .finish();
        format!("<{path}?{query}>; rel=\"{relation}\"")
    };
    let next = offset.checked_add(limit).filter(|next| *next < total);
    let next = next.map(|at| page("next", at, end));
    // If `offset` is beyond the end, the previous page is the last one with rows.
    let before = (offset - limit).max(0).min((total - 1).max(0) / limit * limit);
    let prev = (offset > 0).then(|| page("prev", before, None));
    next.into_iter().chain(prev).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_header_has_next_and_previous_page() {
        let kept = vec![("name_filter".to_owned(), "é&x".to_owned())];
        let neighbours = |path, kept, offset, limit, total| {
            neighbours(path, kept, offset, limit, total, Some("end"))
        };
        assert_eq!(neighbours("/l", &[], 0, 10, 10), "");
        assert_eq!(
            neighbours("/l", &[], 0, 10, 11),
            "</l?offset=10&limit=10&after=end>; rel=\"next\""
        );
        assert_eq!(
            neighbours("/l", &kept, 10, 10, 30),
            "</l?name_filter=%C3%A9%26x&offset=20&limit=10&after=end>; rel=\"next\", \
             </l?name_filter=%C3%A9%26x&offset=0&limit=10>; rel=\"prev\""
        );
        assert_eq!(neighbours("/l", &[], 5, 10, 12), "</l?offset=0&limit=10>; rel=\"prev\"");
        assert_eq!(neighbours("/l", &[], 1000, 10, 12), "</l?offset=10&limit=10>; rel=\"prev\"");
        assert_eq!(neighbours("/l", &[], i64::MAX, 1, 0), "</l?offset=0&limit=1>; rel=\"prev\"");
    }
}
