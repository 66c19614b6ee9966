//! Why a chart could not be rendered, in Helm's words.

/// Why a program that changes what was rendered failed, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProgramError(pub String);

/// An error of rendering. The texts are Helm's, without its `Error: `.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Dependencies or values.
    #[error(transparent)]
    Chart(#[from] helm_chart::Error),
    /// A library chart, or one of a type that nobody knows.
    #[error("{chart_type} charts are not installable")]
    NotInstallable {
        /// The type in `Chart.yaml`.
        chart_type: String,
    },
    /// `Chart.yaml` names charts that are not there.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run \
         'helm dependency build' to fetch missing dependencies: found in Chart.yaml, but missing \
         in charts/ directory: {}", names.join(", ")
    )]
    MissingDependencies {
        /// Their names.
        names: Vec<String>,
    },
    /// The chart does not fit the cluster.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The constraint in `Chart.yaml`.
        wanted: String,
        /// The cluster's version.
        found: String,
    },
    /// A template does not parse or failed.
    #[error("{text}")]
    Template {
        /// Where and why, as Helm words it.
        text: String,
        /// The engine's own error. No `source`: Helm's text already says it all, in other words.
        engine: gotmpl::Error,
    },
    /// The program that was to change what was rendered failed, or gave no objects.
    #[error("{reason}")]
    PostRender {
        /// What happened.
        reason: String,
    },
    /// A template's output is no YAML, or not that of an object.
    #[error("YAML parse error on {path}: {reason}")]
    Yaml {
        /// The template.
        path: String,
        /// What is wrong.
        reason: String,
    },
}
