//! [`Issuer`]: who makes tokens, and the keys by which its own are known: found by its metadata, kept, and asked for again
//! when a token names one that is not known.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mcpt_access::{KeySet, Token, TokenFault, Verified};
use mcpt_protocol::is_loopback_host;
use tokio::sync::{Notify, watch};
use url::Url;

use super::{
    credentials::CredentialFault,
    issuer_metadata::{Client, IssuerError},
};

/// How long keys are kept before they are asked for again: a key that its issuer has taken back holds no longer than this.
const EVERY: Duration = Duration::from_mins(10);
/// How soon an issuer that did not answer is asked again.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Shortest time between two questions: whoever makes up names of keys cannot make this gateway flood an issuer.
const AT_LEAST: Duration = Duration::from_secs(2);
/// How long a request waits for an issuer's answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// A text is not the URL of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an https:// URL without query is wanted (http:// at the loopback only)")]
pub struct InvalidIssuer;

/// The URL of an issuer, as its tokens and its metadata spell it (RFC 8414, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl std::str::FromStr for IssuerUrl {
    type Err = InvalidIssuer;

    fn from_str(text: &str) -> Result<Self, InvalidIssuer> {
        let url = Url::parse(text).map_err(|_| InvalidIssuer)?;
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        (bare && is_safe(&url))
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidIssuer)
    }
}

impl IssuerUrl {
    /// It as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether nobody on the way can change what comes from a URL.
pub(super) fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" => !host.is_empty(),
        "http" => is_loopback_host(host.trim_matches(['[', ']'])),
        _ => false,
    }
}

/// What is known of an issuer's keys.
#[derive(Debug, Clone, Default)]
struct IssuerKeys {
    keys: Option<Arc<KeySet>>,
    /// When they were asked for last, whatever came of it.
    asked: Option<Instant>,
    /// How many different sets there were.
    generation: u64,
}

/// One issuer, as requests see it.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) url: IssuerUrl,
    known: watch::Receiver<IssuerKeys>,
    wanted: Arc<Notify>,
}

/// What asks for the keys of one.
#[derive(Debug)]
pub(crate) struct Follower {
    url: IssuerUrl,
    known: watch::Sender<IssuerKeys>,
    wanted: Arc<Notify>,
    client: Arc<Client>,
}

impl Issuer {
    pub(super) fn new(url: IssuerUrl, client: Arc<Client>) -> (Self, Follower) {
        let (sender, known) = watch::channel(IssuerKeys::default());
        let wanted = Arc::<Notify>::default();
        let follower = Follower {
            url: url.clone(),
            known: sender,
            wanted: Arc::clone(&wanted),
            client,
        };
        (Self { url, known, wanted }, follower)
    }

    /// Changes with the keys.
    pub(super) fn generation(&self) -> u64 {
        self.known.borrow().generation
    }

    /// Verifies a token of this issuer. One that was signed with a key that is not known waits for the next answer of the
    /// issuer.
    ///
    /// # Errors
    /// [`CredentialFault::Token`], and [`CredentialFault::IssuerAway`] when there are no keys.
    pub(super) async fn verify(
        &self,
        token: &Token<'_>,
        groups: &str,
        now: u64,
    ) -> Result<Verified, CredentialFault> {
        let arrived = Instant::now();
        let mut receiver = self.known.clone();
        let looked = async {
            loop {
                let known = receiver.borrow_and_update().clone();
                let fault = match known.keys.as_deref() {
                    None => CredentialFault::IssuerAway,
                    Some(keys) => match token.verify(keys, groups, now) {
                        Err(TokenFault::UnknownKey) => TokenFault::UnknownKey.into(),
                        judged => return judged.map_err(Into::into),
                    },
                };
                if known.asked.is_some_and(|asked| asked >= arrived) {
                    return Err(fault);
                }
                self.wanted.notify_one();
                if receiver.changed().await.is_err() {
                    return Err(fault);
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, looked).await;
        in_time.unwrap_or(Err(CredentialFault::IssuerAway))
    }
}

impl Follower {
    /// Asks for the keys now, from time to time, and when they are wanted; for as long as it is polled.
    pub(crate) async fn follow(self) {
        let mut former = Vec::new();
        loop {
            let asked = Instant::now();
            let answer = self.ask().await;
            let answered = answer.is_ok();
            self.known.send_modify(|known| {
                known.asked = Some(asked);
                match answer {
                    Ok((text, _)) if text == former => {}
                    Ok((text, keys)) => {
                        tracing::info!(issuer = self.url.as_str(), "the issuer's keys were read");
                        known.keys = Some(Arc::new(keys));
                        known.generation += 1;
                        former = text;
                    }
                    Err(error) => {
                        let error: &(dyn std::error::Error + 'static) = &error;
                        tracing::warn!(
                            issuer = self.url.as_str(),
                            error,
                            "the issuer's keys cannot be read"
                        );
                    }
                }
            });
            tokio::time::sleep(AT_LEAST).await;
            let pause = if answered { EVERY } else { AFTER_FAILURE };
            // Over when they are wanted, or when it is time.
            let _either = tokio::time::timeout(pause, self.wanted.notified()).await;
        }
    }

    async fn ask(&self) -> Result<(Vec<u8>, KeySet), IssuerError> {
        let (client, url) = (Arc::clone(&self.client), self.url.clone());
        let asked = tokio::task::spawn_blocking(move || client.keys_of(url.as_str()));
        match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(IssuerError::Interrupted),
        }
    }
}
