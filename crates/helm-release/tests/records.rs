//! Records that real helm (3.22.0 and 4.3.1) wrote into a cluster, for the chart beside them: install with values, then upgrade.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use helm_chart::{Chart, Values, process_dependencies};
use helm_release::{
    ChartRecord, Error, HookEvent, HookPhase, Release, ReleaseSecret, Status, hooks_for,
};
use serde_json::{Value, json};

fn records() -> impl Iterator<Item = (&'static str, Value)> {
    [
        ("helm3-v1", include_str!("records/helm3-v1.json")),
        ("helm3-v2", include_str!("records/helm3-v2.json")),
        ("helm4-v1", include_str!("records/helm4-v1.json")),
        ("helm4-v2", include_str!("records/helm4-v2.json")),
    ]
    .into_iter()
    .map(|(name, text)| (name, serde_json::from_str(text).unwrap()))
}

fn record(wanted: &str) -> Release {
    let (_, object) = records().find(|(name, _)| *name == wanted).unwrap();
    ReleaseSecret::from_object(&object)
        .unwrap()
        .decode()
        .unwrap()
}

/// The JSON inside, unpacked by hand.
fn raw(object: &Value) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use std::io::Read as _;
    let outer = STANDARD
        .decode(object["data"]["release"].as_str().unwrap())
        .unwrap();
    let packed = STANDARD.decode(outer).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn reading_and_writing_changes_nothing() {
    for (name, object) in records() {
        let secret = ReleaseSecret::from_object(&object).unwrap();
        let release = secret.decode().unwrap();
        assert_eq!(
            serde_json::to_value(&release).unwrap(),
            raw(&object),
            "{name}"
        );

        let again = ReleaseSecret::update(&release, &secret.custom_labels(), 7).unwrap();
        assert_eq!(raw(&again.to_object()), raw(&object), "{name}");
        assert_eq!(again.name, secret.name);
        assert_eq!(
            ReleaseSecret::from_object(&again.to_object()).unwrap(),
            again
        );
    }
}

#[test]
fn the_fields_arrive_where_they_belong() {
    let release = record("helm4-v2");
    assert_eq!((release.name.as_str(), release.version), ("r-helm4", 2));
    assert_eq!(release.namespace, "engine-records");
    assert_eq!(release.apply_method, "ssa");
    assert_eq!(release.info.status, Status::Deployed);
    assert_eq!(release.info.notes, "Thanks for r-helm4\n");
    assert_eq!(
        release.config,
        json!({"ratio": 2}).as_object().unwrap().clone()
    );
    let chart = release.chart.unwrap();
    assert_eq!(chart.metadata.version, "0.2.0");
    assert_eq!(chart.files[0].data, b"a file\n");
    let hook = hooks_for(&release.hooks, HookEvent::PostUpgrade)[0];
    assert_eq!((hook.name.as_str(), hook.weight), ("r-helm4-hook", -5));
    assert_eq!(hook.last_run.phase, HookPhase::Succeeded);
    assert_eq!(
        hooks_for(&release.hooks, HookEvent::PreDelete),
        Vec::<&helm_release::Hook>::new()
    );

    let old = record("helm3-v1");
    assert_eq!(old.info.status, Status::Superseded);
    assert_eq!(old.info.deleted.as_deref(), Some(""));
    assert_eq!(old.apply_method, "");
    assert_eq!(old.config["l"], json!(["a", "b"]));
}

/// What we would store for the same chart is what helm stored, but for the times of the files.
#[test]
fn our_chart_record_is_that_of_helm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/chart");
    let mut chart = Chart::from_dir(&folder).unwrap();
    process_dependencies(&mut chart, &Values::new()).unwrap();
    let ours = serde_json::to_value(ChartRecord::from(&chart)).unwrap();

    let (_, object) = records().find(|(name, _)| *name == "helm4-v1").unwrap();
    let mut theirs = raw(&object)["chart"].take();
    theirs.as_object_mut().unwrap().remove("modtime");
    theirs["schemamodtime"] = json!("0001-01-01T00:00:00Z");
    for list in ["templates", "files"] {
        for file in theirs[list].as_array_mut().unwrap() {
            file.as_object_mut().unwrap().remove("modtime");
        }
    }
    assert_eq!(ours, theirs);
}

#[test]
fn a_new_secret_has_the_labels_that_helm_looks_for() {
    let mut release = record("helm4-v2");
    release.info.status = Status::PendingUpgrade;
    let custom = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let secret = ReleaseSecret::create(&release, &custom, 1_700_000_000).unwrap();
    let object = secret.to_object();
    assert_eq!(object["type"], "helm.sh/release.v1");
    assert_eq!(object["metadata"]["name"], "sh.helm.release.v1.r-helm4.v2");
    assert_eq!(object["metadata"]["namespace"], "engine-records");
    assert_eq!(
        object["metadata"]["labels"],
        json!({
            "createdAt": "1700000000", "name": "r-helm4", "owner": "helm", "status": "pending-upgrade", "team": "red",
            "version": "2"
        })
    );
    assert_eq!(
        (secret.revision(), secret.status()),
        (Some(2), Status::PendingUpgrade)
    );
    assert_eq!(secret.custom_labels(), custom);

    let reserved = BTreeMap::from([("owner".to_owned(), "me".to_owned())]);
    let refused = ReleaseSecret::create(&release, &reserved, 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "user supplied labels contains system reserved label name: \"owner\""
    );
}

#[test]
fn a_record_that_no_secret_can_hold_is_refused() {
    let mut release = record("helm4-v2");
    // Does not pack well.
    let numbers = (0u64..200_000).map(|n| n.wrapping_mul(n).wrapping_mul(0x9e37_79b9).to_string());
    release.manifest = numbers.collect();
    match ReleaseSecret::create(&release, &BTreeMap::new(), 0) {
        Err(Error::TooLarge { name, bytes, limit }) => {
            assert_eq!(name, "r-helm4");
            assert!(bytes > limit);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_release_is_refused() {
    let cases = [
        (
            json!({"metadata": {"name": "s"}, "type": "Opaque"}),
            "secret \"s\" holds no Helm release: its type is another one",
        ),
        (
            json!({"metadata": {"name": "s"}, "type": "helm.sh/release.v1", "data": {}}),
            "secret \"s\" holds no Helm release: no key \"release\" in its data",
        ),
        (
            json!({"type": "helm.sh/release.v1", "data": {"release": "?"}}),
            "release record is not in base64",
        ),
    ];
    for (object, expected) in cases {
        assert_eq!(
            ReleaseSecret::from_object(&object).unwrap_err().to_string(),
            expected
        );
    }
    let secret = |data: &str| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        let object = json!({"type": "helm.sh/release.v1", "data": {"release": data}});
        ReleaseSecret::from_object(&object)
            .unwrap()
            .decode()
            .unwrap_err()
            .to_string()
    };
    assert_eq!(secret("!"), "release record is not in base64");
    assert_eq!(secret("H4sIAAAA"), "release record cannot be unpacked");
    assert_eq!(secret("bm90IGpzb24="), "release record is no release");
}

#[test]
fn debug_forms_hold_no_values() {
    let mut release = record("helm4-v1");
    release.config.insert("token".to_owned(), json!("hunter2"));
    release.manifest.push_str("hunter2");
    release.info.notes.push_str("hunter2");
    release.hooks[0].manifest.push_str("hunter2");
    let secret = ReleaseSecret::create(&release, &BTreeMap::new(), 0).unwrap();
    let text = format!(
        "{release:?} {:?} {:?} {secret:?}",
        release.info, release.hooks
    );
    assert!(
        !text.contains("hunter2") && !text.contains(&secret.release),
        "{text}"
    );
    assert!(text.contains("r-helm4"));
}
