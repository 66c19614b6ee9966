//! A template whose server is a package.

use mcpt_tests::Mcpt;
use serde_json::json;

use crate::called;

#[test]
fn a_template_runs_from_a_package() {
    let mcpt = Mcpt::default();
    let template = json!({
        "name": "Clock", "description": "A test.", "version": "1.0.0",
        "package": "pypi:mcp-server-time==2026.10.19",
        "config_schema": {"properties": {
            "zone": {"type": "string", "command_arg": "--local-timezone"},
        }},
    });
    std::fs::create_dir(mcpt.home().join("clock")).expect("a folder");
    let folder = mcpt.file("clock/template.json", &template.to_string());
    let shown = mcpt.json(&["template", "show", &folder]);
    assert_eq!(shown["package"], "pypi:mcp-server-time==2026.10.19");
    assert_eq!(
        shown["backends"],
        json!(["process", "docker", "podman", "kubernetes"]),
        "{shown}"
    );
    let dry = mcpt.json(&["deploy", &folder, "-c", "zone=UTC", "--dry-run"]);
    let dry = &dry[0];
    assert_eq!(dry["template"], "clock", "{dry}");
    assert_eq!(
        dry["package"]["source"], "pypi:mcp-server-time==2026.10.19",
        "{dry}"
    );
    assert!(
        dry["package"]["lock"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );

    let _ = mcpt.run(&["deploy", &folder, "-c", "zone=Asia/Tokyo"]).ok();
    let status = mcpt.json(&["status", "clock"]);
    assert_eq!(status["template"], "clock", "{status}");
    let source = "pypi:mcp-server-time==2026.10.19 -- --local-timezone=Asia/Tokyo";
    assert_eq!(status["source"], source, "{status}");
    let arguments = r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Tokyo"}"#;
    assert!(called(&mcpt, "clock", "convert_time", arguments).contains("21:00"));
}
