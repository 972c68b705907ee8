//! Verification keys and their algorithms (RFC 7517, RFC 7518).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{refusal::Refusal, token::Token};

/// Bounds of an RSA modulus in bits: shorter is not secure (RFC 7518, 3.3), longer is not supported
/// by `jsonwebtoken`.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A hash of everything about a key: name, kind, algorithms and material. A key that changes while
/// its `kid` stays is another key.
pub(super) type KeyIdentity = [u8; 32];

pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
    identity: KeyIdentity,
}

/// The usable keys of a provider.
pub(super) struct KeySet(Vec<Key>);

impl Key {
    pub(super) fn shared_secret(secret: &[u8]) -> Self {
        Self {
            kid: None,
            algorithms: vec![Algorithm::HS256],
            decoding: DecodingKey::from_secret(secret),
            identity: [0; 32],
        }
    }

    /// Verifies the token's signature, whatever `kid` it names.
    ///
    /// # Errors
    /// [`Refusal::AlgorithmNotForKey`] or [`Refusal::BadSignature`].
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<KeyIdentity, Refusal> {
        if !self.algorithms.contains(&token.algorithm) {
            return Err(Refusal::AlgorithmNotForKey);
        }
        crypto::verify(token.signature, token.message, &self.decoding, token.algorithm)
            .is_ok_and(|valid| valid)
            .then_some(self.identity)
            .ok_or(Refusal::BadSignature)
    }
}

impl KeySet {
    /// Reads a JWK set (RFC 7517, 5), ignoring keys that are not supported or not for verifying
    /// signatures. `None` when it is no such set or has no usable key.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            // Not `JwkSet`, which one unsupported key makes invalid.
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json).ok()?;
        let keys: Vec<Key> = set.keys.into_iter().filter_map(read).filter_map(usable).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn holds(&self, identity: &KeyIdentity) -> bool {
        self.0.iter().any(|key| key.identity == *identity)
    }

    /// Verifies the token's signature with the key that it names, or without a `kid` with the only
    /// key for its algorithm.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<KeyIdentity, Refusal> {
        let Some(kid) = &token.kid else {
            let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&token.algorithm));
            return match (fitting.next(), fitting.next()) {
                (None, _) => Err(Refusal::UnknownKey),
                (Some(only), None) => only.verify(token),
                (Some(_), Some(_)) => Err(Refusal::AmbiguousKey),
            };
        };
        // Keys of different kinds may share a `kid` (RFC 7517, 4.5).
        let mut refusal = Refusal::UnknownKey;
        for key in self.0.iter().filter(|key| key.kid.as_ref() == Some(kid)) {
            match key.verify(token) {
                Ok(identity) => return Ok(identity),
                Err(Refusal::AlgorithmNotForKey) if refusal == Refusal::BadSignature => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }
}

/// A JSON Web Key (RFC 7517, 4), without its certificates: they are not used, and some issuers
/// encode them wrongly.
fn read(key: Value) -> Option<Jwk> {
    let mut members: Map<String, Value> = serde_json::from_value(key).ok()?;
    members.retain(|name, _| !name.starts_with("x5"));
    serde_json::from_value(members.into()).ok()
}

fn usable(jwk: Jwk) -> Option<Key> {
    let common = &jwk.common;
    let signs =
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let verifies = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !signs || !verifies {
        return None;
    }
    let mut algorithms = algorithms_of(&jwk.algorithm).to_vec();
    if let Some(alg) = common.key_algorithm {
        let only = Algorithm::try_from(alg).ok()?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    if algorithms.is_empty() {
        return None;
    }
    let decoding = decoding_key(&jwk)?;
    // Debug output quotes strings, so different keys have different text.
    let identity = Sha256::digest(format!("{jwk:?}")).into();
    Some(Key { kid: jwk.common.key_id, algorithms, decoding, identity })
}

/// The algorithms of docs/API.md 1 for a kind of key. There are none for `oct`: with a published
/// secret anyone could sign.
fn algorithms_of(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => &[],
    }
}

/// `None` when a number of the key has the wrong size.
fn decoding_key(jwk: &Jwk) -> Option<DecodingKey> {
    let is_of = |text: &str, size| bytes(text).is_some_and(|bytes| bytes.len() == size);
    let fits = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let (n, e) = (unsigned(&key.n)?, unsigned(&key.e)?);
            let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
            return RSA_BITS.contains(&bits).then(|| DecodingKey::from_rsa_raw_components(&n, &e));
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let size = if key.curve == EllipticCurve::P256 { 32 } else { 48 };
            is_of(&key.x, size) && is_of(&key.y, size)
        }
        AlgorithmParameters::OctetKeyPair(key) => is_of(&key.x, 32),
        _ => false,
    };
    if fits { DecodingKey::from_jwk(jwk).ok() } else { None }
}

/// An unsigned integer without leading zeros, which some issuers send against RFC 7518, 2, and
/// `jsonwebtoken` does not accept.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    Some(bytes(text)?.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
