//! Who calls a gateway: decisions without I/O, HTTP or a runtime.
//!
//! - [`Keys`] reads a file of API keys and finds whose a presented key is; [`ApiKey`] draws new ones.
//! - [`Principal`] is who was recognised.
//! - [`Challenge`] is what somebody is told who was not, as `WWW-Authenticate` says it (RFC 6750, RFC 9728).

mod api_key;
mod challenge;
mod digest;
mod keys;
mod principal;

pub use self::{
    api_key::{ApiKey, DrawError},
    challenge::{Challenge, TokenError},
    keys::{InvalidKeys, KeyFault, Keys},
    principal::{InvalidName, Principal, is_name},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
