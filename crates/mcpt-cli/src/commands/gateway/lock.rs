//! [`LockOptions`]: what a gateway takes as credentials.

use std::path::PathBuf;

use clap::Args;
use mcpt_core::{Failure, FailureKind};
use mcpt_gateway::{IssuerUrl, LockConfig, PublicUrl, TokenConfig};

/// Options that let some in and nobody else.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct LockOptions {
    /// Let in who has one of these keys: a file with one a line, as `mcpt gateway key new` makes them. Changes of the
    /// file hold at once. Clients send theirs as `Authorization: Bearer KEY`
    #[arg(long, value_name = "FILE", env = "MCPT_GATEWAY_KEYS")]
    keys: Option<PathBuf>,
    /// Let in who has a token (JWT) of this issuer, whose metadata names its keys; can be repeated. Needs --public-url or
    /// --audience, since a token for somebody else is none for this gateway
    #[arg(long = "issuer", value_name = "URL")]
    issuers: Vec<IssuerUrl>,
    /// The URL by which clients call the gateway, without a path. Tokens for it and for the URL of the server that is called
    /// are taken, and clients find by it where to log in
    #[arg(long, value_name = "URL", requires = "issuers")]
    public_url: Option<PublicUrl>,
    /// Take tokens for this audience too, as their issuer names it; can be repeated
    #[arg(long = "audience", value_name = "NAME", requires = "issuers")]
    audiences: Vec<String>,
    /// The claim of tokens that has the groups of a user
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    groups_claim: String,
    /// File with the certificates (PEM) by which issuers are trusted, instead of the system's
    #[arg(long, value_name = "FILE", requires = "issuers")]
    issuer_ca: Option<PathBuf>,
    /// What those may who are let in: a file with a list `allow` of who may call which tools of which servers. Changes of the
    /// file hold at once. Without one they may call everything
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// How often whoever may call, and how many calls of each may go on at once: a file with a list `limits`. Changes of the file
    /// hold at once. Also without keys, when all are one caller
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Whoever reaches the gateway may call, and that is meant: do not warn of it
    #[arg(long, conflicts_with_all = ["keys", "issuers", "rules"])]
    pub(super) open: bool,
}

impl LockOptions {
    /// The lock; `None` when nothing is asked for.
    pub(super) fn config(&self) -> Result<Option<LockConfig>, Failure> {
        if self.keys.is_none() && self.issuers.is_empty() {
            return match &self.rules {
                None => Ok(None),
                Some(_) => Err(Failure::new(
                    FailureKind::Usage,
                    "--rules needs --keys or --issuer: they say who somebody is",
                )),
            };
        }
        if !self.issuers.is_empty() && self.public_url.is_none() && self.audiences.is_empty() {
            return Err(Failure::new(
                FailureKind::Usage,
                "--issuer needs to know what its tokens must be for",
            )
            .hint("--public-url https://HOST is the URL by which clients call the gateway"));
        }
        let tokens = (!self.issuers.is_empty()).then(|| TokenConfig {
            issuers: self.issuers.clone(),
            public_url: self.public_url.clone(),
            audiences: self.audiences.clone(),
            groups_claim: self.groups_claim.clone(),
            authority: self.issuer_ca.clone(),
        });
        Ok(Some(LockConfig {
            keys: self.keys.clone(),
            tokens,
            rules: self.rules.clone(),
        }))
    }

    /// The file of limits.
    pub(super) fn limits(&self) -> Option<PathBuf> {
        self.limits.clone()
    }

    /// The host that clients call, if one is known.
    pub(super) fn public_host(&self) -> Option<&str> {
        let host = self.public_url.as_ref()?.host();
        mcpt_protocol::host_of(host)
    }
}
