//! What is read off containers that are there.

use mcpt_core::redact;

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
