//! What a release of mcpt is: a server or the gateway. Which chart and which label are its, and which commands are for it.

use std::fmt::Display;

use mcpt_core::ServerName;

use crate::server::SERVER_LABEL;

/// Label that names the gateway on all of its objects and on its release records.
const GATEWAY_LABEL: &str = "mcpt.io/gateway";

/// What a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReleaseKind {
    /// One MCP server.
    Server,
    /// The gateway in front of them.
    Gateway,
}

impl ReleaseKind {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Server, Self::Gateway];

    /// What the built-in chart of that name makes; `None` for charts of somebody else.
    pub(crate) fn of_chart(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.chart() == name)
    }

    /// The built-in chart.
    pub(crate) fn chart(self) -> &'static str {
        match self {
            Self::Server => "mcp-server",
            Self::Gateway => "mcpt-gateway",
        }
    }

    /// Label that names the release on its objects and on its records.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Server => SERVER_LABEL,
            Self::Gateway => GATEWAY_LABEL,
        }
    }

    /// The command that shows it.
    pub(crate) fn status_command(self, name: impl Display) -> String {
        match self {
            Self::Server => format!("mcpt status {name}"),
            Self::Gateway => "mcpt gateway status".to_owned(),
        }
    }

    /// The command that removes it.
    pub(crate) fn removal_command(self, name: &ServerName) -> String {
        match self {
            Self::Server => format!("mcpt delete {name}"),
            Self::Gateway => "mcpt gateway uninstall".to_owned(),
        }
    }
}
