//! A chat service that speaks the h2oGPTe shapes over HTTP (docs/API.md 5), whose chats a test
//! changes while it runs, whose answers it can hold back, and which can be out of order in every
//! way.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::watch;
use url::form_urlencoded;

use super::{SERVICE_TOKEN, Servers};

/// A chat as the chat service holds it.
#[derive(Debug, Clone)]
pub struct Chat {
    pub owner: &'static str,
    /// A JSON literal, so that it can hold what no Rust string can.
    pub name: String,
    /// JSON objects, oldest first.
    pub messages: Vec<String>,
    /// `None`: the chat service knows no files, and answers 404.
    pub files: Option<Vec<Value>>,
}

impl Chat {
    pub fn of(owner: &'static str, name: &str, messages: &[String]) -> Self {
        Self {
            owner,
            name: Value::from(name).to_string(),
            messages: messages.to_vec(),
            files: None,
        }
    }
}

/// A question, with more fields than a viewer may see.
pub fn message(id: &str, content: &str) -> String {
    message_json(id, &Value::from(content).to_string(), &Value::Null)
}

/// An answer to the message of that id.
pub fn reply(id: &str, to: &str, content: &str) -> String {
    message_json(id, &Value::from(content).to_string(), &Value::from(to))
}

/// So many Chinese characters, the same each time, in an order that cannot be compressed.
pub fn random_name(characters: usize) -> String {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from_u32(0x4e00 + state % 0x5000).unwrap()
    };
    std::iter::repeat_with(next).take(characters).collect()
}

fn message_json(id: &str, content: &str, reply_to: &Value) -> String {
    let id = Value::from(id);
    format!(
        r#"{{"id":{id},"content":{content},"reply_to":{reply_to},
            "created_at":"2026-03-01T10:00:00Z","chat_session_id":"secret-session",
            "user":"alice@example.com","usage_stats":"{{}}","collection_id":"secret-collection",
            "votes":-1,"errors":["a secret error"]}}"#
    )
}

/// How the chat service can be out of order.
#[derive(Debug, Clone)]
pub enum Trouble {
    Status(u16),
    /// A good status, and this for a body.
    Body(String),
    /// It never answers.
    Silence,
    /// One byte at a time, for ever.
    Drips,
    /// As fast as it can, for ever.
    Endless,
    /// Elsewhere.
    Redirect(String),
    /// The connection ends in the middle of the body.
    BreaksOff,
    /// This much, of so many bytes that it announces, and then nothing more.
    Stalls(Bytes, u64),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub authorization: String,
    /// `X-Share-Intent`
    pub intent: Option<String>,
    /// `X-Share-Owner`
    pub owner: Option<String>,
}

/// What comes of a request that names an owner of links (`X-Share-Owner`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerAnswers {
    /// The header is unknown.
    AsWithout,
    /// Echoed, and 403 unless the chat is theirs.
    Echoed,
    /// 403 without an echo, as by a firewall.
    Refused,
}

#[derive(Clone)]
pub struct ChatService {
    pub url: String,
    state: Arc<State>,
}

struct State {
    chats: Mutex<HashMap<String, Chat>>,
    asked: Mutex<Vec<Asked>>,
    /// The names of each request's headers, in the order of the alphabet.
    headers: Mutex<Vec<Vec<String>>>,
    /// For paths that end so.
    trouble: Mutex<Vec<(String, Trouble)>>,
    gates: Mutex<Vec<(String, Arc<Gate>)>>,
    /// The bytes of files, by the paths that they are asked for at.
    contents: Mutex<HashMap<String, Bytes>>,
    owner_answers: Mutex<OwnerAnswers>,
}

#[derive(Default)]
struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

/// Answers that are held back until [`Held::let_go`].
pub struct Held(Arc<Gate>);

impl Held {
    /// Waits until this many requests have come.
    pub async fn arrived(&self, requests: usize) {
        let mut arrived = self.0.arrived.subscribe();
        let waiting = arrived.wait_for(|so_far| *so_far >= requests);
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }

    pub fn let_go(&self) {
        self.0.open.send_replace(true);
    }
}

impl ChatService {
    /// With one chat of Alice's and one of Bob's.
    pub(super) async fn start(servers: &Servers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            chats: Mutex::default(),
            asked: Mutex::default(),
            headers: Mutex::default(),
            trouble: Mutex::default(),
            gates: Mutex::default(),
            contents: Mutex::default(),
            owner_answers: Mutex::new(OwnerAnswers::AsWithout),
        });
        let shared = state.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::from(shared.clone())).default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        servers.add(server.handle());
        tokio::spawn(server);
        let chats = Self { url, state };
        let hello = [message("m1", "How did we do?"), reply("m2", "m1", "Well: **+12 %**.")];
        chats.put("chat-1", Chat::of("alice", "Quarterly report", &hello));
        chats.put("bobs-chat", Chat::of("bob", "Bob's holiday", &[message("b1", "Where to?")]));
        chats
    }

    pub fn put(&self, id: &str, chat: Chat) {
        self.state.chats.lock().unwrap().insert(id.to_owned(), chat);
    }

    /// A chat of Alice's with one message.
    pub fn put_named(&self, id: &str, name: &str) {
        self.put(id, Chat::of("alice", name, &[message("m1", "Hello")]));
    }

    /// Adds a file to a chat; its bytes are asked for at the path that is returned.
    pub fn put_file(&self, chat: &str, id: &str, filename: &str, bytes: &[u8]) -> String {
        let file = json!({"id": id, "filename": filename, "bytes": bytes.len(),
            "created_at": 1_772_359_200, "secret": "a secret path"});
        self.change(chat, |chat| chat.files.get_or_insert_default().push(file));
        let mut url = url::Url::parse("http://x/api/v1/chats").unwrap();
        url.path_segments_mut().unwrap().extend([chat, "agent_server_files", id, "content"]);
        self.state
            .contents
            .lock()
            .unwrap()
            .insert(url.path().to_owned(), Bytes::copy_from_slice(bytes));
        url.path().to_owned()
    }

    /// The bytes are not what the list says, or (`None`) not there any more.
    pub fn replace_content(&self, path: &str, bytes: Option<&[u8]>) {
        let mut contents = self.state.contents.lock().unwrap();
        match bytes {
            Some(bytes) => contents.insert(path.to_owned(), Bytes::copy_from_slice(bytes)),
            None => contents.remove(path),
        };
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Chat)) {
        change(self.state.chats.lock().unwrap().get_mut(id).unwrap());
    }

    /// The chat is not there any more, and no notice is sent.
    pub fn remove(&self, id: &str) {
        self.state.chats.lock().unwrap().remove(id).unwrap();
    }

    /// From now on, for paths that end so.
    pub fn misbehaves(&self, path_end: &str, trouble: Trouble) {
        self.state.trouble.lock().unwrap().insert(0, (path_end.to_owned(), trouble));
    }

    /// From now on.
    pub fn answers_for_owners(&self, how: OwnerAnswers) {
        *self.state.owner_answers.lock().unwrap() = how;
    }

    /// All is well again.
    pub fn recovers(&self) {
        self.state.trouble.lock().unwrap().clear();
    }

    /// Holds back the answers to what is asked at paths that end so, until they are let go.
    pub fn hold(&self, path_end: &str) -> Held {
        let gate = Arc::new(Gate::default());
        self.state.gates.lock().unwrap().push((path_end.to_owned(), gate.clone()));
        Held(gate)
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Which headers each of those requests had.
    pub fn headers(&self) -> Vec<Vec<String>> {
        self.state.headers.lock().unwrap().clone()
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let path = request.path().to_owned();
    let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    let authorization = header("authorization").unwrap_or_default();
    state.asked.lock().unwrap().push(Asked {
        path: path.clone(),
        authorization: authorization.clone(),
        intent: header("x-share-intent"),
        owner: header("x-share-owner"),
    });

    let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
    names.sort();
    state.headers.lock().unwrap().push(names);

    let fits = |end: &String| path.ends_with(end.as_str());
    // The answer is what it was when it was asked for, however long it is held back.
    let good = good_answer(&request, &state, &path, &authorization);
    let gate = state.gates.lock().unwrap().iter().find(|(end, _)| fits(end)).map(|g| g.1.clone());
    if let Some(gate) = gate {
        gate.arrived.send_modify(|so_far| *so_far += 1);
        gate.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
    let trouble =
        state.trouble.lock().unwrap().iter().find(|(end, _)| fits(end)).map(|t| t.1.clone());
    match trouble {
        None => good,
        Some(trouble) => bad_answer(trouble).await,
    }
}

async fn bad_answer(trouble: Trouble) -> HttpResponse {
    match trouble {
        Trouble::Status(status) => HttpResponse::build(status.try_into().unwrap())
            .body("an upstream secret: postgres://user:password@10.0.0.1"),
        Trouble::Body(body) => HttpResponse::Ok().content_type("application/json").body(body),
        Trouble::Silence => {
            std::future::pending::<()>().await;
            unreachable!()
        }
        Trouble::Drips => HttpResponse::Ok().streaming(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, actix_web::Error>(Bytes::from_static(b" ")), ()))
        })),
        Trouble::Endless => HttpResponse::Ok().streaming(stream::repeat_with(|| {
            Ok::<_, actix_web::Error>(Bytes::from_static(&[b' '; 64 * 1024]))
        })),
        Trouble::Redirect(to) => HttpResponse::Found().insert_header(("location", to)).finish(),
        Trouble::Stalls(first, length) => {
            let body = stream::iter([Ok::<_, actix_web::Error>(first)]).chain(stream::pending());
            HttpResponse::Ok().no_chunking(length).streaming(body)
        }
        Trouble::BreaksOff => HttpResponse::Ok().streaming(stream::iter([
            Ok(Bytes::from_static(b"[{\"id\":")),
            Err(actix_web::error::ErrorInternalServerError("broken off")),
        ])),
    }
}

fn good_answer(
    request: &HttpRequest,
    state: &State,
    path: &str,
    authorization: &str,
) -> HttpResponse {
    let Some(rest) = path.strip_prefix("/api/v1/chats/") else {
        return HttpResponse::NotFound().finish();
    };
    let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(chat) = state.chats.lock().unwrap().get(id).cloned() else {
        return HttpResponse::NotFound().finish();
    };
    if authorization != format!("Bearer {SERVICE_TOKEN}") {
        match subject(authorization) {
            None => return HttpResponse::Unauthorized().finish(),
            Some(user) if user != chat.owner => return HttpResponse::Forbidden().finish(),
            Some(_) => {}
        }
    }
    let json = |body: String| HttpResponse::Ok().content_type("application/json").body(body);
    let named = request.headers().get("x-share-owner").map(|owner| owner.to_str().unwrap());
    if let Some(owner) = named {
        let is_theirs = percent_decode_str(owner).decode_utf8().unwrap() == chat.owner;
        match *state.owner_answers.lock().unwrap() {
            OwnerAnswers::AsWithout => {}
            OwnerAnswers::Refused => return HttpResponse::Forbidden().finish(),
            OwnerAnswers::Echoed if !is_theirs => {
                return HttpResponse::Forbidden().insert_header(("x-share-owner", owner)).finish();
            }
            OwnerAnswers::Echoed => {
                let chat = json!({"id": id}).to_string();
                return HttpResponse::Ok().insert_header(("x-share-owner", owner)).body(chat);
            }
        }
    }
    match what {
        "" => json(format!(
            r#"{{"id":{},"name":{},"latest_message_content":"secret","updated_at":"2026-03-01"}}"#,
            Value::from(id),
            chat.name
        )),
        "messages" => {
            let number = |name: &str| {
                form_urlencoded::parse(request.query_string().as_bytes())
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.parse::<usize>().unwrap())
                    .unwrap()
            };
            let page = chat.messages.iter().skip(number("offset")).take(number("limit"));
            let page: Vec<&str> = page.map(String::as_str).collect();
            json(format!("[{}]", page.join(",")))
        }
        "agent_server_files" => match chat.files {
            None => HttpResponse::NotFound().finish(),
            Some(files) => json(json!(files).to_string()),
        },
        _ => match state.contents.lock().unwrap().get(path) {
            Some(bytes) => HttpResponse::Ok().body(bytes.clone()),
            None => HttpResponse::NotFound().finish(),
        },
    }
}

/// Whose token this is. Its signature is the share-link service's business.
fn subject(authorization: &str) -> Option<String> {
    let (_, token) = authorization.split_once(' ')?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
}
