//! [`Text`]: Prometheus' text format in the making.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// Families and their samples, one after the other.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    family: &'static str,
}

// Writing to a `String` cannot fail, so its result says nothing.
impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample without labels.
    pub(super) fn plain(&mut self, value: u64) {
        let _ = writeln!(self.text, "{} {value}", self.family);
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// All samples of one histogram of the family.
    pub(super) fn histogram<const BOUNDS: usize>(
        &mut self,
        labels: &[(&str, &str)],
        times: &Histogram<BOUNDS>,
    ) {
        let mut all = 0;
        for (bound, count) in times.cumulative() {
            let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.suffixed("_bucket", &labels, count);
            all = count;
        }
        self.suffixed("_sum", labels, times.sum());
        self.suffixed("_count", labels, all);
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}{{", self.family);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{label}=\"{text}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// What was written.
    pub(super) fn into_string(self) -> String {
        self.text
    }
}
