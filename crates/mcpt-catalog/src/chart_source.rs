//! A chart as it is handed to a backend that renders one.

use std::fmt;

/// A Helm chart that is not part of mcpt: that of somebody else, or another version of the built-in one.
#[derive(Clone, PartialEq, Eq)]
pub struct ChartSource {
    /// Where it came from, for messages: its folder or archive.
    pub origin: String,
    /// Paths below the chart's folder, and their bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether it is a chart of MCP servers as the built-in one, and takes the values that are made from a plan.
    pub takes_plan: bool,
    /// Whether the plan's transport is known to be that of the server which the chart makes; if not, nobody asks it over MCP.
    pub endpoint_known: bool,
}

/// Without the bytes.
impl fmt::Debug for ChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChartSource")
            .field("origin", &self.origin)
            .field("files", &self.files.len())
            .field("takes_plan", &self.takes_plan)
            .field("endpoint_known", &self.endpoint_known)
            .finish()
    }
}
