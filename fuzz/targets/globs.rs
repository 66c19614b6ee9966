//! Globs of `.Files.Glob`: each ends, and finds no file that is not there.

#![no_main]

use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};
use libfuzzer_sys::fuzz_target;

const TEMPLATE: &str = "{{ range $path, $_ := .Files.Glob .Values.glob }}{{ $path }}\n{{ end }}";

fuzz_target!(|input: (&str, &str)| {
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
});
