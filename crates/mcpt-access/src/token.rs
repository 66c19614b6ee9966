//! [`Token`]: a JSON Web Token (RFC 7519, RFC 9068) before it is believed, and [`Verified`] after.

use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{KeySet, Principal, algorithm::Algorithm};

/// Longest token that is looked at, in bytes. Headers of this length are refused elsewhere.
const LONGEST: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
const SKEW: f64 = 30.0;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no signed JWT.
    #[error("the token is no JWT that can be read")]
    Malformed,
    /// It is signed in a way that is not taken: not at all, or with a secret.
    #[error("the token is not signed with a public key")]
    Algorithm,
    /// It is of an issuer that is not trusted here.
    #[error("the token is of another issuer")]
    Issuer,
    /// Its issuer has no such key.
    #[error("the token is signed with a key that its issuer does not have")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It names nobody.
    #[error("the token names no subject")]
    Subject,
}

/// What a token says of itself, of which nothing is believed yet.
#[derive(Debug)]
pub struct Token<'t> {
    /// What is signed.
    message: &'t [u8],
    signature: Vec<u8>,
    claims: Claims,
    algorithm: Algorithm,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
    /// Of encrypted tokens.
    enc: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl<'t> Token<'t> {
    /// Reads a token as far as it must be known to find who can verify it.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`], [`TokenFault::Algorithm`].
    pub fn read(text: &'t [u8]) -> Result<Self, TokenFault> {
        let parts: Vec<&[u8]> = text.splitn(4, |byte| *byte == b'.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(TokenFault::Malformed);
        };
        if text.len() > LONGEST {
            return Err(TokenFault::Malformed);
        }
        let signed = header.len() + 1 + claims.len();
        let header: Header = json(header)?;
        // What is said to be critical must be understood (RFC 7515, section 4.1.11), and nothing is.
        if header.crit.is_some() || header.enc.is_some() {
            return Err(TokenFault::Malformed);
        }
        Ok(Self {
            message: text.get(..signed).ok_or(TokenFault::Malformed)?,
            signature: decoded(signature)?,
            claims: json(claims)?,
            algorithm: Algorithm::named(&header.alg).ok_or(TokenFault::Algorithm)?,
            key: header.kid,
        })
    }

    /// Who it says has made it.
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Believes it, if `keys` are those of its issuer and it is valid at `now`, in seconds since 1970. `groups` is the claim
    /// that has the groups of its subject.
    ///
    /// # Errors
    /// [`TokenFault`]; with [`TokenFault::UnknownKey`] newer keys of the issuer may do.
    pub fn verify(&self, keys: &KeySet, groups: &str, now: u64) -> Result<Verified, TokenFault> {
        let candidates = keys.matching(self.key.as_deref(), self.algorithm);
        if candidates.is_empty() {
            return Err(TokenFault::UnknownKey);
        }
        let good = |key: &&ParsedPublicKey| key.verify_sig(self.message, &self.signature).is_ok();
        if !candidates.iter().any(good) {
            return Err(match self.key {
                // Any key of the issuer may be meant, one that is not known too.
                None => TokenFault::UnknownKey,
                Some(_) => TokenFault::Signature,
            });
        }
        believed(&self.claims, groups, now)
    }
}

fn json<T: serde::de::DeserializeOwned>(part: &[u8]) -> Result<T, TokenFault> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| TokenFault::Malformed)
}

fn decoded(part: &[u8]) -> Result<Vec<u8>, TokenFault> {
    let bytes = URL_SAFE_NO_PAD.decode(part);
    bytes.map_err(|_| TokenFault::Malformed)
}

fn believed(claims: &Claims, groups: &str, now: u64) -> Result<Verified, TokenFault> {
    let subject = claims.sub.as_deref().filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(TokenFault::Subject)?;
    let expires = claims.exp.filter(|end| end.is_finite());
    let verified = Verified {
        principal: Arc::new(Principal::of_token(
            &claims.iss,
            subject,
            texts(claims.others.get(groups)),
            scopes(&claims.others),
        )),
        audiences: claims
            .aud
            .clone()
            .map(OneOrMany::into_vec)
            .unwrap_or_default(),
        begins: claims.nbf,
        expires: expires.ok_or(TokenFault::Expired)?,
    };
    verified.is_current(now)?;
    Ok(verified)
}

/// Scopes as OAuth has them, in one text (RFC 8693) or, as some issuers do, in a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let claim = claims.get("scope").or_else(|| claims.get("scp"));
    match claim {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        other => texts(other),
    }
}

/// The texts of a claim that has one or a list of them.
fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// What a token says, which is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    principal: Arc<Principal>,
    audiences: Vec<String>,
    begins: Option<f64>,
    expires: f64,
}

impl Verified {
    /// Whose it is.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Until when it is valid, in seconds since 1970.
    pub fn until(&self) -> u64 {
        (self.expires + SKEW).max(0.0) as u64
    }

    /// Whether it is valid at `now`, in seconds since 1970; clocks may be 30 seconds apart.
    ///
    /// # Errors
    /// [`TokenFault::Expired`], [`TokenFault::NotYet`].
    pub fn is_current(&self, now: u64) -> Result<(), TokenFault> {
        let now = now as f64;
        if now - SKEW >= self.expires {
            return Err(TokenFault::Expired);
        }
        match self.begins {
            Some(begins) if now + SKEW < begins => Err(TokenFault::NotYet),
            _ => Ok(()),
        }
    }

    /// Whether it is meant for one of these. One that is meant for nobody in particular is not.
    ///
    /// # Errors
    /// [`TokenFault::Audience`].
    pub fn is_for<'a>(
        &self,
        audiences: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), TokenFault> {
        let meant = |audience: &str| self.audiences.iter().any(|own| own == audience);
        if audiences.into_iter().any(meant) {
            Ok(())
        } else {
            Err(TokenFault::Audience)
        }
    }
}
