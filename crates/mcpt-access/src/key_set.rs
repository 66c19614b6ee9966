//! [`KeySet`]: the public keys of an issuer of tokens (RFC 7517).

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::{Algorithm, RSA};

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
struct PublicKey {
    id: Option<String>,
    /// What it may be used with, and for each how.
    uses: Vec<(Algorithm, ParsedPublicKey)>,
}

/// A JSON Web Key, as far as it matters (RFC 7517, section 4; RFC 7518, section 6; RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
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
    pub(crate) fn matching(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&ParsedPublicKey> {
        let named = |key: &&PublicKey| id.is_none_or(|id| key.id.as_deref() == Some(id));
        let uses = self.0.iter().filter(named).flat_map(|key| &key.uses);
        let fitting = uses.filter(|(with, _)| *with == algorithm);
        fitting.map(|(_, key)| key).collect()
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if !matches!(jwk.purpose.as_deref(), None | Some("sig")) {
            return None;
        }
        let mut algorithms = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => RSA.to_vec(),
            ("EC", Some("P-256")) => vec![Algorithm::Es256],
            ("EC", Some("P-384")) => vec![Algorithm::Es384],
            ("OKP", Some("Ed25519")) => vec![Algorithm::EdDsa],
            _ => return None,
        };
        if let Some(only) = &jwk.alg {
            let only = Algorithm::named(only)?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        let uses = algorithms.into_iter();
        let uses = uses.filter_map(|algorithm| Some((algorithm, jwk.with(algorithm)?)));
        let uses: Vec<_> = uses.collect();
        (!uses.is_empty()).then_some(Self { id: jwk.kid, uses })
    }
}

impl Jwk {
    /// It as the key of an algorithm; `None` when it is none of that.
    fn with(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        if let Some(parameters) = algorithm.with_rsa() {
            let key = RsaPublicKeyComponents {
                n: bytes(self.n.as_ref())?,
                e: bytes(self.e.as_ref())?,
            };
            return key.to_parsed_public_key(parameters).ok();
        }
        let point = match algorithm {
            Algorithm::EdDsa => bytes(self.x.as_ref())?,
            // As SEC 1, section 2.3.3 has points that are not compressed.
            _ => [vec![4], bytes(self.x.as_ref())?, bytes(self.y.as_ref())?].concat(),
        };
        ParsedPublicKey::new(algorithm.with_curve()?, point).ok()
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}
