//! What a release of mcpt is: a server or the gateway. Which chart and which label are its, and which commands are for it.

use crate::{cluster::Cluster, server::SERVER_LABEL};

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

    /// The command that shows it, for hints.
    pub(crate) fn status_command(self, cluster: &Cluster, name: &str) -> String {
        cluster.command(&match self {
            Self::Server => format!("status {name}"),
            Self::Gateway => "gateway status".to_owned(),
        })
    }

    /// The command that removes it, for hints.
    pub(crate) fn removal_command(self, cluster: &Cluster, name: &str) -> String {
        cluster.command(&match self {
            Self::Server => format!("delete {name}"),
            Self::Gateway => "gateway uninstall".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted;

    #[tokio::test]
    async fn commands_name_backend_cluster_and_namespace() {
        let mut cluster = scripted::cluster(|_, _| scripted::refusal(404, "NotFound"));
        let commands = |cluster: &Cluster| {
            ReleaseKind::ALL.map(|kind| {
                [
                    kind.status_command(cluster, "demo"),
                    kind.removal_command(cluster, "demo"),
                ]
            })
        };
        let words = [
            ["status demo", "delete demo"],
            ["gateway status", "gateway uninstall"],
        ];
        let there =
            |options: &str| words.map(|of| of.map(|words| format!("mcpt {options} {words}")));
        assert_eq!(commands(&cluster), there("-b kubernetes -n ns"));
        cluster.chosen_by = vec![("--kubeconfig", "a b".into()), ("--context", "prod".into())];
        let options = "-b kubernetes --kubeconfig 'a b' --context prod -n ns";
        assert_eq!(commands(&cluster), there(options));
    }
}
