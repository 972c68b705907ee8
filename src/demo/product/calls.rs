//! What the product's page asks its own server.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    cookie::{Cookie, SameSite, time::Duration},
    http::StatusCode,
    web::{self, Data, Json, Query, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::{Product, address};
use crate::{
    chat_service::ChatServiceError,
    demo::{
        Failure,
        users::{ListedChat, TOKEN_SECONDS, User},
    },
    http::page,
};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("app.js");
const STYLE: &str = include_str!("app.css");

/// The cookie that says who is signed in: the user's place in the list. It is no secret: who has
/// the product's address may sign in as either user.
const USER: &str = "user";
/// Its value after signing out. A browser without the cookie was not here yet.
const SIGNED_OUT: &str = "none";

/// Below the product's key.
pub(super) fn routes(app: &mut ServiceConfig) {
    let file = |media_type: &'static str, text: &'static str| {
        web::get().to(move || async move { HttpResponse::Ok().content_type(media_type).body(text) })
    };
    app.route("/", web::get().to(page))
        .route("/app.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/app.css", file("text/css; charset=utf-8", STYLE))
        .route("/chat.css", file("text/css; charset=utf-8", page::STYLE))
        .route("/icon.svg", file("image/svg+xml", page::FAVICON))
        .route("/state", web::get().to(state))
        .route("/conversation", web::get().to(conversation))
        .route("/session", web::post().to(sign_in))
        .route("/token", web::post().to(token))
        .route("/messages", web::post().to(add_message));
}

/// Why the product does not do what it is asked.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("You are signed out.")]
    SignedOut,
    #[error("There is no such user.")]
    NoSuchUser,
    #[error("There is no such chat.")]
    NoSuchChat,
    #[error("A message needs text.")]
    EmptyMessage,
    #[error("{0}")]
    Failed(String),
}

impl Problem {
    fn failed(error: impl Into<Failure>) -> Self {
        Self::Failed(error.into().to_string())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NoSuchChat => StatusCode::NOT_FOUND,
            Self::NoSuchUser | Self::EmptyMessage => StatusCode::BAD_REQUEST,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({"message": self.to_string()}))
    }
}

async fn page(product: Data<Product>) -> HttpResponse {
    let html = PAGE.replace("{service}", &product.service);
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html)
}

/// What the page shows beside a conversation.
#[derive(Serialize)]
struct State<'a> {
    users: Vec<Person<'a>>,
    /// The id of the user who is signed in.
    user: Option<&'a str>,
    is_first_visit: bool,
    chats: Vec<ListedChat>,
    can_add_messages: bool,
    /// Who can be named as the audience of a link.
    principals: Vec<Principal>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Principal {
    principal: String,
    name: String,
    detail: String,
}

async fn state(request: HttpRequest, product: Data<Product>) -> Result<HttpResponse, Problem> {
    let user = product.signed_in(&request);
    let chats = user.map(|user| product.chats.of(user)).transpose().map_err(Problem::failed)?;
    Ok(HttpResponse::Ok().json(State {
        users: product.users.iter().map(|user| Person { id: &user.id, name: &user.name }).collect(),
        user: user.map(|user| user.id.as_str()),
        is_first_visit: request.cookie(USER).is_none(),
        chats: chats.unwrap_or_default(),
        can_add_messages: product.chats.can_be_written(),
        principals: product.principals(),
    }))
}

#[derive(Deserialize)]
struct WhichChat {
    id: String,
}

async fn conversation(
    request: HttpRequest,
    product: Data<Product>,
    Query(WhichChat { id }): Query<WhichChat>,
) -> Result<HttpResponse, Problem> {
    product.check_owner(&request, &id)?;
    let conversation = product.chats.conversation(&id).await.map_err(|error| match error {
        ChatServiceError::NotFound => Problem::NoSuchChat,
        other => Problem::failed(other),
    })?;
    Ok(HttpResponse::Ok().json(conversation))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The id of a user; `None` signs out.
    user: Option<String>,
    /// The link that asked to sign in.
    return_to: Option<String>,
}

/// Sets the cookies, of which the service reads the one with the token (`AUTH_COOKIE`).
async fn sign_in(
    product: Data<Product>,
    Json(SignIn { user, return_to }): Json<SignIn>,
) -> Result<HttpResponse, Problem> {
    let (who, token) = match user {
        None => (SIGNED_OUT.to_owned(), String::new()),
        Some(id) => {
            let mut users = product.users.iter().enumerate();
            let found = users.find(|(_, user)| user.id == id);
            let (place, user) = found.ok_or(Problem::NoSuchUser)?;
            (place.to_string(), product.signer.of_user(user).map_err(Problem::failed)?)
        }
    };
    let lasting = |mut cookie: Cookie<'static>, path: String| {
        cookie.set_path(path);
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_max_age(Duration::seconds(TOKEN_SECONDS));
        cookie
    };
    // Without a token: an empty cookie is none to the service.
    let token = lasting(Cookie::new(product.address.token_cookie(), token), "/".to_owned());
    let who = lasting(Cookie::new(USER, who), product.address.path());
    let next = return_to.and_then(|link| address::next(&link, &product.public_url));
    let next = next.map(Url::into);
    Ok(HttpResponse::Ok().cookie(token).cookie(who).json(SignedIn { next }))
}

#[derive(Serialize)]
struct SignedIn {
    /// Where to go now.
    next: Option<String>,
}

/// A token for the dialogs.
async fn token(request: HttpRequest, product: Data<Product>) -> Result<HttpResponse, Problem> {
    let user = product.signed_in(&request).ok_or(Problem::SignedOut)?;
    let token = product.signer.of_user(user).map_err(Problem::failed)?;
    Ok(HttpResponse::Ok().json(json!({"user": user.id, "token": token})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    chat: String,
    content: String,
}

async fn add_message(
    request: HttpRequest,
    product: Data<Product>,
    Json(NewMessage { chat, content }): Json<NewMessage>,
) -> Result<HttpResponse, Problem> {
    product.check_owner(&request, &chat)?;
    if content.trim().is_empty() {
        return Err(Problem::EmptyMessage);
    }
    let (writing, id) = (product.clone(), chat.clone());
    let added = web::block(move || writing.chats.add(&id, &content).map_err(Problem::failed));
    if !added.await.map_err(Problem::failed)?? {
        return Err(Problem::NoSuchChat);
    }
    product.notify_service(&chat).await;
    Ok(HttpResponse::NoContent().finish())
}

impl Product {
    fn signed_in(&self, request: &HttpRequest) -> Option<&User> {
        self.users.get(request.cookie(USER)?.value().parse::<usize>().ok()?)
    }

    /// The product shows a chat to its owner alone.
    fn check_owner(&self, request: &HttpRequest, chat: &str) -> Result<(), Problem> {
        let user = self.signed_in(request).ok_or(Problem::SignedOut)?;
        let chats = self.chats.of(user).map_err(Problem::failed)?;
        let is_own = chats.iter().any(|own| own.id == chat);
        if is_own { Ok(()) } else { Err(Problem::NoSuchChat) }
    }

    /// The users and their groups.
    fn principals(&self) -> Vec<Principal> {
        let users = self.users.iter().map(|user| Principal {
            principal: format!("user:{}", user.id),
            name: user.name.clone(),
            detail: user.groups.join(", "),
        });
        let mut groups: Vec<&str> =
            self.users.iter().flat_map(|user| user.groups).copied().collect();
        groups.sort_unstable();
        groups.dedup();
        let groups = groups.into_iter().map(|group| {
            let members = self.users.iter().filter(|user| user.groups.contains(&group));
            let members: Vec<_> = members.map(|user| user.name.as_str()).collect();
            Principal {
                principal: format!("group:{group}"),
                name: group.to_owned(),
                detail: members.join(", "),
            }
        });
        users.chain(groups).collect()
    }

    /// As a chat service tells of it, so that viewers of live links see it at once. Without it they
    /// see it a little later.
    async fn notify_service(&self, chat: &str) {
        let Ok(mut url) = Url::parse(&self.service) else { return };
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(["api", "v1", "chats", chat, "changes"]);
        }
        let Ok(token) = self.signer.of_chat_service() else { return };
        let response = self.client.post(url).bearer_auth(token).send().await;
        if let Err(error) = response.and_then(reqwest::Response::error_for_status) {
            tracing::warn!("the service was not told that a chat changed: {error}");
        }
    }
}
