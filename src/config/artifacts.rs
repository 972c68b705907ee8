//! The settings of stored files.

use std::time::Duration;

use super::{
    ConfigError, Env,
    fixed::{ARTIFACTS_PER_SHARE, LEAST_ARTIFACT_GRACE},
    parse::Bytes,
};
use crate::{artifacts::ArtifactStoreUrl, sharing::ArtifactLimits, store::DatabaseUrl};

/// The default of `ARTIFACT_STORE_URL`.
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

pub fn artifact_store(env: &Env, database: &DatabaseUrl) -> Result<ArtifactStoreUrl, ConfigError> {
    Ok(env.get("ARTIFACT_STORE_URL")?.unwrap_or_else(|| folder_beside(database)))
}

/// `chat_service` is its time-out.
pub fn artifact_limits(env: &Env, chat_service: Duration) -> Result<ArtifactLimits, ConfigError> {
    let file_bytes = env.get_or::<Bytes>("MAX_ARTIFACT_BYTES", "32MiB")?.0;
    let grace = LEAST_ARTIFACT_GRACE.max(2 * chat_service);
    Ok(ArtifactLimits {
        file_bytes,
        link_bytes: file_bytes.saturating_mul(ARTIFACTS_PER_SHARE),
        grace: chrono::Duration::from_std(grace).unwrap_or(chrono::Duration::MAX),
    })
}
