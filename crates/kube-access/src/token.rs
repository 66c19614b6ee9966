//! [`TokenFile`]: a bearer token in a file that something else renews, such as the account of a pod.
//!
//! As with kubectl, blanks and ends of lines around it are no part of it, it is read anew once a minute, and the last one that was
//! read counts when it cannot be.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, Request, header::AUTHORIZATION};

/// How long a token counts that was read.
const FRESH: Duration = Duration::from_secs(50);

/// Why a token cannot be had from its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the token file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("the token file {} is empty", .0.display())]
    Empty(PathBuf),
    /// What is in it cannot be sent.
    #[error("the token file {} holds characters that a request cannot carry", .0.display())]
    Unsendable(PathBuf),
}

/// A token in a file.
#[derive(Clone)]
pub(crate) struct TokenFile {
    path: Arc<PathBuf>,
    last: Arc<Mutex<(HeaderValue, Instant)>>,
}

impl TokenFile {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// When there is no token in it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, TokenError> {
        let header = read(&path)?;
        Ok(Self {
            path: Arc::new(path),
            last: Arc::new(Mutex::new((header, Instant::now()))),
        })
    }

    /// The value of `Authorization`, of a token that is no older than a minute if the file can be read.
    fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1.elapsed() > FRESH {
            match read(&self.path) {
                Ok(header) => last.0 = header,
                Err(error) => tracing::warn!(%error, "the token read before is used"),
            }
            last.1 = Instant::now();
        }
        last.0.clone()
    }

    /// A request that bears the token.
    pub(crate) fn on<B>(&self, mut request: Request<B>) -> Request<B> {
        request.headers_mut().insert(AUTHORIZATION, self.header());
        request
    }
}

fn read(path: &Path) -> Result<HeaderValue, TokenError> {
    let text = std::fs::read_to_string(path).map_err(|source| TokenError::Read {
        path: path.to_owned(),
        source,
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(TokenError::Empty(path.to_owned()));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| TokenError::Unsendable(path.to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_token_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, header) in [
            ("abc", Some("Bearer abc")),
            ("abc\n", Some("Bearer abc")),
            (" abc\r\n\n", Some("Bearer abc")),
            ("\n", None),
            ("a\nb", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let token = TokenFile::open(path.clone());
            let request = token.map(|token| token.on(Request::new(())));
            let sent = request.as_ref().ok().map(|r| &r.headers()[AUTHORIZATION]);
            assert_eq!(sent.map(|h| h.to_str().unwrap()), header, "{text:?}");
        }
    }
}
