//! [`Lock`]: whose credentials a request has, and what those are told who have none.

use std::{path::PathBuf, sync::Arc};

use hyper::{Request, header::HeaderValue};
use mcpt_access::{Challenge, Principal};

use super::{
    caller::Caller,
    credentials::{self, CredentialFault},
    key_file::{KeyFile, KeyFileError},
};

/// What a gateway takes as credentials.
#[derive(Debug, Clone)]
pub struct LockConfig {
    /// File of API keys, as [`mcpt_access::Keys::parse`] reads it; followed while the gateway runs.
    pub keys: PathBuf,
}

/// The lock of a gateway, or that it has none.
#[derive(Debug)]
pub(crate) enum Lock {
    /// Whoever reaches the gateway may call.
    Open,
    /// Who has one of these keys may.
    Keys(KeyFile),
}

impl Lock {
    /// # Errors
    /// [`KeyFileError`] when the file of keys is not usable.
    pub(crate) fn new(config: Option<&LockConfig>) -> Result<Self, KeyFileError> {
        Ok(match config {
            None => Self::Open,
            Some(config) => Self::Keys(KeyFile::open(&config.keys)?),
        })
    }

    /// Whether credentials are needed. Then those of clients are the gateway's own affair: none goes to a server, and what a
    /// server says of a login is nothing that a client could act on.
    pub(crate) fn is_locked(&self) -> bool {
        !matches!(self, Self::Open)
    }

    /// Recognises who sent a request, notes that in it, and takes the credentials out of it. Without a lock it stays as it is.
    ///
    /// # Errors
    /// [`CredentialFault`] when nobody is recognised.
    pub(crate) fn admit<B>(&self, request: &mut Request<B>) -> Result<(), CredentialFault> {
        let Self::Keys(keys) = self else {
            return Ok(());
        };
        let presented = credentials::take(request.headers_mut())?;
        let owner = owner(keys, &presented).ok_or(CredentialFault::Unknown)?;
        request.extensions_mut().insert(Caller(owner));
        Ok(())
    }

    /// The `WWW-Authenticate` of the answer to somebody who was not recognised.
    pub(crate) fn challenge(fault: CredentialFault) -> Option<HeaderValue> {
        let challenge = Challenge {
            error: fault.error(),
            metadata: None,
        };
        HeaderValue::try_from(challenge.to_string()).ok()
    }
}

fn owner(keys: &KeyFile, presented: &HeaderValue) -> Option<Arc<Principal>> {
    keys.keys().owner_of(presented.as_bytes()).cloned()
}
