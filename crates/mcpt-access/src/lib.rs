//! Who calls a gateway: decisions without I/O, HTTP or a runtime.
//!
//! - [`Keys`] reads a file of API keys and finds whose a presented key is; [`ApiKey`] draws new ones.
//! - [`Token`] reads a JSON Web Token and, with the [`KeySet`] of its issuer, becomes [`Verified`]; [`VerifiedTokens`] remembers those.
//! - [`Principal`] is who was recognised.
//! - [`Rules`] say what a principal may: a [`Permission`] for each server.
//! - [`Limits`] say how much of it, and how fast.
//! - [`Challenge`] is what somebody is told who was not, as `WWW-Authenticate` says it (RFC 6750, RFC 9728).

mod algorithm;
mod api_key;
mod challenge;
mod digest;
mod key_set;
mod keys;
mod limits;
mod principal;
mod rules;
mod selector;
mod token;
mod verified_tokens;

pub use self::{
    api_key::{ApiKey, DrawError},
    challenge::{Challenge, TokenError},
    key_set::{InvalidKeySet, KeySet},
    keys::{InvalidKeys, KeyFault, KeyId, Keys},
    limits::{InvalidLimits, Limit, Limits, Rate},
    principal::{InvalidName, Principal, is_name},
    rules::{InvalidRules, Permission, Rules},
    selector::{Context, InvalidEntry, Pattern},
    token::{Token, TokenFault, Verified},
    verified_tokens::VerifiedTokens,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
