//! Keys, and which algorithm goes with which (RFC 7517, RFC 7518).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{refusal::Refusal, token::Token};

/// Bounds on an RSA modulus in bits: shorter is not secure (RFC 7518, 3.3), longer cannot be used
/// by the verifier below.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Tells keys apart, by everything about them: name, kind, algorithms and material. A key that
/// changes while its `kid` stays is another key.
pub(super) type KeyIdentity = [u8; 32];

/// A key that verifies signatures.
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
    identity: KeyIdentity,
}

/// The usable keys of a provider.
pub(super) struct KeySet(Vec<Key>);

impl Key {
    /// The key for HS256.
    pub(super) fn shared_secret(secret: &[u8]) -> Self {
        Self {
            kid: None,
            algorithms: vec![Algorithm::HS256],
            decoding: DecodingKey::from_secret(secret),
            identity: [0; 32],
        }
    }

    /// Whether this key made the token's signature, whatever `kid` it names.
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
    /// Reads a JWK set (RFC 7517, 5), leaving out what is not for verifying signatures or not
    /// understood, as it asks. `None` when it is no such set, or nothing usable is in it.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Box<RawValue>>,
        }
        let set: Set = serde_json::from_slice(json).ok()?;
        let keys: Vec<Key> = set
            .keys
            .iter()
            .filter_map(|key| serde_json::from_str::<Jwk>(key.get()).ok()?.usable())
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this very key is among them.
    pub(super) fn holds(&self, identity: &KeyIdentity) -> bool {
        self.0.iter().any(|key| key.identity == *identity)
    }

    /// Which key made the token's signature: the one that it names, or without a name the only one
    /// for its algorithm.
    ///
    /// # Errors
    /// A [`Refusal`] that is about the key or the signature.
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

/// A JSON Web Key, public members only (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn usable(self) -> Option<Key> {
        let signs = self.public_key_use.as_ref().is_none_or(|purpose| purpose == "sig");
        let verifies =
            self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|o| o == "verify"));
        if !signs || !verifies {
            return None;
        }
        let crv = self.crv.as_deref();
        let mut algorithms = algorithms_of(&self.kty, crv).to_vec();
        if let Some(alg) = &self.alg {
            let only: Algorithm = alg.parse().ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if algorithms.is_empty() {
            return None;
        }
        let (decoding, material) = match (self.kty.as_str(), crv) {
            ("RSA", _) => rsa(self.n.as_deref()?, self.e.as_deref()?)?,
            ("EC", Some("P-256")) => ec(self.x.as_deref()?, self.y.as_deref()?, 32)?,
            ("EC", Some("P-384")) => ec(self.x.as_deref()?, self.y.as_deref()?, 48)?,
            _ => {
                let x = sized(self.x.as_deref()?, 32)?;
                (DecodingKey::from_ed_der(&x), x)
            }
        };
        // Debug text quotes strings, so no two different lists look alike.
        let about = format!("{:?}", (&self.kid, &self.kty, crv, &algorithms, &material));
        let identity = Sha256::digest(about.as_bytes()).into();
        Some(Key { kid: self.kid, algorithms, decoding, identity })
    }
}

/// The algorithms of contract 1 that go with a kind of key; none for others, `oct` above all, which
/// as a published secret would verify what anybody signed.
fn algorithms_of(kty: &str, crv: Option<&str>) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match (kty, crv) {
        ("RSA", _) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        ("EC", Some("P-256")) => &[ES256],
        ("EC", Some("P-384")) => &[ES384],
        ("OKP", Some("Ed25519")) => &[EdDSA],
        _ => &[],
    }
}

fn rsa(n: &str, e: &str) -> Option<(DecodingKey, Vec<u8>)> {
    let (n, e) = (unsigned(n)?, unsigned(e)?);
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    let key = DecodingKey::from_rsa_raw_components(&n, &e);
    RSA_BITS.contains(&bits).then(|| (key, [n, vec![b'/'], e].concat()))
}

fn ec(x: &str, y: &str, size: usize) -> Option<(DecodingKey, Vec<u8>)> {
    // An uncompressed point (SEC 1, 2.3.3).
    let point = [vec![4], sized(x, size)?, sized(y, size)?].concat();
    Some((DecodingKey::from_ec_der(&point), point))
}

fn sized(text: &str, size: usize) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == size)
}

/// An unsigned integer without the leading zeros that some issuers send against RFC 7518, 2.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}
