//! Charts that each show a part of Helm, against what Helm 4.3.1 prints for them (`goldens/`).

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

use std::fs;
use std::path::Path;

use helm_chart::{Capabilities, Chart, Overrides};
use helm_render::{HookEvent, ReleaseOptions, Rendered, Sources, render};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// Renders a chart with one of its values files.
fn rendered(chart: &str, values: Option<&Path>) -> Result<Rendered, String> {
    let chart = Chart::from_dir(&folder("testdata/charts").join(chart)).unwrap();
    let file = |path: &Path| {
        (
            path.display().to_string(),
            fs::read_to_string(path).unwrap(),
        )
    };
    let overrides = Overrides {
        files: values.map(file).into_iter().collect(),
        ..Overrides::default()
    };
    let release = ReleaseOptions::install("rel", "ns");
    let values = overrides.merge().unwrap();
    render(
        &chart,
        &values,
        &release,
        &Capabilities::default(),
        &Sources::system(),
    )
    .map_err(|e| e.to_string())
}

#[test]
fn charts_render_as_helm_renders_them() {
    let mut checked = 0;
    for golden in fs::read_dir(folder("goldens")).unwrap() {
        let path = golden.unwrap().path();
        let Some(case) = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .strip_suffix(".yaml")
        else {
            continue;
        };
        let chart = case.split("--").next().unwrap();
        let values = folder("testdata/values").join(format!("{case}.yaml"));
        let found = match rendered(chart, case.contains("--").then_some(values.as_path())) {
            Ok(rendered) => rendered.template_text(),
            // Helm's hint to use --debug has a blank line before it.
            Err(e) => format!("Error: {e}\n\n"),
        };
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(found.trim_end(), expected.trim_end(), "{case}");
        if !expected.starts_with("Error") {
            assert_eq!(found, expected, "the end of {case}");
        }
        checked += 1;
    }
    let charts = fs::read_dir(folder("testdata/charts")).unwrap().count();
    let values = fs::read_dir(folder("testdata/values")).unwrap().count();
    assert_eq!(
        checked,
        charts + values,
        "a golden for each chart and each values file"
    );
}

#[test]
fn manifests_are_typed_and_in_order() {
    let rendered = rendered("order", None).unwrap();
    let kinds: Vec<&str> = rendered.manifests.iter().map(|m| m.kind.as_str()).collect();
    assert_eq!(kinds[..2], ["PriorityClass", "Namespace"]);
    assert_eq!(kinds[kinds.len() - 2..], ["List", "Widget"]);
    let json = rendered
        .manifests
        .iter()
        .find(|m| m.name == "json")
        .unwrap();
    assert_eq!(json.source, "order/templates/json.json");
    assert_eq!(json.api_version, "v1");
    assert_eq!(json.object["metadata"]["name"], "json");
    // A name that is a number in YAML is a name all the same.
    assert!(
        rendered
            .manifests
            .iter()
            .any(|m| m.kind == "Secret" && m.name == "123")
    );
}

#[test]
fn hooks_carry_events_weights_and_policies() {
    let rendered = rendered("hooks", None).unwrap();
    assert_eq!(rendered.notes, "Notes of hooks.\n");
    let names: Vec<&str> = rendered.hooks.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["account", "pre", "rel-test", "post"]);
    let pre = &rendered.hooks[1];
    assert_eq!(pre.events, [HookEvent::PreInstall, HookEvent::PreUpgrade]);
    assert_eq!(pre.weight, -5);
    assert_eq!(
        pre.delete_policies,
        ["before-hook-creation", "hook-succeeded"]
    );
    let post = &rendered.hooks[3];
    assert_eq!(
        (post.weight, &post.output_log_policies[..]),
        (5, &["hook-failed".to_owned()][..])
    );
    assert_eq!(rendered.hooks[2].events, [HookEvent::Test]);
}

#[test]
fn upgrades_say_so() {
    let chart = Chart::from_files([
        (
            "Chart.yaml".to_owned(),
            b"apiVersion: v2\nname: c\nversion: 1.0.0\n".to_vec(),
        ),
        (
            "templates/NOTES.txt".to_owned(),
            b"{{ .Release | toJson }}".to_vec(),
        ),
    ]);
    let release = ReleaseOptions {
        name: "r".to_owned(),
        namespace: "n".to_owned(),
        revision: 7,
        is_upgrade: true,
    };
    let values = helm_chart::Values::new();
    let capabilities = Capabilities::default();
    let rendered = render(
        &chart.unwrap(),
        &values,
        &release,
        &capabilities,
        &Sources::system(),
    );
    assert_eq!(
        rendered.unwrap().notes,
        "{\"IsInstall\":false,\"IsUpgrade\":true,\"Name\":\"r\",\"Namespace\":\"n\",\
         \"Revision\":7,\"Service\":\"Helm\"}"
    );
}
