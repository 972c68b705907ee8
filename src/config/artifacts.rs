//! The settings of kept files.

use std::time::Duration;

use super::{
    ConfigError, Env,
    parse::{Bytes, Days},
};
use crate::{artifacts::ArtifactStoreUrl, sharing::ArtifactLimits, store::DatabaseUrl};

/// Where files are kept unless somebody says otherwise.
fn folder_beside(database: &DatabaseUrl) -> ArtifactStoreUrl {
    ArtifactStoreUrl::Folder(match database {
        DatabaseUrl::Sqlite(path) => {
            let mut path = path.clone().into_os_string();
            path.push(".artifacts");
            path.into()
        }
        DatabaseUrl::Postgres(_) => "artifacts".into(),
    })
}

/// Where files are kept.
///
/// # Errors
/// [`ConfigError`] when a setting is wrong.
pub fn artifact_store(env: &Env, database: &DatabaseUrl) -> Result<ArtifactStoreUrl, ConfigError> {
    Ok(env.get("ARTIFACT_STORE_URL")?.unwrap_or_else(|| folder_beside(database)))
}

/// How much is kept of a link's files; `chat_service` is the time-out there.
///
/// # Errors
/// [`ConfigError`] when a setting is wrong.
pub fn artifact_limits(env: &Env, chat_service: Duration) -> Result<ArtifactLimits, ConfigError> {
    const GRACE: &str = "ARTIFACT_GRACE";
    let grace = env.or::<Days>(GRACE, "1h")?.0;
    if grace.to_std().is_ok_and(|grace| grace <= chat_service) {
        let problem = "must be longer than CHAT_SERVICE_TIMEOUT, or copies would be taken away \
                       while they are made";
        return Err(ConfigError::new(GRACE, problem));
    }
    Ok(ArtifactLimits {
        file_bytes: env.or::<Bytes>("MAX_ARTIFACT_BYTES", "32MiB")?.0,
        link_bytes: env.or::<Bytes>("MAX_SHARE_ARTIFACT_BYTES", "128MiB")?.0,
        grace,
    })
}
