//! How a [`Comparison`] is shown: as a unified diff of YAML for people, as a document for programs.

use std::fmt::Write as _;

use mcpt_core::{Comparison, Difference};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, readable,
};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// Shows several comparisons, of which each has the name of its server. It ends as `kubectl diff` does: with 1 when something
/// differs.
///
/// # Errors
/// [`Ending::Different`] when something differs.
pub(crate) fn show(global: &Global, all: &[(String, Comparison)]) -> Result<(), Ending> {
    match global.output {
        Format::Json => match all {
            [(_, only)] => output::json(only)?,
            all => output::json(&all.iter().map(|(_, one)| one).collect::<Vec<_>>())?,
        },
        Format::Yaml => match all {
            [(_, only)] => output::yaml(only)?,
            all => output::yaml(&all.iter().map(|(_, one)| one).collect::<Vec<_>>())?,
        },
        Format::Name => output::lines(
            all.iter()
                .flat_map(|(_, one)| one.differences.iter().map(|found| &found.object)),
        )?,
        Format::Table | Format::Wide => {
            let mut text = String::new();
            for (name, comparison) in all {
                text.push_str(&unified(name, comparison)?);
            }
            output::coloured(&text)?;
        }
    }
    let same = all.iter().all(|(_, one)| one.differences.is_empty());
    if same { Ok(()) } else { Err(Ending::Different) }
}

/// The comparison of one server, each object with a head of its own.
fn unified(name: &str, comparison: &Comparison) -> Result<String, Ending> {
    let mut text = String::new();
    for Difference {
        object,
        before,
        after,
    } in &comparison.differences
    {
        let head = |side: &str| readable::line(&format!("{name}, {side}: {object}")).into_owned();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "--- {}", head(&comparison.before));
        let _ = writeln!(text, "+++ {}", head(&comparison.after));
        let (old, new) = (document(before.as_ref())?, document(after.as_ref())?);
        text.push_str(&hunks(&old, &new));
    }
    Ok(text)
}

fn document(value: Option<&Value>) -> Result<String, Ending> {
    value.map_or_else(|| Ok(String::new()), output::yaml_text)
}

/// The changed lines with those around them, as `diff -u` has them.
fn hunks(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        let range = |from: Option<usize>, to: Option<usize>| {
            let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
            let length = to - from;
            // An empty range is said by the line before it.
            let begin = if length == 0 { from } else { from + 1 };
            format!("{begin},{length}")
        };
        let (first, last) = (group.first(), group.last());
        let old_range = range(
            first.map(|op| op.old_range().start),
            last.map(|op| op.old_range().end),
        );
        let new_range = range(
            first.map(|op| op.new_range().start),
            last.map(|op| op.new_range().end),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "@@ -{old_range} +{new_range} @@");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().trim_end_matches('\n');
            let _ = writeln!(text, "{sign}{}", readable::line(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_diff_has_it() {
        let value = |replicas: u32| json!({"a": 1, "b": 2, "c": 3, "d": 4, "replicas": replicas});
        let mut difference = Difference {
            object: "Deployment/demo".to_owned(),
            before: Some(value(1)),
            after: Some(value(2)),
        };
        let comparison = |difference: &Difference| Comparison {
            before: "revision 1".to_owned(),
            after: "revision 2".to_owned(),
            differences: vec![difference.clone()],
        };
        assert_eq!(
            unified("demo", &comparison(&difference)).unwrap(),
            "--- demo, revision 1: Deployment/demo\n+++ demo, revision 2: Deployment/demo\n\
             @@ -2,4 +2,4 @@\n b: 2\n c: 3\n d: 4\n-replicas: 1\n+replicas: 2\n"
        );
        difference.before = None;
        difference.after = Some(json!({"x": "\u{1b}[31mred"}));
        let shown = unified("demo", &comparison(&difference)).unwrap();
        assert!(shown.contains("@@ -0,0 +1,1 @@\n+x: "), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
}
