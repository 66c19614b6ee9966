//! What the user says about one server.

use std::{fmt, path::PathBuf};

use mcpt_core::{Resources, ServerName};

/// The user's settings for one server, as they were given: [`crate::compile()`] gives them types and checks them.
#[derive(Clone, Default)]
pub struct Settings {
    /// Name of the server; `None` means the template's id.
    pub name: Option<ServerName>,
    /// `-c KEY=VALUE`: settings of the template by their name or by their environment variable. The last one of a key wins.
    pub config: Vec<(String, String)>,
    /// `-e NAME=VALUE`: environment variables. One that belongs to a setting is that setting, and wins over `config`.
    pub env: Vec<(String, String)>,
    /// Transport to use instead of the template's default.
    pub transport: Option<String>,
    /// Number of instances.
    pub replicas: Option<u32>,
    /// Compute resources; each amount wins over the template's.
    pub resources: Resources,
    /// Headers of each request to a server that runs elsewhere; all of them count as secrets.
    pub headers: Vec<(String, String)>,
    /// File with the certificates by which such a server is trusted, instead of the system's; absolute.
    pub authority: Option<PathBuf>,
    /// Folder that relative host paths start from. Without it they are refused.
    pub working_dir: Option<PathBuf>,
}

/// Prints names only: before a template is at hand, nobody knows which values are secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn names(pairs: &[(String, String)]) -> Vec<&str> {
            pairs.iter().map(|(name, _)| name.as_str()).collect()
        }
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("config", &names(&self.config))
            .field("env", &names(&self.env))
            .field("transport", &self.transport)
            .field("replicas", &self.replicas)
            .field("resources", &self.resources)
            .field("headers", &names(&self.headers))
            .field("authority", &self.authority)
            .field("working_dir", &self.working_dir)
            .finish()
    }
}
