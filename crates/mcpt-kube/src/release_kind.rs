//! What a release of mcpt is: a server or the gateway. Which chart and which label are its, and which commands are for it.

use mcpt_core::command_line;

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

    /// The command that shows it, in its namespace.
    pub(crate) fn status_command(self, namespace: &str, name: &str) -> String {
        let words = match self {
            Self::Server => &format!("status {name}"),
            Self::Gateway => "gateway status",
        };
        command_line(Some(namespace), words)
    }

    /// The command that removes it, in its namespace.
    pub(crate) fn removal_command(self, namespace: &str, name: &str) -> String {
        let words = match self {
            Self::Server => &format!("delete {name}"),
            Self::Gateway => "gateway uninstall",
        };
        command_line(Some(namespace), words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_backend_and_namespace() {
        let [server, gateway] = ReleaseKind::ALL.map(|kind| {
            [
                kind.status_command("team", "demo"),
                kind.removal_command("team", "demo"),
            ]
        });
        assert_eq!(
            server,
            ["status demo", "delete demo"].map(|w| format!("mcpt -b kubernetes -n team {w}"))
        );
        assert_eq!(
            gateway,
            ["gateway status", "gateway uninstall"]
                .map(|w| format!("mcpt -b kubernetes -n team {w}"))
        );
    }
}
