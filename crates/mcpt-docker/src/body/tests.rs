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
