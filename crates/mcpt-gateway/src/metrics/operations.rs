//! [`Operations`]: what MCP calls an operation, counted by method, tool and how it failed, under the names that OpenTelemetry has
//! published for servers of MCP.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use mcpt_protocol::{OTHER, Subject};

use super::{histogram::Histogram, text::Text};

/// Most tools of a server that are counted by their names. Who calls chooses the names, so their number has an end; beyond it
/// they are one.
const MOST_TOOLS: usize = 256;

/// Upper bounds in microseconds: those that OpenTelemetry advises for `mcp.server.operation.duration`.
const BOUNDS: [u64; 14] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// What operations are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    method: Option<&'static str>,
    tool: Option<Arc<str>>,
    error: Option<&'static str>,
}

type Times = Histogram<{ BOUNDS.len() }>;

/// The operations of one server.
#[derive(Debug, Default)]
pub(crate) struct Operations(ArcSwap<BTreeMap<Label, Arc<Times>>>);

impl Operations {
    /// Counts one that took so long until the end of its answer; `error` says what kept it from a good one.
    pub(super) fn record(&self, subject: &Subject, error: Option<&'static str>, time: Duration) {
        let mut label = Label {
            method: subject.method(),
            tool: subject.tool().cloned(),
            error,
        };
        if let Some(times) = self.0.load().get(&label) {
            return times.record(time);
        }
        let new = Arc::new(Times::new(&BOUNDS));
        self.0.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            if tools_besides(&known, label.tool.as_deref()) >= MOST_TOOLS {
                label.tool = Some(Arc::from(OTHER));
            }
            let place = known.entry(label.clone());
            place.or_insert_with(|| Arc::clone(&new));
            known
        });
        // Another request may have been the first.
        let known = self.0.load();
        known.get(&label).unwrap_or(&new).record(time);
    }

    /// Writes them.
    pub(super) fn write(&self, text: &mut Text, server: &[(&str, &str)]) {
        for (label, times) in self.0.load().iter() {
            let mut labels = server.to_vec();
            let known = [
                ("mcp_method_name", label.method),
                ("gen_ai_tool_name", label.tool.as_deref()),
                ("error_type", label.error),
            ];
            labels.extend(
                known
                    .iter()
                    .filter_map(|(name, value)| Some((*name, (*value)?))),
            );
            text.histogram(&labels, times);
        }
    }
}

/// How many tools have names, if this one is none of them.
fn tools_besides(known: &BTreeMap<Label, Arc<Times>>, tool: Option<&str>) -> usize {
    let Some(tool) = tool else { return 0 };
    let mut names: Vec<&str> = known
        .keys()
        .filter_map(|label| label.tool.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.binary_search(&tool).is_ok() {
        0
    } else {
        names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tools_have_an_end() {
        let operations = Operations::default();
        let time = Duration::from_millis(1);
        for turn in 0..2 {
            for n in 0..MOST_TOOLS + 50 {
                let error = (turn == 1).then_some("refused");
                operations.record(&Subject::call(&format!("tool-{n}")), error, time);
            }
        }
        operations.record(&Subject::default(), None, time);
        let mut text = Text::default();
        text.family("f", "histogram", "help");
        operations.write(&mut text, &[("server", "s")]);
        let counts: Vec<_> = text
            .into_string()
            .lines()
            .filter(|line| line.starts_with("f_count"))
            .map(str::to_owned)
            .collect();
        // Each that has a name and all others, with and without an error; and what is not known.
        assert_eq!(counts.len(), 2 * (MOST_TOOLS + 1) + 1);
        let others =
            "f_count{server=\"s\",mcp_method_name=\"tools/call\",gen_ai_tool_name=\"_OTHER\"} 50";
        assert!(counts.iter().any(|line| line == others), "{counts:?}");
        assert!(
            counts.iter().any(|line| line == "f_count{server=\"s\"} 1"),
            "{counts:?}"
        );
    }
}
