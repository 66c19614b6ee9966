//! The template format: what is accepted, and the exact reports of what is not.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::Path};

use mcpt_catalog::{Catalog, CatalogError, Origin, Settings, Template, compile};
use mcpt_core::{Capabilities, Capability, Failure, FailureKind, TemplateId};
use mcpt_source::Source;
use serde_json::Value;

fn parse(text: &str) -> Result<Template, String> {
    let id = TemplateId::new("mine").expect("an id");
    Template::parse(id, Path::new("mine/template.json"), text).map_err(|error| error.to_string())
}

fn report(text: &str) -> String {
    parse(text).expect_err("a template with problems")
}

#[test]
fn the_least_template() {
    let template =
        parse(r#"{"name": "M", "description": "", "local_command": ["m"]}"#).expect("good");
    assert_eq!(template.version, "latest");
    assert_eq!(template.transport.default, "stdio");
    let plan = compile(&template, &Settings::default()).expect("a plan");
    assert_eq!(plan.local_command, ["m"]);
    assert_eq!(plan.image, None);
    assert!(plan.env.is_empty());
}

#[test]
fn broken_json_names_line_and_column() {
    assert_eq!(
        report("{\"name\": \"x\",\n  oops}\n"),
        "mine/template.json:2:3: key must be a string"
    );
    assert_eq!(
        report(""),
        "mine/template.json:1:0: EOF while parsing a value"
    );
}

#[test]
fn every_problem_of_the_format_at_once() {
    let text = r#"{
  "name": 1,
  "descripton": "x",
  "docker_image": "a b",
  "tags": ["a", 2],
  "transport": {
    "default": "htpp",
    "port": 0, "prot": 1
  },
  "config_schema": {
    "properties": {
      "a": {"type": "strng"},
      "b": {"type": "string", "env_maping": "B"},
      "b": {"env_mapping": "1B"}
    }
  },
  "sessions": "some",
  "x-note": "free"
}"#;
    let lines: Vec<_> = report(text).lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "mine/template.json:1: description is missing",
            "mine/template.json:2: name: 1 is not a string",
            "mine/template.json:3: descripton: unknown field: did you mean \"description\"?",
            "mine/template.json:4: docker_image: \"a b\" does not match the pattern ^[^\\s]+$",
            "mine/template.json:5: tags[1]: 2 is not a string",
            "mine/template.json:7: transport.default: \"htpp\" is not one of stdio, http, streamable-http, sse",
            "mine/template.json:8: transport.port: 0 is less than 1",
            "mine/template.json:8: transport.prot: unknown field: did you mean \"port\"?",
            "mine/template.json:12: config_schema.properties.a.type: \"strng\" is not one of string, integer, number, boolean, array, object, null, and \"strng\" is not an array",
            "mine/template.json:14: config_schema.properties.b: it is given twice",
            "mine/template.json:14: config_schema.properties.b.env_mapping: \"1B\" does not match the pattern ^[A-Za-z_][A-Za-z0-9_]*$",
            "mine/template.json:17: sessions: \"some\" is not one of stateful, stateless, single",
        ]
    );
}

#[test]
fn what_no_schema_can_say() {
    let text = r#"{
  "name": "M", "description": "", "docker_image": "m",
  "transport": {"default": "http", "supported": ["stdio"]},
  "config_schema": {
    "properties": {
      "key": {"type": "string", "sensitive": true, "command_arg": true},
      "level": {"enum": ["a", "b"], "default": "c"},
      "count": {"type": "integer", "default": "many"},
      "dirs": {"type": "boolean", "volume_mount": true},
      "one": {"env_mapping": "LEVEL"},
      "keys": {"volume_mount": true, "sensitive": true}
    },
    "required": ["levle"]
  }
}"#;
    let report = report(text);
    let lines: Vec<_> = report.lines().collect();
    for (line, expected) in [
        "mine/template.json:3: transport.default: \"http\" is not among the supported transports stdio",
        "mine/template.json:6: config_schema.properties.key.command_arg: a secret cannot be an argument, where every process list shows it; if it is none, say \"sensitive\": false",
        "mine/template.json:7: config_schema.properties.level.default: \"c\" is not one of a, b",
        "mine/template.json:8: config_schema.properties.count.default: \"many\" is not an integer",
        "mine/template.json:9: config_schema.properties.dirs.volume_mount: a setting of type boolean cannot name folders",
        "mine/template.json:10: config_schema.properties.one: it has the same environment variable LEVEL as level",
        "mine/template.json:11: config_schema.properties.keys.volume_mount: a folder cannot be a secret",
        "mine/template.json:13: config_schema.required[0]: there is no setting \"levle\": did you mean \"level\"?",
    ]
    .iter()
    .enumerate()
    {
        assert!(lines.contains(expected), "{line}: {expected}\nin\n{report}");
    }
}

/// Who begins the sessions of a server can bound them.
#[test]
fn one_session_at_a_time_is_for_stdio() {
    for (transports, fits) in [
        ("\"stdio\"", true),
        ("\"http\", \"stdio\"", true),
        ("\"http\"", false),
    ] {
        let text = format!(
            r#"{{"name": "M", "description": "", "docker_image": "m", "command": ["m"], "sessions": "single",
"transport": {{"supported": [{transports}], "default": "{}"}}}}"#,
            if fits { "stdio" } else { "http" }
        );
        match parse(&text) {
            Ok(_) => assert!(fits, "{transports}"),
            Err(told) => assert!(
                !fits && told.contains("sessions: \"single\" is for stdio servers"),
                "{told}"
            ),
        }
    }
}

#[test]
fn the_format_and_its_meaning_at_once() {
    let text = r#"{
  "name": 1, "description": "", "docker_image": "m",
  "transport": {"default": "http", "supported": ["stdio"], "prot": 1},
  "config_schema": {
    "properties": {
      "level": {"enum": ["a", "b"], "default": "c"},
      "both": {"type": "strng", "default": 1},
      "count": {"type": "integer", "default": "many", "titel": "x"}
    },
    "required": ["levle"]
  }
}"#;
    let report = report(text);
    let lines: Vec<_> = report
        .lines()
        .map(|line| line.strip_prefix("mine/template.json:").expect("its name"))
        .collect();
    assert_eq!(
        lines,
        [
            "2: name: 1 is not a string",
            "3: transport.prot: unknown field: did you mean \"port\"?",
            "3: transport.default: \"http\" is not among the supported transports stdio",
            "6: config_schema.properties.level.default: \"c\" is not one of a, b",
            "7: config_schema.properties.both.type: \"strng\" is not one of string, integer, number, boolean, array, object, null, and \"strng\" is not an array",
            "8: config_schema.properties.count.titel: unknown field: did you mean \"title\"?",
            "8: config_schema.properties.count.default: \"many\" is not an integer",
            "10: config_schema.required[0]: there is no setting \"levle\": did you mean \"level\"?",
        ]
    );
}

#[test]
fn patterns_and_conditions_must_be_schemas() {
    let with = |schema: &str| {
        report(&format!(
            r#"{{"name": "M", "description": "", "docker_image": "m", "config_schema": {schema}}}"#
        ))
    };
    assert_eq!(
        with(r#"{"properties": {"a": {"pattern": "(?<"}}}"#),
        "mine/template.json:1: config_schema.properties.a.pattern: \"(?<\" is not of the format regex"
    );
    let report = with(r#"{"anyOf": [{"required": 1}]}"#);
    assert!(
        report.starts_with("mine/template.json:1: config_schema: not a valid schema: "),
        "{report}"
    );
    let report = with(r#"{"allOf": [{"$ref": "https://example.org/x.json"}]}"#);
    assert!(report.contains("not a valid schema"), "{report}");
}

#[test]
fn a_template_without_anything_to_run() {
    assert_eq!(
        report(r#"{"name": "M", "description": ""}"#),
        "mine/template.json:1: docker_image or local_command or package is missing"
    );
}

/// A value for each setting that a template cannot do without.
fn needed(template: &Template) -> Vec<(String, String)> {
    let conditions = template.config.conditions.get("anyOf");
    let first = conditions.and_then(|any| any.pointer("/0/required")?.as_array());
    let first = first.into_iter().flatten().filter_map(Value::as_str);
    let required = template.config.required.iter().map(String::as_str);
    required
        .chain(first)
        .map(|name| {
            let value = match template.config.properties[name].type_name() {
                "integer" => "1",
                _ => "https://server.example",
            };
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn built_in_templates() {
    let entries = Catalog::default().list().entries;
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    assert!(ids.len() >= 50, "{ids:?}");
    for entry in entries {
        assert_eq!(entry.origin, Origin::BuiltIn);
        let template = match entry.template {
            Ok(template) => template,
            Err(error) => panic!("{error}"),
        };
        // What a package is fetched for is always one version.
        let package = template.package.as_ref().map(ToString::to_string);
        if let Some(package) = &package {
            assert!(package.ends_with(&template.version), "{package}");
        }
        assert!(
            template.image.is_some() || package.is_some(),
            "{}",
            entry.id
        );
        for transport in &template.transport.supported {
            let settings = Settings {
                transport: Some(transport.clone()),
                config: needed(&template),
                working_dir: Some("/".into()),
                ..Settings::default()
            };
            let plan = compile(&template, &settings);
            let plan = plan.unwrap_or_else(|error| panic!("{}: {error}", entry.id));
            for (name, property) in &template.config.properties {
                if property.is_sensitive(name) {
                    let variable = property.env_name(name).expect("no argument is secret");
                    assert!(!plan.env.contains_key(&variable), "{}: {name}", entry.id);
                }
            }
        }
    }
    for first in ["demo", "everything", "filesystem", "time"] {
        let template = Catalog::default().get(first).expect(first);
        compile(&template, &Settings::default()).expect("a first try needs no settings");
    }
    let demo = Catalog::default().get("demo").expect("demo");
    let image = demo.image.expect("an image");
    assert_eq!(
        image.tag.as_deref(),
        Some(env!("CARGO_PKG_VERSION")),
        "the image of this version"
    );
    assert_eq!(demo.version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn unknown_templates() {
    let error = Catalog::default()
        .get("dmeo")
        .expect_err("no such template");
    assert_eq!(
        error.to_string(),
        "unknown template \"dmeo\": did you mean \"demo\"?"
    );
    assert_eq!(Failure::from(error).kind, FailureKind::Usage);
    let error = Catalog::default()
        .get("Gärtner")
        .expect_err("no such template");
    assert_eq!(error.to_string(), "unknown template \"Gärtner\"");
}

#[test]
fn folders_of_the_user() {
    let root = tempfile::tempdir().expect("a folder");
    let text = r#"{"name": "Mine", "description": "", "local_command": ["m"]}"#;
    for (folder, text) in [
        ("mine", text),
        ("demo", text),
        ("broken", "{}"),
        ("Upper", text),
    ] {
        fs::create_dir(root.path().join(folder)).expect("a folder");
        fs::write(root.path().join(folder).join("template.json"), text).expect("a file");
    }
    fs::create_dir(root.path().join("empty")).expect("a folder");

    let catalog = Catalog::new([root.path().to_owned()]);
    let entries = catalog.list().entries;
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for missing in ["empty", "Upper"] {
        assert!(!ids.contains(&missing), "{ids:?}");
    }
    let entry = |id: &str| {
        let found = entries.iter().find(|entry| entry.id.as_str() == id);
        found.expect(id)
    };
    let broken = &entry("broken").template;
    assert!(matches!(broken, Err(CatalogError::Template(_))));
    assert_eq!(
        entry("demo").origin,
        Origin::Folder(root.path().join("demo"))
    );
    assert_eq!(
        entry("mine").origin,
        Origin::Folder(root.path().join("mine"))
    );
    assert_eq!(entry("time").origin, Origin::BuiltIn);
    assert_eq!(catalog.get("demo").expect("mine").name, "Mine");

    let path = |folder: &str| root.path().join(folder).to_str().expect("UTF-8").to_owned();
    let by_path = Catalog::default().get(&path("mine")).expect("by its path");
    assert_eq!(by_path.id.as_str(), "mine");
    let dotted = Catalog::default()
        .get(&path("mine/../mine/."))
        .expect("by its path");
    assert_eq!(dotted.id.as_str(), "mine");
    assert!(matches!(
        Catalog::default().get(&path("Upper")),
        Err(CatalogError::Id { .. })
    ));
    assert!(matches!(
        Catalog::default().get(&path("empty")),
        Err(CatalogError::Read { .. })
    ));
    let by_file = Catalog::default()
        .get(&path("mine/template.json"))
        .expect("by its file");
    assert_eq!(by_file.id.as_str(), "mine");

    let listing = Catalog::new([root.path().join("nowhere"), root.path().to_owned()]).list();
    let own = entries.len();
    assert_eq!(
        listing.entries.len(),
        own,
        "a missing folder hides no other"
    );
    assert!(matches!(&listing.unread[..], [CatalogError::Read { .. }]));
    let error = Catalog::new([root.path().join("nowhere")])
        .get("mine")
        .expect_err("where it cannot be found");
    let failure = Failure::from(error);
    assert!(failure.why[0].contains("nowhere"), "{failure}");
}

/// A folder of templates is often somebody else's.
#[test]
fn nothing_outside_a_templates_folder_is_read() {
    let place = tempfile::tempdir().expect("a folder");
    let text = r#"{"name": "Secret", "description": "d", "image": "i"}"#;
    fs::create_dir_all(place.path().join("outside/t")).expect("a folder");
    fs::write(place.path().join("outside/t/template.json"), text).expect("a file");
    let root = place.path().join("templates");
    fs::create_dir_all(&root).expect("a folder");
    let link = |target: &Path, name: &str| {
        fs::create_dir_all(root.join(name)).expect("a folder");
        std::os::unix::fs::symlink(target, root.join(name).join("template.json")).expect("a link");
    };
    link(&place.path().join("outside/t/template.json"), "file");
    link(Path::new("/dev/zero"), "endless");
    std::os::unix::fs::symlink(place.path().join("outside/t"), root.join("folder"))
        .expect("a link");

    let catalog = Catalog::new([root.clone()]);
    for name in ["file", "endless", "folder"] {
        let error = catalog.get(name).expect_err(name).to_string();
        assert!(error.contains("a link leads out of"), "{error}");
    }
    let listing = catalog.list();
    for id in ["file", "endless", "folder"] {
        let entry = listing.entries.iter().find(|entry| entry.id.as_str() == id);
        assert!(entry.expect("it is listed").template.is_err(), "{id}");
    }
    for path in ["file", "endless", "endless/template.json"] {
        let path = root.join(path).display().to_string();
        let error = Catalog::default().get(&path).expect_err(&path).to_string();
        assert!(error.contains("a link leads out of"), "{error}");
    }
    // A folder that the user names may itself be a link.
    let path = root.join("folder").display().to_string();
    let error = Catalog::default().get(&path).expect_err(&path).to_string();
    assert!(!error.contains("a link leads out of"), "{error}");

    let fifo = root.join("fifo");
    fs::create_dir(&fifo).expect("a folder");
    let made = std::process::Command::new("mkfifo")
        .arg(fifo.join("template.json"))
        .status();
    assert!(made.expect("mkfifo").success());
    for name in ["fifo", &fifo.display().to_string()] {
        let error = catalog.get(name).expect_err(name).to_string();
        assert!(error.ends_with("it is a FIFO, not a file"), "{error}");
    }
}

/// The guide's chapter names every field of the format.
#[test]
fn the_guide_knows_every_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let schema: Value =
        serde_json::from_str(&read("schema/template.schema.json")).expect("the format's schema");
    let chapter = read("../../docs/src/templates-and-values.md");
    for place in [
        "/properties",
        "/$defs/transport/properties",
        "/$defs/config_schema/properties",
        "/$defs/property/properties",
    ] {
        let fields = schema.pointer(place).and_then(Value::as_object);
        for field in fields.expect("fields").keys() {
            assert!(chapter.contains(&format!("`{field}`")), "{place}/{field}");
        }
    }
}

#[test]
fn a_package_runs_where_there_are_no_images() {
    let images = Capabilities::new(&[Capability::Images]);
    let packages = Capabilities::new(&[Capability::Packages]);
    let both = Capabilities::new(&[Capability::Images, Capability::Packages]);
    let template = parse(
        r#"{"name": "M", "description": "", "docker_image": "x/y", "package": "npm:@a/b@1.2.3", "program": "c"}"#,
    )
    .expect("good");
    let package = template.package_for(packages).expect("a package");
    assert_eq!(package.to_string(), "npm:@a/b@1.2.3");
    assert!(matches!(package, Source::Npm(package) if package.bin.as_deref() == Some("c")));
    assert!(template.package_for(images).is_none() && template.package_for(both).is_none());
    assert!(
        [images, packages, both]
            .into_iter()
            .all(|can| template.runs_on(can))
    );
    let template =
        parse(r#"{"name": "M", "description": "", "package": "pypi:b==1"}"#).expect("good");
    assert!(template.package_for(both).is_some() && !template.runs_on(images));
    for (text, told) in [
        (r#""package": "oci:x/y""#, "is no package"),
        (r#""package": "npm:../x""#, "npm:NAME[@VERSION]"),
        (
            r#""package": "npm:x", "local_command": ["y"]"#,
            "leave one out",
        ),
        (r#""program": "x", "local_command": ["y"]"#, "there is none"),
    ] {
        let error = parse(&format!(r#"{{"name": "M", "description": "", {text}}}"#)).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
