//! This service's own credential at the chat service (docs/API.md 5): a configured token, or one
//! that is fetched from the identity provider and renewed.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::{
    clock::Clock,
    openid::{self, ClientCredentials},
    telemetry::error_chain,
};

use super::{
    ChatServiceError, InvalidSettings, authorization::bearer, fetched_token::FetchedToken,
};

/// Where the credential comes from.
#[derive(Clone)]
pub enum ServiceCredential {
    /// `CHAT_SERVICE_TOKEN`, a bearer token.
    Token(String),
    /// `CHAT_SERVICE_CLIENT_ID` and the settings beside it.
    Client(ClientCredentials),
}

impl fmt::Debug for ServiceCredential {
    /// Without any secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Client(client) => client.fmt(f),
        }
    }
}

#[derive(Debug)]
pub(super) enum Credential {
    None,
    Fixed(HeaderValue),
    Fetched(FetchedToken),
}

impl Credential {
    pub(super) fn new(
        settings: Option<ServiceCredential>,
        clock: Clock,
    ) -> Result<Self, InvalidSettings> {
        Ok(match settings {
            None => Self::None,
            Some(ServiceCredential::Token(token)) => Self::Fixed(fixed(&token)?),
            Some(ServiceCredential::Client(client)) => {
                let http = openid::client().map_err(|error| InvalidSettings {
                    setting: "CHAT_SERVICE_CLIENT_ID",
                    problem: error_chain(&error),
                })?;
                Self::Fetched(FetchedToken::new(http, client, clock))
            }
        })
    }

    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The `Authorization` header, for which a token may have to be fetched first.
    pub(super) async fn authorization(&self) -> Result<HeaderValue, ChatServiceError> {
        match self {
            Self::None => Err(ChatServiceError::NoServiceCredential),
            Self::Fixed(value) => Ok(value.clone()),
            Self::Fetched(token) => {
                token.authorization().await.ok_or(ChatServiceError::CredentialUnavailable)
            }
        }
    }

    /// Another `Authorization` header than this one, which the chat service refused, if possible.
    pub(super) async fn instead_of(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::None | Self::Fixed(_) => None,
            Self::Fetched(token) => token.instead_of(refused).await,
        }
    }
}

fn fixed(token: &str) -> Result<HeaderValue, InvalidSettings> {
    let visible = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    bearer(token).filter(|_| visible).ok_or_else(|| InvalidSettings {
        setting: "CHAT_SERVICE_TOKEN",
        problem: "must be visible ASCII characters, without spaces".to_owned(),
    })
}
