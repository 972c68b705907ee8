//! `token`.

use crate::{
    auth::sign_hs256,
    cli::Failure,
    clock::Clock,
    config::{self, Env},
};

#[derive(clap::Args)]
pub(super) struct TokenArgs {
    /// Who it is for: the claim `sub`.
    sub: String,
    /// What others see as the name: the claim `name`.
    #[arg(long)]
    name: Option<String>,
    /// For the chat service: the scope `shared_chats:service`.
    #[arg(long)]
    service: bool,
    /// For an administrator: the scope `shared_chats:admin`.
    #[arg(long, conflicts_with = "service")]
    admin: bool,
    /// For how many seconds it is valid.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(i64).range(1..=31_536_000))]
    ttl: i64,
}

/// A token with these claims.
pub(super) fn token(env: &Env, args: &TokenArgs) -> Result<String, Failure> {
    let secret = config::hs256_secret(env)?.ok_or("AUTH_HS256_SECRET is needed to sign a token")?;
    let names = config::claim_names(env)?;
    let scope = names.scopes.first().map_or("scope", String::as_str);
    let now = Clock::system().now().timestamp();
    let mut claims = serde_json::json!({"sub": args.sub, "iat": now, "exp": now + args.ttl});
    let optional = [
        ("name", args.name.clone()),
        ("iss", env.get("AUTH_ISSUER")?),
        (names.audience.as_str(), env.get("AUTH_AUDIENCE")?),
        (scope, args.service.then(|| "shared_chats:service".to_owned())),
        (scope, args.admin.then(|| "shared_chats:admin".to_owned())),
    ];
    for (claim, value) in optional {
        if let Some(value) = value {
            claims[claim] = value.into();
        }
    }
    Ok(sign_hs256(&secret, &claims)?)
}
