//! [`Credentials`]: what a gateway shows a server behind it, and how it knows that server. Names of files, not what is in them:
//! whoever sends requests reads those, again when they change.

use std::path::PathBuf;

use mcpt_core::Secret;

/// What a server wants to see of whoever calls it, and how it is known when it is called by `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Headers of each request. One of a client's with the same name gives way.
    pub headers: Vec<CredentialHeader>,
    /// File with the certificates (PEM) by which the server is trusted, instead of the system's.
    pub authority: Option<PathBuf>,
    /// Files with a certificate (PEM, the chain after it) and its private key, for servers that ask who calls.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must have, if it is not the host of its URL.
    pub server_name: Option<String>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialHeader {
    /// Its name.
    pub name: String,
    /// Where its value is.
    pub value: HeaderSource,
}

/// Where the value of a header is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSource {
    /// Here. It is no secret.
    Text(String),
    /// Here, and never shown.
    Hidden(HiddenText),
    /// In a file, without the blanks and line breaks around it.
    File {
        /// What is before it: `Bearer `, for example.
        prefix: String,
        /// The file.
        file: PathBuf,
    },
}

/// A text that is never shown.
#[derive(Debug, Clone)]
pub struct HiddenText(pub Secret);

impl PartialEq for HiddenText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for HiddenText {}
