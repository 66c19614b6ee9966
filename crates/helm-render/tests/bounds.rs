//! Charts that would take all time or memory there is: each ends, and the error names the bound.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the checks of a test may panic"
)]

use std::time::Duration;

use helm_chart::{Capabilities, Chart, Values};
use helm_render::{Limits, ReleaseOptions, Sources, render, render_within};

fn chart(files: &[(&str, &str)]) -> Chart {
    let own = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.2.3\n");
    let files = files.iter().chain([&own]);
    Chart::from_files(files.map(|(name, text)| ((*name).to_owned(), (*text).into()))).unwrap()
}

fn error(limits: Limits, template: &str) -> String {
    let chart = chart(&[("templates/a.yaml", template)]);
    let release = ReleaseOptions::install("rel", "ns");
    let capabilities = Capabilities::default();
    let rendered = render_within(
        limits,
        &chart,
        &Values::new(),
        &release,
        &capabilities,
        &Sources::system(),
    );
    match rendered {
        Ok(_) => panic!("no bound for {template}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn time_is_bounded() {
    let limits = Limits {
        time: Duration::from_millis(200),
        memory: u64::MAX,
    };
    for template in [
        "{{ range 1000000000000 }}{{ end }}",
        "{{ range $i := 1000000 }}{{ range $j := 1000000 }}{{ $x := add $i $j }}{{ end }}{{ end }}",
        // Shared values are walked over as often as they are reached.
        r#"{{ $d := dict }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ deepEqual $d (deepCopy $d) }}"#,
        r#"{{ $d := list 1 }}{{ range 60 }}{{ $d = list $d $d }}{{ end }}{{ printf "%v" $d | len }}"#,
        r#"{{ define "a" }}{{ if lt . 60 }}{{ include "a" (add 1 . | int) }}{{ include "a" (add 1 . | int) }}{{ end }}{{ end }}{{ include "a" 0 }}"#,
    ] {
        let error = error(limits, template);
        assert!(
            error.contains("the templates take longer than 0.2 s"),
            "{template}: {error}"
        );
    }
}

#[test]
fn memory_is_bounded() {
    let limits = Limits {
        time: Duration::MAX,
        memory: 16 << 20,
    };
    for template in [
        "{{ range 100000000 }}0123456789012345678901234567890123456789{{ end }}",
        r#"{{ $x := "0123456789" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}"#,
        r#"{{ repeat 1000000000 "x" }}"#,
        r#"{{ repeat 1000 "\n" | indent 1000000 }}"#,
        r#"{{ range 1000 }}{{ printf "%100000d" 1 | len }}{{ end }}"#,
        r#"{{ printf "%1000000v" (until 100000) | len }}"#,
        "{{ $l := list }}{{ range 1000 }}{{ $l = append $l (until 100000) }}{{ end }}",
        r#"{{ $d := dict }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ toYaml $d }}"#,
        r#"{{ $d := dict }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ toJson $d }}"#,
        r#"{{ $d := dict }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ $x := deepCopy $d }}"#,
    ] {
        let error = error(limits, template);
        assert!(
            error.contains("the templates make more than 16 MiB of text and lists"),
            "{template}: {error}"
        );
    }
}

/// The bounds are those of one rendering, not of all that a process does.
#[test]
fn each_rendering_has_its_own_bounds() {
    let limits = Limits {
        time: Duration::from_mins(10),
        memory: 1 << 20,
    };
    let chart = chart(&[(
        "templates/NOTES.txt",
        r#"{{ $x := repeat 400000 "x" }}{{ len $x }}"#,
    )]);
    for _ in 0..10 {
        let rendered = render_within(
            limits,
            &chart,
            &Values::new(),
            &ReleaseOptions::install("rel", "ns"),
            &Capabilities::default(),
            &Sources::system(),
        );
        assert_eq!(rendered.unwrap().notes, "400000");
    }
}

/// A schema that leads to itself, nests, or has a pattern that backtracks.
#[test]
fn schemas_end() {
    let deep = format!("{}{}", r#"{"allOf": ["#.repeat(20_000), "]}".repeat(20_000));
    for (schema, expected) in [
        (r##"{"$ref": "#"}"##, None),
        (r##"{"allOf": [{"$ref": "#"}]}"##, None),
        (
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##,
            None,
        ),
        (
            r#"{"properties": {"a": {"pattern": "^(a+)+$"}}}"#,
            Some("does not match pattern"),
        ),
        (&deep, Some("recursion limit exceeded")),
    ] {
        let chart = chart(&[
            ("values.schema.json", schema),
            (
                "values.yaml",
                "a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n",
            ),
        ]);
        let rendered = render(
            &chart,
            &Values::new(),
            &ReleaseOptions::install("rel", "ns"),
            &Capabilities::default(),
            &Sources::system(),
        );
        let error = rendered.err().map(|error| error.to_string());
        match (expected, &error) {
            (None, None) => {}
            (Some(part), Some(error)) if error.contains(part) => {}
            _ => panic!("{schema:.80}: {error:?}"),
        }
    }
}
