//! The cache of QR codes.

use actix_web::{http::header::HeaderValue, web};
use moka::sync::Cache;

use crate::{
    http::error::ApiError,
    model::{LinkState, ShareId},
    qr::QrOptions,
    telemetry::{self, Cache as Cached},
};

/// Images, bounded in bytes. A link's image never changes.
#[derive(Clone)]
pub struct QrCodes {
    cache: Cache<(ShareId, QrOptions), Drawn>,
}

/// An image with its entity tag: computing the tag costs as much as the rest of a request.
#[derive(Clone)]
pub struct Drawn {
    pub image: web::Bytes,
    pub tag: HeaderValue,
}

impl QrCodes {
    /// Keeps at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, drawn: &Drawn| u32::try_from(drawn.image.len() + 384).unwrap_or(u32::MAX))
            .build();
        Self { cache }
    }

    /// The image, with the link's state when it is sent. Drawing takes time, so the state is read
    /// `again` after it, also if drawing failed: the link may be deleted or private by then. With a
    /// cached image the state that was read before, `now`, is enough.
    pub async fn image(
        &self,
        key: &(ShareId, QrOptions),
        now: LinkState,
        draw: impl AsyncFnOnce() -> Result<Drawn, ApiError>,
        again: impl AsyncFnOnce() -> Result<LinkState, ApiError>,
    ) -> Result<(Drawn, LinkState), ApiError> {
        let cached = self.cache.get(key);
        telemetry::cache_asked(Cached::QrCodes, cached.is_some());
        if let Some(drawn) = cached {
            return Ok((drawn, now));
        }
        let drawn = Box::pin(draw()).await;
        let then = again().await?;
        let drawn = drawn?;
        self.cache.insert(key.clone(), drawn.clone());
        Ok((drawn, then))
    }

    /// Updates the gauges.
    pub fn report(&self) {
        self.cache.run_pending_tasks();
        let bytes = Some(self.cache.weighted_size());
        telemetry::set_cache(Cached::QrCodes, self.cache.entry_count(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::http::error::ErrorType as E;
    use crate::model::{Mode, Visibility};

    const PUBLIC: LinkState = LinkState {
        visibility: Visibility::Public,
        audience: None,
        mode: Mode::Frozen,
        includes_artifacts: false,
        updated_at: chrono::DateTime::UNIX_EPOCH,
        expires_at: None,
        revision: 1,
        policy: 0,
    };

    fn key() -> (ShareId, QrOptions) {
        (ShareId::random(), QrOptions::default())
    }

    async fn drawn() -> Result<Drawn, ApiError> {
        Ok(Drawn { image: web::Bytes::new(), tag: HeaderValue::from_static("\"q1\"") })
    }

    #[tokio::test]
    async fn a_link_deleted_while_its_code_is_drawn_is_404() {
        let (codes, is_gone) = (QrCodes::new(1 << 20), Cell::new(false));
        let again = async || if is_gone.get() { Err(E::NotFound.into()) } else { Ok(PUBLIC) };
        let ended = async || {
            is_gone.set(true);
            drawn().await
        };
        let gone = codes.image(&key(), PUBLIC, ended, again).await;
        assert_eq!(gone.err().unwrap().error_type(), E::NotFound);
        // The same if drawing fails.
        let refused = async || Err(E::BadRequest.into());
        let gone = codes.image(&key(), PUBLIC, refused, again).await;
        assert_eq!(gone.err().unwrap().error_type(), E::NotFound);
    }

    #[tokio::test]
    async fn a_link_made_private_while_its_code_is_drawn_is_sent_as_private() {
        let private = LinkState { visibility: Visibility::Private, revision: 2, ..PUBLIC };
        let codes = QrCodes::new(1 << 20);
        let (_, state) =
            codes.image(&key(), PUBLIC, drawn, async || Ok(private.clone())).await.ok().unwrap();
        assert_eq!(state, private);
    }

    #[tokio::test]
    async fn a_cached_code_does_not_read_the_state_again() {
        let (codes, key, asked) = (QrCodes::new(1 << 20), key(), Cell::new(0));
        let again = async || {
            asked.set(asked.get() + 1);
            Ok(PUBLIC)
        };
        for _ in 0..3 {
            let (_, state) = codes.image(&key, PUBLIC, drawn, again).await.ok().unwrap();
            assert_eq!((state, asked.get()), (PUBLIC, 1));
        }
    }
}
