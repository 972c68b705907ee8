//! The cache of QR codes.

use actix_web::{http::header::HeaderValue, web};
use moka::sync::Cache;

use crate::{
    http::error::ApiError,
    model::{LinkState, ShareId},
    qr::QrOptions,
    telemetry::{self, Cache as Cached},
};

/// The images that were drawn, bounded in bytes. A link's image never changes.
#[derive(Clone)]
pub struct QrCodes {
    kept: Cache<(ShareId, QrOptions), Drawn>,
}

/// An image, and its entity tag, which costs as much as the rest of a request.
#[derive(Clone)]
pub struct Drawn {
    pub image: web::Bytes,
    pub tag: HeaderValue,
}

impl QrCodes {
    /// Keeps at most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, drawn: &Drawn| u32::try_from(drawn.image.len() + 384).unwrap_or(u32::MAX))
            .build();
        Self { kept }
    }

    /// The image, and how the link stands once it is at hand. Drawing takes its time, so the link is
    /// asked for `again` after it, whatever came of it: it may be gone by then, or private. An
    /// image that is kept costs no question beside the one that told how it stands `now`.
    pub async fn image(
        &self,
        key: &(ShareId, QrOptions),
        now: LinkState,
        draw: impl AsyncFnOnce() -> Result<Drawn, ApiError>,
        again: impl AsyncFnOnce() -> Result<LinkState, ApiError>,
    ) -> Result<(Drawn, LinkState), ApiError> {
        let kept = self.kept.get(key);
        telemetry::cache_asked(Cached::QrCodes, kept.is_some());
        if let Some(drawn) = kept {
            return Ok((drawn, now));
        }
        let drawn = Box::pin(draw()).await;
        let then = again().await?;
        let drawn = drawn?;
        self.kept.insert(key.clone(), drawn.clone());
        Ok((drawn, then))
    }

    /// Makes known how much is kept.
    pub fn report(&self) {
        self.kept.run_pending_tasks();
        let bytes = Some(self.kept.weighted_size());
        telemetry::set_cache(Cached::QrCodes, self.kept.entry_count(), bytes);
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
        mode: Mode::Frozen,
        includes_artifacts: false,
        expires_at: None,
        revision: 1,
    };

    fn key() -> (ShareId, QrOptions) {
        (ShareId::random(), QrOptions::default())
    }

    async fn drawn() -> Result<Drawn, ApiError> {
        Ok(Drawn { image: web::Bytes::new(), tag: HeaderValue::from_static("\"q1\"") })
    }

    #[tokio::test]
    async fn a_link_that_ended_while_its_code_was_drawn_has_none() {
        let (codes, is_gone) = (QrCodes::new(1 << 20), Cell::new(false));
        let again = async || match is_gone.get() {
            true => Err(E::NotFound.into()),
            false => Ok(PUBLIC),
        };
        let ended = async || {
            is_gone.set(true);
            drawn().await
        };
        let gone = codes.image(&key(), PUBLIC, ended, again).await;
        assert_eq!(gone.err().unwrap().error_type(), E::NotFound);
        // Nor does it say what of such a code would be wrong.
        let refused = async || Err(E::BadRequest.into());
        let gone = codes.image(&key(), PUBLIC, refused, again).await;
        assert_eq!(gone.err().unwrap().error_type(), E::NotFound);
    }

    #[tokio::test]
    async fn a_code_is_sent_as_of_a_link_that_turned_private_while_it_was_drawn() {
        let private = LinkState { visibility: Visibility::Private, revision: 2, ..PUBLIC };
        let codes = QrCodes::new(1 << 20);
        let (_, standing) =
            codes.image(&key(), PUBLIC, drawn, async || Ok(private)).await.ok().unwrap();
        assert_eq!(standing, private);
    }

    #[tokio::test]
    async fn a_code_that_is_kept_takes_one_question() {
        let (codes, key, asked) = (QrCodes::new(1 << 20), key(), Cell::new(0));
        let again = async || {
            asked.set(asked.get() + 1);
            Ok(PUBLIC)
        };
        for _ in 0..3 {
            let (_, standing) = codes.image(&key, PUBLIC, drawn, again).await.ok().unwrap();
            assert_eq!((standing, asked.get()), (PUBLIC, 1));
        }
    }
}
