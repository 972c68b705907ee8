//! `shared-chats demo`: serves sample chats and a chat product, and shares a chat.

mod guide;
mod product;
mod users;

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use futures_util::future;
use url::Url;
use uuid::Uuid;

use crate::{
    app::{Application, StartError},
    chat_service::{ChatService, Source},
    clock::Clock,
    config::{self, Config, Env},
};
use guide::Guide;
use product::{Chats, Product, ProductAddress};
use users::Signer;

/// The chats of two users, alice and bob.
const SAMPLE_CHATS: &str = include_str!("chats.json");

type Failure = Box<dyn std::error::Error>;

/// Serves chats from a file with a temporary key and database until `stopped`, and a chat product
/// beside it on loopback; shares one and prints what to try. Other settings of the environment
/// apply: with `CHAT_SERVICE_URL=file:PATH` it shows the user's own chats.
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
    let own = dir.join("chats.json");
    std::fs::write(&own, SAMPLE_CHATS)?;
    let (chats, is_own) = match env.get::<Source>("CHAT_SERVICE_URL")? {
        None => (own, true),
        Some(Source::File(path)) => (path, false),
        Some(Source::Http(_)) => {
            let why = "the demo reads chats from a file: file:PATH; for a chat service use `serve`";
            return Err(format!("CHAT_SERVICE_URL: {why}").into());
        }
    };
    let (address, listener) = ProductAddress::bind(config::bind_address(env)?.port())?;
    let env = with_settings(env, dir, &chats, &secret)?;
    let env = with_product(&env, &address)?;
    let application = build(&env).await?;
    let users = users::users(&chats)?;
    let signer = Signer::new(secret);
    let public_url = application.public_url().clone();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let service = format!("http://{}", from_this_machine(application.address()));
    let signed_in = users.iter().map(|user| Ok((user.clone(), signer.of_user(user)?)));
    let guide = Guide {
        product: address.url(),
        is_reached_from_elsewhere: !application.address().ip().is_loopback(),
        base: public_url.as_str().trim_end_matches('/').to_owned(),
        chats: chats.clone(),
        users: signed_in.collect::<Result<_, Failure>>()?,
        admin: signer.of_administrator()?,
        client: client.clone(),
        service: service.clone(),
    };
    let chats = Chats::new(ChatService::new(config::chat_service(&env)?)?, chats, is_own);
    let product = Product { address, service, public_url, users, signer, chats, client };
    let product = product.serve(listener)?;
    let (handle, stopper) = (product.handle(), application.stopper());
    let showing = async {
        let shown = guide.show().await;
        if shown.is_ok() {
            stopped.await;
        }
        future::join(stopper.stop(), handle.stop(true)).await;
        shown
    };
    let (served, product, shown) = future::join3(application.run(), product, showing).await;
    shown?;
    product?;
    Ok(served?)
}

/// What the service needs to run on its own.
fn with_settings(env: &Env, dir: &Path, chats: &Path, secret: &str) -> Result<Env, Failure> {
    let poll = env.get::<String>("LIVE_POLL_INTERVAL")?.unwrap_or_else(|| "1s".to_owned());
    Ok(env.with(vec![
        // Edits of the file send no notice, and should show soon.
        ("LIVE_POLL_INTERVAL", poll),
        ("CHAT_SERVICE_URL", format!("file:{}", chats.display())),
        ("DATABASE_URL", format!("sqlite:{}", dir.join("demo.db").display())),
        // The default: beside the database, in the temporary folder. In another store the sweep
        // would delete every object that this database has no row for.
        ("ARTIFACT_STORE_URL", String::new()),
        ("AUTH_HS256_SECRET", secret.to_owned()),
        ("AUTH_HS256_SECRET_FILE", String::new()),
        ("AUTH_ISSUER", String::new()),
        ("AUTH_AUDIENCE", String::new()),
        ("AUTH_JWKS_URL", String::new()),
        ("AUTH_GROUPS_CLAIM", String::new()),
        ("VIEWER", "on".to_owned()),
    ]))
}

/// What the service needs for the product's page and for signing in there.
fn with_product(env: &Env, address: &ProductAddress) -> Result<Env, Failure> {
    let mut origins = env.get::<String>("CORS_ALLOWED_ORIGINS")?.unwrap_or_default();
    origins = format!("{origins},{}", address.origin());
    let env = env.with(vec![("CORS_ALLOWED_ORIGINS", origins)]);
    if !links_are_on_loopback(&env)? {
        return Ok(env);
    }
    let signing_in = vec![("AUTH_COOKIE", address.token_cookie()), ("LOGIN_URL", address.url())];
    Ok(env.with(signing_in))
}

/// Whether links lead to the host of the product, so that the cookie of the one reaches the other.
/// Elsewhere, where the product is out of reach, there is nowhere to sign in.
fn links_are_on_loopback(env: &Env) -> Result<bool, Failure> {
    Ok(match env.get::<Url>("PUBLIC_URL")? {
        Some(url) => url.host_str() == Some("127.0.0.1"),
        None => config::bind_address(env)?.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
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

/// An address as browsers and programs on this machine reach it.
fn from_this_machine(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &'static [(&str, &str)]) -> Env {
        Env::from_fn(move |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn sign_in_is_offered_where_its_cookie_reaches_the_link() {
        const CASES: [(&[(&str, &str)], bool); 6] = [
            (&[], true),
            (&[("BIND_ADDRESS", "127.0.0.1:0")], true),
            (&[("BIND_ADDRESS", "0.0.0.0:8080")], false),
            (&[("BIND_ADDRESS", "0.0.0.0:8080"), ("PUBLIC_URL", "http://127.0.0.1:8080")], true),
            (&[("PUBLIC_URL", "http://192.0.2.1:8080")], false),
            (&[("PUBLIC_URL", "https://127.0.0.1.chat.example")], false),
        ];
        for (variables, offered) in CASES {
            let (address, _listener) = ProductAddress::bind(0).unwrap();
            let env = with_product(&env(variables), &address).unwrap();
            let login_url = env.get::<String>("LOGIN_URL").unwrap();
            assert_eq!(login_url, offered.then(|| address.url()), "{variables:?}");
        }
    }

    #[test]
    fn the_product_may_call_and_so_may_the_origins_of_the_environment() {
        let (address, _listener) = ProductAddress::bind(0).unwrap();
        let own = env(&[("CORS_ALLOWED_ORIGINS", "https://chat.example")]);
        let env = with_product(&own, &address).unwrap();
        let origins = env.get::<String>("CORS_ALLOWED_ORIGINS").unwrap().unwrap();
        assert_eq!(origins, format!("https://chat.example,{}", address.origin()));
    }

    #[test]
    fn the_product_leaves_its_port_to_a_service_that_wants_it() {
        let (address, listener) = ProductAddress::bind(8090).unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), 8090);
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        assert_eq!(address.origin(), format!("http://{}", listener.local_addr().unwrap()));
    }
}
