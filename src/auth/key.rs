//! Verification keys and their algorithms (RFC 7517, RFC 7518).

use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    normal_key::{bytes, name, normal},
    refusal::Refusal,
    token::Token,
};

/// Bounds of an RSA modulus in bits: shorter is not secure (RFC 7518, 3.3), longer is not supported
/// by `jsonwebtoken`.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// So many unusable keys are named, and the others counted.
const NAMED: usize = 10;

/// A hash of everything about a key: name, kind, algorithms and material. A key that changes while
/// its `kid` stays is another key.
pub(super) type KeyIdentity = [u8; 32];

pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
    identity: KeyIdentity,
}

/// The keys of a provider.
pub(super) struct KeySet {
    usable: Vec<Key>,
    /// Of the others that are not for encryption, the name and what is wrong.
    unusable: Vec<String>,
}

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
    /// Reads a JWK set (RFC 7517, 5). `None` when it is no such set.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            // Not `JwkSet`, which one unsupported key makes invalid.
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json).ok()?;
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for (at, jwk) in set.keys.into_iter().enumerate() {
            let name = name(&jwk, at);
            match usable(jwk) {
                Ok(key) => keys.push(key),
                // Many providers publish one; it is no fault.
                Err(Unusable::ForEncryption) => {}
                Err(why) => unusable.push(format!("{name}: {why}")),
            }
        }
        Some(Self { usable: keys, unusable })
    }

    pub(super) fn len(&self) -> usize {
        self.usable.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// The keys that cannot be used, each with the reason. They are the provider's words, in quotes.
    pub(super) fn unusable(&self) -> Option<String> {
        let named = self.unusable.iter().take(NAMED).map(String::as_str);
        let mut text = named.collect::<Vec<_>>().join("; ");
        if self.unusable.len() > NAMED {
            text = format!("{text}; and {} more", self.unusable.len() - NAMED);
        }
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn holds(&self, identity: &KeyIdentity) -> bool {
        self.usable.iter().any(|key| key.identity == *identity)
    }

    /// Verifies the token's signature with the key that it names, or without a `kid` with the only
    /// key for its algorithm.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<KeyIdentity, Refusal> {
        let Some(kid) = &token.kid else { return only(self.usable.iter(), token) };
        // Keys of different kinds may share a `kid` (RFC 7517, 4.5).
        let mut refusal = Refusal::UnknownKey;
        for key in self.usable.iter().filter(|key| key.kid.as_ref() == Some(kid)) {
            match key.verify(token) {
                Ok(identity) => return Ok(identity),
                Err(Refusal::AlgorithmNotForKey) if refusal == Refusal::BadSignature => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }

    /// Verifies the signature of a token whose `kid` no key has, with the only key for its algorithm
    /// that has no `kid`.
    pub(super) fn verify_by_unnamed(&self, token: &Token<'_>) -> Result<KeyIdentity, Refusal> {
        only(self.usable.iter().filter(|key| key.kid.is_none()), token)
    }
}

/// Verifies the token's signature with the only one of these keys that is for its algorithm.
fn only<'a>(
    keys: impl Iterator<Item = &'a Key>,
    token: &Token<'_>,
) -> Result<KeyIdentity, Refusal> {
    let mut fitting = keys.filter(|key| key.algorithms.contains(&token.algorithm));
    match (fitting.next(), fitting.next()) {
        (None, _) => Err(Refusal::UnknownKey),
        (Some(only), None) => only.verify(token),
        (Some(_), Some(_)) => Err(Refusal::AmbiguousKey),
    }
}

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("for encryption")]
    ForEncryption,
    #[error("no JSON object, or a member is of another type")]
    Malformed,
    #[error("key_ops does not have verify")]
    NotForVerifying,
    #[error("use is not sig")]
    NotForSignatures,
    #[error("the kind of key (kty, crv) is not supported, or a member of it is missing")]
    Kind,
    #[error("alg is not one of those that are supported for this kind of key")]
    Algorithm,
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    #[error("a number is not in base64url, or of another length than the curve's")]
    Number,
}

fn usable(key: Value) -> Result<Key, Unusable> {
    let key = normal(key).ok_or(Unusable::Malformed)?;
    let jwk: Jwk = serde_json::from_value(key.into()).map_err(|_| Unusable::Malformed)?;
    let common = &jwk.common;
    match &common.public_key_use {
        None | Some(PublicKeyUse::Signature) => {}
        Some(PublicKeyUse::Encryption) => return Err(Unusable::ForEncryption),
        Some(PublicKeyUse::Other(_)) => return Err(Unusable::NotForSignatures),
    }
    let operations = common.key_operations.as_ref();
    if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return Err(Unusable::NotForVerifying);
    }
    let of_kind = algorithms_of(&jwk.algorithm);
    if of_kind.is_empty() {
        return Err(Unusable::Kind);
    }
    let mut algorithms = of_kind.to_vec();
    if let Some(alg) = common.key_algorithm {
        let only = Algorithm::try_from(alg).map_err(|_| Unusable::Algorithm)?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    if algorithms.is_empty() {
        return Err(Unusable::Algorithm);
    }
    check_size(&jwk.algorithm)?;
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| Unusable::Number)?;
    // Debug output quotes strings, so different keys have different text.
    let identity = Sha256::digest(format!("{jwk:?}")).into();
    Ok(Key { kid: jwk.common.key_id, algorithms, decoding, identity })
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

/// Whether the numbers of a supported key have the right sizes.
fn check_size(parameters: &AlgorithmParameters) -> Result<(), Unusable> {
    let is_of = |text: &str, size| bytes(text).is_some_and(|bytes| bytes.len() == size);
    let fits = match parameters {
        AlgorithmParameters::RSA(key) => {
            let n = bytes(&key.n).ok_or(Unusable::Number)?;
            let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                return Err(Unusable::RsaSize);
            }
            bytes(&key.e).is_some()
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let size = if key.curve == EllipticCurve::P256 { 32 } else { 48 };
            is_of(&key.x, size) && is_of(&key.y, size)
        }
        AlgorithmParameters::OctetKeyPair(key) => is_of(&key.x, 32),
        _ => false,
    };
    if fits { Ok(()) } else { Err(Unusable::Number) }
}
