//! What a release of mcpt is: a server or the gateway. Which chart and which label are its, and which commands are for it.

use helm_install::Record;

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

    /// What a record is of, if it is one of mcpt's: as the label says that mcpt gave it, else by its chart, which stock Helm may
    /// have installed.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let labels = record.metadata.labels.as_ref();
        let labelled = |kind: &Self| labels.is_some_and(|l| l.contains_key(kind.label()));
        let mut kinds = Self::ALL.into_iter();
        kinds
            .find(labelled)
            .or_else(|| Self::of_chart(record.chart()))
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
    use mcpt_core::CommandOption;

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
        cluster.chosen_by = vec![
            (CommandOption::Kubeconfig, "a b".into()),
            (CommandOption::Context, "prod".into()),
        ];
        let options = "-b kubernetes --kubeconfig 'a b' --context prod -n ns";
        assert_eq!(commands(&cluster), there(options));
    }

    #[test]
    fn releases_of_other_charts_are_told_apart() {
        let record = |chart: &str, label: bool| {
            let mut release = helm_release::Release {
                name: "demo".into(),
                version: 1,
                ..helm_release::Release::default()
            };
            let mut record = helm_release::ChartRecord::default();
            record.metadata.name = chart.to_owned();
            release.chart = Some(record);
            let labels = if label {
                vec![("mcpt.io/server".to_owned(), "demo".to_owned())]
            } else {
                Vec::new()
            };
            Record {
                release,
                metadata: kube::core::ObjectMeta {
                    labels: Some(labels.into_iter().collect()),
                    ..kube::core::ObjectMeta::default()
                },
            }
        };
        for (chart, label, kind) in [
            ("nginx", false, None),
            ("nginx", true, Some(ReleaseKind::Server)),
            ("mcp-server", false, Some(ReleaseKind::Server)),
            ("mcpt-gateway", false, Some(ReleaseKind::Gateway)),
        ] {
            assert_eq!(
                ReleaseKind::of(&record(chart, label)),
                kind,
                "{chart} {label}"
            );
        }
    }
}
