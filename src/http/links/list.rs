//! `GET /api/v1/shared_chats`.

use std::{ops::RangeInclusive, str::FromStr};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use url::form_urlencoded::{self, Serializer};

use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        responses::SharedChatInfo,
    },
    model::{Action, Caller, ChatSessionId, ShareId, UserId, storable},
    sharing::{LinkFilter, LinkOrder, ListQuery, Page, Place, PlaceKey},
};

const DEFAULT_LIMIT: i64 = 100;
const LIMITS: RangeInclusive<i64> = 1..=1000;
/// Characters of `name_filter`.
const NAME_FILTER_CHARS: usize = 256;

pub struct List;

impl Call for List {
    const AUDITED: Audited = Audited::Attempts(Action::List);
    const REFUSALS: &'static [E] =
        &[E::BadRequest, E::LoginRequired, E::InvalidToken, E::Forbidden, E::Unavailable];
}

/// Lists the caller's own links.
///
/// # Errors
/// 400 when a parameter is out of range; those of [`crate::sharing::Sharing::list`].
#[utoipa::path(
    get, path = "/api/v1/shared_chats", tag = "links", operation_id = "list_shared_chats",
    params(
        ("offset" = Option<i64>, Query, description = "Urls to skip", minimum = 0),
        ("after" = Option<String>, Query,
            description = "Where to go on, instead of skipping `offset` links, as the next page of \
                           `Link` has it: far pages cost no more than the first, and links that are \
                           deleted meanwhile move no others. Opaque, and of the same `sort`"),
        ("limit" = Option<i64>, Query, description = "Urls on a page, 100 by default",
            minimum = 1, maximum = 1000),
        ("name_filter" = Option<String>, Query, max_length = 256,
            description = "A part of the name, in any case, beyond ASCII too"),
        ("filter_type" = Option<String>, Query,
            description = "`all`, `private`, `public`, `frozen`, or `active`, which means live",
            pattern = "^(all|private|public|frozen|active)$"),
        ("showcase_filter" = Option<String>, Query,
            description = "`featured` finds nothing: this service has no showcase",
            pattern = "^(all|featured|not_featured)$"),
        ("chat_session_id" = Option<String>, Query, description = "Urls to this chat alone",
            min_length = 1, max_length = 128,
            pattern = r"^([A-Za-z0-9_~-]|\.[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*$"),
        ("sort" = Option<String>, Query, description = "`-created_at` by default",
            pattern = "^-?(created_at|name)$"),
    ),
    responses(
        (status = 200, description = "A page of links", body = Vec<SharedChatInfo>,
            headers(
                ("X-Total-Count" = i64, description = "How many there are on all pages"),
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
    let asked = Asked::parse(request.query_string(), caller.user_id())?;
    let (offset, limit, order) = (asked.query.offset, asked.query.limit, asked.query.order);
    let mut page = state.sharing.list(&caller, asked.query).await?;
    if asked.featured_only {
        page = Page { links: Vec::new(), total: 0 };
    }
    let rows: Vec<_> =
        page.links.iter().map(|chat| SharedChatInfo::new(chat, &state.urls)).collect();
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("x-total-count", page.total))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    let end = page.links.last().map(|last| cursor(&order.place_of(last)));
    let pages = neighbours(request.path(), &asked.kept, offset, limit, page.total, end.as_deref());
    if !pages.is_empty() {
        response.insert_header((header::LINK, pages));
    }
    Ok(response.json(rows))
}

pub(in crate::http) struct Asked {
    pub(in crate::http) query: ListQuery,
    featured_only: bool,
    /// The parameters that the neighbouring pages have in common with this one.
    pub(in crate::http) kept: Vec<(String, String)>,
}

impl Asked {
    /// Parameters that are not known are ignored: the client may be newer.
    pub(in crate::http) fn parse(text: &str, owner: &UserId) -> Result<Self, ApiError> {
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
        // Of which order it must be is known by now.
        query.after = after.map(|after| place(&after, query.order)).transpose()?;
        Ok(Self { query, featured_only, kept })
    }
}

fn number(name: &str, value: &str, range: RangeInclusive<i64>) -> Result<i64, ApiError> {
    i64::from_str(value).ok().filter(|n| range.contains(n)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        ApiError::bad_value(name, format!("must be a whole number from {least} to {most}"))
    })
}

/// A place in a list as text: an opaque one, so that another order can have another form.
pub(in crate::http) fn cursor(place: &Place) -> String {
    let (of, key) = match &place.key {
        PlaceKey::CreatedAt(at) => ("t", at.timestamp_micros().to_string()),
        PlaceKey::FoldedName(name) => ("n", name.clone()),
    };
    URL_SAFE_NO_PAD.encode(format!("{of}{}:{key}", place.id.as_str()))
}

/// A time that both databases know; links are made between these years.
fn moment(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|at| (1970..=9999).contains(&at.year()))
}

/// The place in a list of this order.
fn place(cursor: &str, order: LinkOrder) -> Result<Place, ApiError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let by_time = matches!(order, LinkOrder::NewestFirst | LinkOrder::OldestFirst);
        let (id, key) = text.strip_prefix(if by_time { 't' } else { 'n' })?.split_once(':')?;
        let key = match by_time {
            true => PlaceKey::CreatedAt(moment(key.parse().ok()?)?),
            false => PlaceKey::FoldedName(storable(key)),
        };
        Some(Place { key, id: ShareId::parse(id)? })
    };
    read().ok_or_else(|| ApiError::bad_value("after", "must be from a `Link` of the same `sort`"))
}

/// The `Link` header (RFC 8288) with the pages before and after this one. The next one goes on after
/// the `end` of this one, so that no page costs more than the first.
pub(in crate::http) fn neighbours(
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
    // From beyond the end, the page before is the last one that holds anything.
    let before = (offset - limit).max(0).min((total - 1).max(0) / limit * limit);
    let prev = (offset > 0).then(|| page("prev", before, None));
    next.into_iter().chain(prev).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_header_leads_through_all_pages_and_back() {
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
