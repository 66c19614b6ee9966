//! How a process that stands for a server elsewhere is told what it needs.

/// A variable of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteVariable {
    /// URL of the server.
    Url,
    /// Headers of each request, a JSON object of texts.
    Headers,
    /// File with the certificates to trust instead of the system's.
    Authority,
}

impl RemoteVariable {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "MCPT_REMOTE_URL",
            Self::Headers => "MCPT_REMOTE_HEADERS",
            Self::Authority => "MCPT_REMOTE_AUTHORITY",
        }
    }
}
