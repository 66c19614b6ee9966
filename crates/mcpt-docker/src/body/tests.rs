//! What is read off containers that are there.

use mcpt_core::{Arg, ArgPart, redact};

use super::*;

#[test]
fn secrets_of_a_container_are_those_that_its_label_marks() {
    let labels = HashMap::from([
        (marks::ENV, "PLAIN,TOKEN!,ABSENT!"),
        (marks::PORT, "8080"),
        (marks::TRANSPORT, "stdio"),
    ]);
    let container = json!({
        "Image": "sha256:0",
        "Config": {"Labels": labels, "Env": ["PLAIN=visible", "TOKEN=hunter2=of-it", "PATH=/bin"]},
        "HostConfig": {},
    });
    let container = serde_json::from_value(container).unwrap();
    let server = ServerName::new("demo").unwrap();
    let template = Template::of_container(&server, &container).unwrap();
    let shown = redact("visible hunter2=of-it /bin", &template.secrets());
    assert_eq!(shown, format!("visible {REDACTED} /bin"));
    assert!(template.gives("TOKEN") && !template.gives("TOK") && !template.gives("ABSENT"));
}

/// As Podman tells of a container, which was asked for these by its mounts.
#[test]
fn folders_of_a_container_are_those_that_it_has() {
    let labels = HashMap::from([(marks::PORT, "8080"), (marks::TRANSPORT, "stdio")]);
    let container = json!({
        "Image": "sha256:0",
        "Config": {"Labels": labels},
        "HostConfig": {"Binds": ["v:/data:rprivate"]},
        "Mounts": [
            {"Type": "volume", "Name": "v", "Source": "/var/v", "Destination": "/data", "RW": true},
            {"Type": "volume", "Name": "p", "Source": "/var/p", "Destination": "/p", "RW": false},
            {"Type": "bind", "Source": "/home/me", "Destination": "/me", "RW": true},
        ],
    });
    let container = serde_json::from_value(container).unwrap();
    let server = ServerName::new("demo").unwrap();
    let template = Template::of_container(&server, &container).unwrap();
    let mounts = template.body.host_config.unwrap().mounts.unwrap();
    let said: Vec<_> = mounts
        .iter()
        .map(|mount| (mount.typ, mount.source.as_deref(), mount.read_only))
        .collect();
    assert_eq!(
        said,
        [
            (Some(MountType::VOLUME), Some("v"), Some(false)),
            (Some(MountType::VOLUME), Some("p"), Some(true)),
            (Some(MountType::BIND), Some("/home/me"), Some(false)),
        ]
    );
}

#[test]
fn a_folder_that_is_read_only_is_mounted_so() {
    let folder = std::env::temp_dir();
    let of = |container: &str, read_only| mcpt_core::Mount {
        setting: container.to_owned(),
        host: Some(folder.clone()),
        container: container.to_owned(),
        read_only,
    };
    let plan = Plan {
        mounts: vec![of("/docs", true), of("/work", false)],
        ..Plan::bare(
            ServerName::new("demo").unwrap(),
            mcpt_core::TemplateId::new("demo").unwrap(),
            Transport::Stdio,
        )
    };
    let facts = Facts {
        id: String::new(),
        user: String::new(),
        entrypoint: None,
        command: None,
        stdio: None,
    };
    let mut faults = Failure::new(FailureKind::Usage, "x");
    let (mounts, ..) = mounts(&plan, &facts, &mut faults);
    let said: Vec<_> = mounts.iter().map(|mount| mount.read_only).collect();
    assert_eq!(said, [Some(true), None]);
}

/// `docker run -i python:3.12 python -m srv --api-key KEY`: such an image says no program, and the first argument is it.
#[test]
fn the_program_of_an_image_without_one_is_the_first_argument() {
    let text = |text: &str| Arg::Text(text.to_owned());
    let secret = || Arg::Secret(vec![ArgPart::Variable("KEY".to_owned())]);
    let body = |args: Vec<Arg>, entrypoint: Option<&[&str]>, transport: Transport| {
        let plan = Plan {
            image: Some("python:3.12".parse().unwrap()),
            args,
            secrets: BTreeMap::from([("KEY".to_owned(), Secret::new("hunter2"))]),
            ..Plan::bare(
                ServerName::new("demo").unwrap(),
                mcpt_core::TemplateId::new("demo").unwrap(),
                transport,
            )
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let facts = Facts {
            id: "sha256:0".to_owned(),
            entrypoint: entrypoint.map(words),
            command: Some(vec!["python3".to_owned()]),
            ..Facts::default()
        };
        Template::of_plan(&plan, &facts, "x").map(|template| {
            let words = template.body.entrypoint.unwrap();
            let fill = words.iter().position(|word| word == "fill").unwrap();
            let args = template.body.cmd.unwrap_or_default();
            (words[fill..].join(" "), args.join(" "))
        })
    };
    let http = Transport::Http {
        port: 80,
        path: "/mcp".to_owned(),
        port_env: None,
    };
    for transport in [Transport::Stdio, http] {
        let args = vec![text("py$thon"), text("a$b"), secret()];
        let found = body(args.clone(), None, transport.clone()).unwrap();
        // What is filled in is all but the program.
        let expected = ("fill -- py$thon", "a$$b $(KEY)");
        assert_eq!((found.0.as_str(), found.1.as_str()), expected);
        let found = body(args, Some(&["/run", "a$"]), transport.clone()).unwrap();
        let expected = ("fill -- /run a$$", "py$$thon a$$b $(KEY)");
        assert_eq!((found.0.as_str(), found.1.as_str()), expected);
        let refused = body(vec![secret()], None, transport).unwrap_err();
        assert!(
            refused.to_string().contains("names no program"),
            "{refused}"
        );
    }
}
