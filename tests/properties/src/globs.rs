//! Globs of `.Files.Glob`: each ends, and finds no file that is not there.

use crate::input;
use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};

const TEMPLATE: &str = "{{ range $path, $_ := .Files.Glob .Values.glob }}{{ $path }}\n{{ end }}";

/// Panics when it does not hold for what these bytes stand for.
pub fn globs(data: &[u8]) {
    let Some(input) = input::<(&str, &str)>(data) else {
        return;
    };
    let (glob, path) = input;
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/NOTES.txt", TEMPLATE),
        (path, ""),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.into()));
    let Ok(chart) = Chart::from_files(files) else {
        return;
    };
    let mut user = Values::new();
    user.insert("glob".to_owned(), glob.into());
    let rendered = render(
        &chart,
        &user,
        &ReleaseOptions::install("r", "n"),
        &Capabilities::default(),
        &Sources::system(),
    );
    if let Ok(rendered) = rendered {
        let notes = rendered.notes.trim_end_matches('\n');
        assert!(notes.is_empty() || path.contains(notes) || notes == path.trim());
    }
}
