//! [`Tool`]: under which names a program works on releases.

/// Field manager of everything that belongs to a release. It is Helm's own name, so that a later `helm upgrade` owns the
/// same fields and meets no conflict.
pub const FIELD_MANAGER: &str = "helm";

/// The program that works on releases, as its marks name it. Commands of the same program know each other's by these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name, also as field manager of the heartbeat.
    pub name: &'static str,
    /// Annotation on the pending record's Secret: when its command last gave a sign of life, RFC 3339.
    pub heartbeat: &'static str,
    /// Annotation on the pending record's Secret, and on namespaces that it made: the process that works there.
    pub holder: &'static str,
}

#[cfg(test)]
pub(crate) const TESTED: Tool = Tool {
    name: "mcpt",
    heartbeat: "mcpt.io/heartbeat",
    holder: "mcpt.io/holder",
};
