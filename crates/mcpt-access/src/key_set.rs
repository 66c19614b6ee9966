//! [`KeySet`]: the public keys of an issuer of tokens (RFC 7517).

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of one issuer: a token that names none is tried with each.
const MOST_KEYS: usize = 64;

/// Why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// It is no JSON of that form.
    #[error("it is no JSON Web Key Set")]
    Form(#[source] serde_json::Error),
    /// None of its keys is for signatures of a kind that is taken.
    #[error("it has no public key for signatures (RSA, EC of P-256 or P-384, Ed25519)")]
    Empty,
    /// It has more keys than any issuer needs.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
}

/// Public keys by which tokens are known to be an issuer's.
#[derive(Debug)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Debug)]
pub(crate) struct PublicKey {
    id: Option<String>,
    /// What it may be used with.
    algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of kinds that are not taken are left out: secret ones among them, by which whoever
    /// knows a public key could sign.
    ///
    /// # Errors
    /// [`InvalidKeySet`] when none is left.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Document = serde_json::from_slice(json).map_err(InvalidKeySet::Form)?;
        if document.keys.len() > MOST_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .filter_map(PublicKey::read)
            .collect();
        if keys.is_empty() {
            return Err(InvalidKeySet::Empty);
        }
        Ok(Self(keys))
    }

    /// Those that may have signed a token with such a header.
    pub(crate) fn matching(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&PublicKey> {
        let named = |key: &&PublicKey| id.is_none_or(|id| key.id.as_deref() == Some(id));
        let fits = |key: &&PublicKey| key.algorithms.contains(&algorithm);
        self.0.iter().filter(named).filter(fits).collect()
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(curve) => match curve.curve {
                EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
                _ => return None,
            },
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            let only = only.to_string().parse::<Algorithm>().ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }
}
