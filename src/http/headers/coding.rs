//! Content codings (RFC 9110, 8.4 and 12.5.3): negotiation and encoding.

use std::{cell::RefCell, io::Write};

use actix_web::{HttpRequest, http::header, web::Bytes};

use super::accept::weighted;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// By preference, the last one first: snapshots are stored as zstd.
    const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// Its registered name; `identity` is never sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding that the client prefers. A client that accepts none gets `identity`.
    pub fn negotiate(request: &HttpRequest) -> Self {
        let mut weights: [Option<f32>; 4] = [None; 4];
        let mut rest: Option<f32> = None;
        for (name, weight) in weighted(request, header::ACCEPT_ENCODING) {
            if name == "*" {
                rest = Some(weight);
            }
            for (coding, slot) in Self::ALL.iter().zip(&mut weights) {
                let is_alias = *coding == Self::Gzip && name.eq_ignore_ascii_case("x-gzip");
                if is_alias || name.eq_ignore_ascii_case(coding.name()) {
                    *slot = Some(weight);
                }
            }
        }
        let mut best = (Self::Identity, 0.0);
        for (coding, weight) in Self::ALL.into_iter().zip(weights) {
            // `identity` is acceptable without being named, but never preferred.
            let unnamed = if coding == Self::Identity { 0.0001 } else { 0.0 };
            let weight = weight.or(rest).unwrap_or(unnamed);
            if weight > 0.0 && weight >= best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }

    /// Encodes a body. This is CPU work: for a blocking thread.
    pub fn encode(self, body: &Bytes) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Identity => body.clone(),
            Self::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                gzip.write_all(body)?;
                gzip.finish()?.into()
            }
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
                let mut coded = Vec::new();
                brotli::BrotliCompress(&mut body.as_ref(), &mut coded, &params)?;
                coded.into()
            }
            Self::Zstd => ZSTD.with_borrow_mut(|zstd| zstd.compress(body))?.into(),
        })
    }
}

thread_local! {
    /// At its fastest level. It takes longer to make than to compress a small chat.
    static ZSTD: RefCell<zstd::bulk::Compressor<'static>> = RefCell::new(
        zstd::bulk::Compressor::new(1).unwrap_or_default(),
    );
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_coding_with_the_highest_weight_is_chosen() {
        for (accept, coding) in [
            ("", Coding::Identity),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("gzip, deflate, br", Coding::Brotli),
            ("gzip;q=1.0, br;q=0.5", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("*", Coding::Zstd),
            ("*;q=0", Coding::Identity),
            ("zstd;q=0, *;q=0.5", Coding::Brotli),
            ("identity", Coding::Identity),
            ("identity;q=1, gzip;q=0.5", Coding::Identity),
            ("gzip;q=nonsense", Coding::Identity),
            ("deflate, \u{1f}", Coding::Identity),
        ] {
            let request = TestRequest::default()
                .insert_header((header::ACCEPT_ENCODING, accept.replace('\u{1f}', "")))
                .to_http_request();
            assert_eq!(Coding::negotiate(&request), coding, "{accept}");
        }
        assert_eq!(Coding::negotiate(&TestRequest::default().to_http_request()), Coding::Identity);
    }
}
