//! Image references: charts, templates and registries take what `--image` takes, and make the same of it.

use std::path::Path;

use mcpt_catalog::{CHARTS, Registry, Template};
use mcpt_core::{Image, TemplateId};
use serde_json::{Value, json};

use super::{containers, object, objects};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// Repository and tag as values have them, and what runs; nothing when they are refused.
const TABLE: [(&str, &str, Option<&str>); 24] = [
    ("demo", "", Some("demo:latest")),
    ("demo", "1.10", Some("demo:1.10")),
    (
        "localhost:5000/demo",
        "",
        Some("localhost:5000/demo:latest"),
    ),
    (
        "localhost:5000/a/demo",
        "1",
        Some("localhost:5000/a/demo:1"),
    ),
    ("[fd00::1]:5000/demo", "1", Some("[fd00::1]:5000/demo:1")),
    ("demo", "D", Some("demo@D")),
    ("demo", "1.2@D", Some("demo:1.2@D")),
    ("demo:1.2", "", Some("demo:1.2")),
    ("demo:1.2", "1.2", Some("demo:1.2")),
    ("r:5000/demo:1", "", Some("r:5000/demo:1")),
    ("r:5000/demo:1", "D", Some("r:5000/demo:1@D")),
    ("demo@D", "", Some("demo@D")),
    ("demo@D", "1", Some("demo:1@D")),
    ("demo:1@D", "", Some("demo:1@D")),
    ("demo:1@D", "1@D", Some("demo:1@D")),
    ("demo:1", "2", None),
    ("demo@D", "O", None),
    ("demo:1@D", "2", None),
    ("Demo", "", None),
    ("demo@sha256:ab", "", None),
    ("demo", "sha256:ab", None),
    ("demo", "@D", None),
    ("demo", "a b", None),
    ("https://r.io/demo", "", None),
];

fn rows() -> impl Iterator<Item = (String, String, Option<String>)> {
    let full = |text: &str| match text {
        "Demo" => text.to_owned(),
        _ => text.replace('D', DIGEST).replace('O', OTHER),
    };
    TABLE
        .iter()
        .map(move |(repository, tag, runs)| (full(repository), full(tag), runs.map(full)))
}

#[test]
fn charts_make_of_an_image_what_the_flag_makes() {
    for (repository, tag, runs) in rows() {
        let image = json!({"repository": repository, "tag": tag});
        for (chart, values, container) in [
            ("mcp-server", json!({"image": image}), "server"),
            (
                "mcp-server",
                json!({"mcpt": {"image": image}}),
                "install-mcpt",
            ),
            ("mcpt-gateway", json!({"image": image}), "gateway"),
        ] {
            assert!(CHARTS.contains(&chart));
            // Without a tag mcpt's own image is that of this version.
            let version = env!("CARGO_PKG_VERSION");
            let own = |image: &str| match container {
                "server" => image.to_owned(),
                _ => image.replace(":latest", &format!(":{version}")),
            };
            let objects = objects(chart, "x", "y", &values);
            let found = objects.as_deref().ok().map(|objects| {
                let all = containers(objects);
                let found = all.iter().find(|c| c["name"] == container);
                found
                    .and_then(|c| c["image"].as_str())
                    .expect("an image")
                    .to_owned()
            });
            assert_eq!(
                found,
                runs.as_deref().map(own),
                "{chart}: {repository} {tag}"
            );
        }
        let by_flag = Image::parse(&repository).and_then(|image| match tag.as_str() {
            "" => Ok(image),
            tag => image.with_tag(tag),
        });
        assert_eq!(
            by_flag.ok().map(|i| i.reference()),
            runs,
            "{repository} {tag}"
        );
    }
}

#[test]
fn templates_and_registries_take_the_same() {
    for (repository, tag, runs) in rows() {
        let mut template = json!({"name": "M", "description": "", "docker_image": repository,
            "transport": {"default": "http"}});
        if !tag.is_empty() {
            template["docker_tag"] = json!(tag);
        }
        let id = TemplateId::new("m").expect("an id");
        let parsed = Template::parse(id, Path::new("m/template.json"), &template.to_string());
        let found = parsed.ok().and_then(|t| t.image).map(|i| i.reference());
        assert_eq!(found, runs, "{repository} {tag}");

        if !tag.is_empty() {
            continue;
        }
        let registry = json!({"m": {"image": repository}}).to_string();
        let parsed = Registry::parse(Path::new("r.json"), &registry);
        let found = parsed.ok().map(|registry| {
            let entry = registry.get("m").expect("the entry");
            entry.image.as_ref().expect("an image").reference()
        });
        assert_eq!(found, runs, "{repository}");
    }
}

#[test]
fn a_refusal_names_the_place_and_the_reason() {
    let text = "{\n  \"m\": {\n    \"image\": \"r.io/Demo:1\"\n  }\n}";
    let error = Registry::parse(Path::new("r.json"), text).expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        "r.json:3: m.image: \"r.io/Demo:1\" is not the name of an image: its repository must be in lower case"
    );
}

/// A plan's image comes back out of the chart as it went into the plan.
#[test]
fn images_of_plans_keep_tag_and_digest() {
    for text in ["a:1", "r:5000/a/b@D", "r:5000/a/b:1@D"] {
        let text = text.replace('D', DIGEST);
        let image = Image::parse(&text).expect("an image");
        let values = json!({"image": {"repository": image.repository, "tag": image.version()}});
        let objects = objects("mcp-server", "x", "y", &values).expect("objects");
        let deployment = object(&objects, "Deployment");
        let container = deployment.pointer("/spec/template/spec/containers/0/image");
        assert_eq!(container.and_then(Value::as_str), Some(text.as_str()));
    }
}
