//! [`Lock`]: whose credentials a request has, and what those are told who have none.

use std::{path::PathBuf, sync::Arc};

use hyper::{HeaderMap, header::HeaderValue, http::Extensions};
use mcpt_access::{Challenge, Context, Keys, Principal, Rules};
use mcpt_core::Namespace;
use mcpt_protocol::PROTECTED_RESOURCE;

use super::{
    caller::{Caller, Shown},
    credentials::{self, CredentialFault},
    followed::{AccessFileError, Followed},
    issuer::Follower,
    issuer_metadata::CertificatesError,
    tokens::{TokenConfig, Tokens},
};
use crate::{outer::OuterUrl, sets::NamedHost};

/// What a gateway takes as credentials: whoever has one of them comes in.
#[derive(Debug, Clone, Default)]
pub struct LockConfig {
    /// File of API keys, as [`mcpt_access::Keys::parse`] reads it; followed while the gateway runs.
    pub keys: Option<PathBuf>,
    /// JSON Web Tokens.
    pub tokens: Option<TokenConfig>,
    /// File with what those may who are let in, as [`mcpt_access::Rules::parse`] reads it; followed while the gateway runs.
    /// `None`: everything.
    pub rules: Option<PathBuf>,
}

impl LockConfig {
    /// Whose tokens are taken.
    pub(crate) fn issuers(&self) -> Vec<String> {
        let issuers = self.tokens.iter().flat_map(|tokens| &tokens.issuers);
        issuers.map(|url| url.as_str().to_owned()).collect()
    }
}

/// Why a lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The keys are not usable.
    #[error("cannot use the keys of {}", file.display())]
    Keys {
        /// File that was named.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AccessFileError,
    },
    /// The rules are not usable.
    #[error("cannot use the rules of {}", file.display())]
    Rules {
        /// File that was named.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AccessFileError,
    },
    /// The limits are not usable.
    #[error("cannot use the limits of {}", file.display())]
    Limits {
        /// File that was named.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AccessFileError,
    },
    /// The sets of servers are not usable.
    #[error("cannot use the sets of {}", file.display())]
    Sets {
        /// File that was named.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: AccessFileError,
    },
    /// The certificates are not usable.
    #[error("cannot use the certificates of {}", file.display())]
    Certificates {
        /// File that was named.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CertificatesError,
    },
}

/// The lock of a gateway; `None` in it: whoever reaches the gateway may call.
#[derive(Debug)]
pub(crate) struct Lock(Option<Arc<Locked>>);

#[derive(Debug)]
pub(super) struct Locked {
    pub(super) keys: Option<Followed<Keys>>,
    tokens: Option<Tokens>,
    pub(super) rules: Option<Followed<Rules>>,
}

impl Lock {
    /// A lock, with what must be polled for as long as it is used. Servers that rules name without a namespace are those of
    /// `namespace`.
    ///
    /// # Errors
    /// [`LockError`] when a file is not usable.
    pub(crate) fn new(
        config: Option<&LockConfig>,
        namespace: &Namespace,
    ) -> Result<(Self, Vec<Follower>), LockError> {
        let Some(config) = config else {
            return Ok((Self(None), Vec::new()));
        };
        let keys = config.keys.as_ref().map(|file| {
            let opened = Followed::open(file, |text| Ok(Keys::parse(text)?));
            opened.map_err(|source| LockError::Keys {
                file: file.clone(),
                source,
            })
        });
        let rules = config.rules.as_ref().map(|file| {
            let (namespace, issuers) = (namespace.clone(), config.issuers());
            let parse = move |text: &str| {
                let context = Context {
                    default_namespace: namespace.as_str(),
                    issuers: &issuers,
                };
                Ok(Rules::parse(text, context)?)
            };
            Followed::open(file, parse).map_err(|source| LockError::Rules {
                file: file.clone(),
                source,
            })
        });
        let (keys, rules) = (keys.transpose()?, rules.transpose()?);
        let (tokens, followers) = match &config.tokens {
            None => (None, Vec::new()),
            Some(config) => {
                let (tokens, followers) =
                    Tokens::new(config).map_err(|source| LockError::Certificates {
                        file: config.authority.clone().unwrap_or_default(),
                        source,
                    })?;
                (Some(tokens), followers)
            }
        };
        Ok((
            Self(Some(Arc::new(Locked {
                keys,
                tokens,
                rules,
            }))),
            followers,
        ))
    }

    /// Whether credentials are needed. Then those of clients are the gateway's own affair: none goes to a server, and what a
    /// server says of a login is nothing that a client could act on.
    pub(crate) fn is_locked(&self) -> bool {
        self.0.is_some()
    }

    /// Recognises who sent a request for a path, notes that in its extensions, and takes the credentials out of its headers.
    /// Without a lock it stays as it is. `host` is the one of the file of sets that was called, a further name of the gateway.
    ///
    /// # Errors
    /// [`CredentialFault`] when nobody is recognised.
    pub(crate) async fn admit(
        &self,
        path: &str,
        host: Option<&NamedHost>,
        headers: &mut HeaderMap,
        extensions: &mut Extensions,
    ) -> Result<(), CredentialFault> {
        if let Some(locked) = &self.0 {
            let presented = credentials::take(headers)?;
            let rules = locked.rules.as_ref().map(|rules| Arc::clone(&rules.now()));
            let (principal, shown) = locked.owner(&presented, path, host).await?;
            extensions.insert(Caller {
                principal,
                rules,
                set: None,
                shown,
                lock: Arc::clone(locked),
            });
        }
        Ok(())
    }

    /// The `WWW-Authenticate` of the answer to somebody who was not recognised, about the URL that he called, or
    /// that of the host of the file of sets.
    pub(crate) fn challenge(
        &self,
        fault: CredentialFault,
        path: &str,
        outer: Option<&OuterUrl>,
        host: Option<&NamedHost>,
    ) -> Option<HeaderValue> {
        let error = fault.error();
        let tokens = self.0.as_ref().and_then(|locked| locked.tokens.as_ref());
        let metadata = tokens.and_then(|tokens| {
            if let Some(host) = host {
                let path = if path == "/" { "" } else { path };
                return Some(tokens.url_at(host, &format!("{PROTECTED_RESOURCE}{path}"), outer));
            }
            let called = outer.and_then(|outer| outer.metadata(None));
            tokens.url_of(&format!("{PROTECTED_RESOURCE}{path}"), called)
        });
        let challenge = Challenge {
            error,
            description: error.map(|_| fault.to_string()),
            metadata,
        };
        HeaderValue::try_from(challenge.to_string()).ok()
    }

    /// The metadata at a path of such, if clients of this gateway can log in.
    pub(crate) fn metadata(
        &self,
        path: &str,
        outer: Option<&OuterUrl>,
        host: Option<&NamedHost>,
    ) -> Option<String> {
        let tokens = self.0.as_ref()?.tokens.as_ref()?;
        let path = path.strip_prefix(PROTECTED_RESOURCE)?;
        let resource = match host {
            Some(host) => tokens.url_at(host, path, outer),
            None => tokens.url_of(path, outer.and_then(OuterUrl::resource))?,
        };
        Some(tokens.metadata(&resource))
    }
}

impl Locked {
    async fn owner(
        &self,
        presented: &HeaderValue,
        path: &str,
        host: Option<&NamedHost>,
    ) -> Result<(Arc<Principal>, Shown), CredentialFault> {
        let presented = presented.as_bytes();
        let keys = self.keys.as_ref();
        if let Some(owner) = keys.and_then(|keys| keys.now().owner_of(presented).cloned()) {
            return Ok((owner, Shown::Key(Keys::id_of(presented))));
        }
        match &self.tokens {
            // What has no dot is no token.
            Some(tokens) if keys.is_none() || presented.contains(&b'.') => {
                let (subject, until) = tokens.subject_of(presented, path, host).await?;
                Ok((subject, Shown::Token { until }))
            }
            _ => Err(CredentialFault::Unknown),
        }
    }
}
