//! `shared-chats demo`: serves sample chats and shares one.

mod guide;

use std::{future::Future, os::unix::fs::DirBuilderExt, path::Path};

use serde::Deserialize;
use uuid::Uuid;

use crate::{
    app::{Application, StartError},
    auth::sign_hs256,
    chat_service::Source,
    clock::Clock,
    config::{Config, Env},
};
use guide::{Guide, User};

/// The chats of two users, alice and bob.
const SAMPLE_CHATS: &str = include_str!("chats.json");

/// How long the printed tokens are valid, in seconds.
const TOKEN_SECONDS: i64 = 8 * 3600;

type Failure = Box<dyn std::error::Error>;

/// Serves chats from a file with a temporary key and database until `stopped`, shares one and
/// prints what to try. Other settings of the environment apply: with `CHAT_SERVICE_URL=file:PATH`
/// it shows the user's own chats.
pub async fn run(env: &Env, stopped: impl Future<Output = ()>) -> Result<(), Failure> {
    let dir = std::env::temp_dir().join(format!("shared-chats-demo-{}", Uuid::new_v4()));
    // The folder may hold real chats.
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    let shown = serve(env, &dir, stopped).await;
    let removed = std::fs::remove_dir_all(&dir);
    shown?;
    Ok(removed?)
}

async fn serve(env: &Env, dir: &Path, stopped: impl Future<Output = ()>) -> Result<(), Failure> {
    // Two random UUIDs: 244 bits from the operating system's generator.
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let chats = dir.join("chats.json");
    std::fs::write(&chats, SAMPLE_CHATS)?;
    let chats = match env.get::<Source>("CHAT_SERVICE_URL")? {
        None => chats,
        Some(Source::File(path)) => path,
        Some(Source::Http(_)) => {
            let why = "the demo reads chats from a file: file:PATH; for a chat service use `serve`";
            return Err(format!("CHAT_SERVICE_URL: {why}").into());
        }
    };
    let poll = env.get::<String>("LIVE_POLL_INTERVAL")?.unwrap_or_else(|| "1s".to_owned());
    let env = env.with(vec![
        // Edits of the file send no notice, and should show soon.
        ("LIVE_POLL_INTERVAL", poll),
        ("CHAT_SERVICE_URL", format!("file:{}", chats.display())),
        ("DATABASE_URL", format!("sqlite:{}", dir.join("demo.db").display())),
        // The default: beside the database, in the temporary folder. In another store the sweep
        // would delete every object that this database has no row for.
        ("ARTIFACT_STORE_URL", String::new()),
        ("AUTH_HS256_SECRET", secret.clone()),
        ("AUTH_HS256_SECRET_FILE", String::new()),
        ("AUTH_ISSUER", String::new()),
        ("AUTH_AUDIENCE", String::new()),
        ("AUTH_JWKS_URL", String::new()),
        ("VIEWER", "on".to_owned()),
    ]);
    let application = build(&env).await?;
    let users = users(&chats, secret.as_bytes())?;
    let admin = admin_token(secret.as_bytes())?;
    let base = application.public_url().as_str().trim_end_matches('/').to_owned();
    let guide =
        Guide { api: format!("http://{}", application.address()), base, chats, users, admin };
    let stopper = application.stopper();
    let showing = async {
        let shown = guide.show().await;
        if shown.is_ok() {
            stopped.await;
        }
        stopper.stop().await;
        shown
    };
    let (served, shown) = futures_util::future::join(application.run(), showing).await;
    shown?;
    Ok(served?)
}

/// On the default port, or, where that is in use and none is configured, on a free one.
async fn build(env: &Env) -> Result<Application, Failure> {
    match Application::build(Config::from_env(env)?, Clock::system()).await {
        Err(StartError::Bind(..)) if env.get::<String>("BIND_ADDRESS")?.is_none() => {
            let env = env.with(vec![("BIND_ADDRESS", "127.0.0.1:0".to_owned())]);
            Ok(Application::build(Config::from_env(&env)?, Clock::system()).await?)
        }
        built => Ok(built?),
    }
}

/// Up to two owners of chats in the file, with their first chats and tokens.
fn users(path: &Path, secret: &[u8]) -> Result<Vec<User>, Failure> {
    #[derive(Deserialize)]
    struct Chat {
        id: String,
        owner: String,
    }
    let chats: Vec<Chat> = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut users: Vec<User> = Vec::new();
    for Chat { id, owner } in chats {
        if let Some(user) = users.iter_mut().find(|user| user.id == owner) {
            user.chats.push(id);
        } else if users.len() < 2 {
            users.push(User { token: token(&owner, secret)?, id: owner, chats: vec![id] });
        }
    }
    if users.is_empty() {
        return Err("CHAT_SERVICE_URL: the file holds no chat to share".into());
    }
    Ok(users)
}

/// The token of an administrator.
fn admin_token(secret: &[u8]) -> Result<String, Failure> {
    let exp = Clock::system().now().timestamp() + TOKEN_SECONDS;
    let claims = serde_json::json!({"sub": "admin", "scope": "shared_chats:admin", "exp": exp});
    Ok(sign_hs256(secret, &claims)?)
}

fn token(sub: &str, secret: &[u8]) -> Result<String, Failure> {
    // A `name` equal to the `sub` would not be shown to viewers.
    let mut name = sub.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let exp = Clock::system().now().timestamp() + TOKEN_SECONDS;
    Ok(sign_hs256(secret, &serde_json::json!({"sub": sub, "name": name, "exp": exp}))?)
}
