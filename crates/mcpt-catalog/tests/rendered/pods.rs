//! What pods are made of: limits, strategies, ids, addresses, and no field that Kubernetes drops.

use mcpt_catalog::{CHARTS, builtin_chart};
use serde_json::{Value, json};

use super::{containers, object, objects};

fn profile(chart: &str, file: &str) -> Value {
    let mut files = builtin_chart(chart).expect("the chart");
    let (_, bytes) = files.find(|(name, _)| *name == file).expect("the file");
    goyaml::from_str(std::str::from_utf8(bytes).expect("UTF-8")).expect("YAML")
}

/// A quota on requests and limits takes the pods of all charts as they are.
#[test]
fn every_container_has_requests_and_limits() {
    for chart in CHARTS {
        let stdio = json!({"mcp": {"transport": "stdio", "command": ["x"]}});
        let all = match chart {
            "mcp-server" => vec![json!({}), stdio],
            _ => vec![json!({})],
        };
        for values in all {
            let objects = objects(chart, "x", "y", &values).expect("objects");
            let found = containers(&objects);
            assert!(found.len() >= 2, "{chart}: {found:?}");
            for container in found {
                for kind in ["requests", "limits"] {
                    for resource in ["cpu", "memory"] {
                        let amount = &container["resources"][kind][resource];
                        assert!(amount.is_string(), "{chart} {kind}.{resource}: {container}");
                    }
                }
            }
        }
    }
}

/// Each of them can be set.
#[test]
fn limits_are_settable() {
    let limits = json!({"limits": {"cpu": "7", "memory": "77Mi"}});
    let server = json!({"resources": limits, "mcpt": {"resources": limits}});
    for (chart, values) in [
        ("mcp-server", server),
        ("mcpt-gateway", json!({"resources": limits})),
    ] {
        let objects = objects(chart, "x", "y", &values).expect("objects");
        for container in containers(&objects) {
            assert_eq!(
                container["resources"]["limits"], limits["limits"],
                "{container}"
            );
        }
    }
}

#[test]
fn the_strategy_follows_the_access_modes() {
    let mounts = json!({"mounts": [{"path": "/data"}]});
    let persistent = |modes: Value| json!({"enabled": true, "accessModes": modes});
    for (values, expected) in [
        (json!({}), "RollingUpdate"),
        (json!({"workspace": mounts}), "RollingUpdate"),
        (
            json!({"workspace": mounts, "persistence": persistent(json!(["ReadWriteOnce"]))}),
            "RollingUpdate",
        ),
        (
            json!({"workspace": mounts, "persistence": persistent(json!(["ReadWriteMany"]))}),
            "RollingUpdate",
        ),
        (
            json!({"workspace": mounts, "persistence": persistent(json!(["ReadWriteOncePod"]))}),
            "Recreate",
        ),
        (
            json!({"workspace": mounts, "persistence": {"enabled": true, "existingClaim": "c",
                "accessModes": ["ReadWriteOncePod"]}}),
            "Recreate",
        ),
        // Not on the volume, or told otherwise.
        (
            json!({"workspace": mounts, "persistence": {"enabled": false, "accessModes": ["ReadWriteOncePod"]}}),
            "RollingUpdate",
        ),
        (
            json!({"workspace": mounts, "persistence": persistent(json!(["ReadWriteOncePod"])),
                "strategy": {"type": "RollingUpdate"}}),
            "RollingUpdate",
        ),
        (json!({"strategy": {"type": "Recreate"}}), "Recreate"),
    ] {
        let objects = objects("mcp-server", "x", "y", &values).expect("objects");
        let strategy = &object(&objects, "Deployment")["spec"]["strategy"];
        assert_eq!(strategy["type"], expected, "{values}");
        let rolling = strategy.get("rollingUpdate").is_some();
        assert_eq!(rolling, expected == "RollingUpdate", "{values}");
    }
}

#[test]
fn one_pod_alone_holds_a_volume_of_its_own() {
    let alone = json!({"workspace": {"mounts": [{"path": "/data"}]},
        "persistence": {"enabled": true, "accessModes": ["ReadWriteOncePod"]}});
    for several in [
        json!({"replicaCount": 2}),
        json!({"autoscaling": {"enabled": true, "maxReplicas": 2}}),
    ] {
        let mut values = alone.clone();
        let map = values.as_object_mut().expect("a map");
        map.extend(several.as_object().expect("a map").clone());
        let refused = objects("mcp-server", "x", "y", &values).expect_err("a refusal");
        assert!(refused.contains("ReadWriteOncePod"), "{refused}");
    }
}

/// Kubernetes stores no zero in these fields, so an apply with one would be a change each time.
#[test]
fn nothing_is_rendered_that_kubernetes_drops() {
    for chart in CHARTS {
        for object in objects(chart, "x", "y", &json!({})).expect("objects") {
            each(&object, "", &mut |path, value| {
                let key = path.rsplit('/').next().unwrap_or_default();
                let dropped = value == &json!(0)
                    && !matches!(
                        key,
                        "maxUnavailable" | "replicas" | "terminationGracePeriodSeconds"
                    );
                assert!(!dropped, "{chart} {path}: {value}");
                // The core group has no name.
                let empty = value == &json!("") && !path.contains("/apiGroups/");
                assert!(!value.is_null() && !empty, "{chart} {path}: {value}");
            });
        }
    }
    let values = json!({"minReadySeconds": 5, "probes": {"startup": {"initialDelaySeconds": 3}}});
    let objects = objects("mcp-server", "x", "y", &values).expect("objects");
    let spec = &object(&objects, "Deployment")["spec"];
    assert_eq!(spec["minReadySeconds"], 5);
    let probe = spec.pointer("/template/spec/containers/0/startupProbe/initialDelaySeconds");
    assert_eq!(probe, Some(&json!(3)));
}

/// The bridge and the startup probe wait equally long for a server that is slow at its first start.
#[test]
fn the_start_may_take_its_time() {
    for (values, variable, threshold) in [
        (json!({}), "300s", 300),
        (json!({"startTimeoutSeconds": 601}), "601s", 601),
    ] {
        let mut values = json!({"mcp": values, "probes": {"startup": {"periodSeconds": 5}}});
        values["mcp"]["transport"] = json!("stdio");
        values["mcp"]["command"] = json!(["x"]);
        let objects = objects("mcp-server", "x", "y", &values).expect("objects");
        let server = containers(&objects)
            .into_iter()
            .find(|container| container["name"] == "server")
            .expect("the server");
        let variables = server["env"].as_array().expect("variables");
        let found = variables
            .iter()
            .find(|variable| variable["name"] == "MCPT_BRIDGE_START_TIMEOUT");
        assert_eq!(found.map(|found| &found["value"]), Some(&json!(variable)));
        let probe = &server["startupProbe"];
        let seconds = probe["failureThreshold"].as_u64().map(|times| times * 5);
        assert!(
            seconds >= Some(threshold) && seconds < Some(threshold + 5),
            "{probe}"
        );
    }
}

/// Large whole numbers stay whole, which Go prints as `1e+06`.
#[test]
fn large_numbers_stay_whole() {
    let values = json!({"minReadySeconds": 1_000_000.0, "terminationGracePeriodSeconds": 2_000_000.0,
        "strategy": {"rollingUpdate": {"maxSurge": 3_000_000.0}}, "replicaCount": 4_000_000.0});
    let objects = objects("mcp-server", "x", "y", &values).expect("objects");
    let spec = &object(&objects, "Deployment")["spec"];
    assert_eq!(spec["minReadySeconds"], json!(1_000_000));
    assert_eq!(spec["replicas"], json!(4_000_000));
    assert_eq!(
        spec["strategy"]["rollingUpdate"]["maxSurge"],
        json!(3_000_000)
    );
    let grace = spec.pointer("/template/spec/terminationGracePeriodSeconds");
    assert_eq!(grace, Some(&json!(2_000_000)));
}

/// Servers inside mcpt listen on both families, and probes name the server as one on this machine.
#[test]
fn no_address_of_one_family_is_written() {
    let stdio = json!({"mcp": {"transport": "stdio", "command": ["x"]}});
    for (chart, values) in [
        ("mcp-server", json!({})),
        ("mcp-server", stdio),
        ("mcpt-gateway", json!({})),
    ] {
        for object in objects(chart, "x", "y", &values).expect("objects") {
            let text = object.to_string();
            assert!(
                !text.contains("0.0.0.0") && !text.contains("127.0.0.1"),
                "{text}"
            );
        }
    }
}

/// Clusters with ids of their own for each namespace refuse pods that name others.
#[test]
fn openshift_finds_no_ids() {
    for chart in CHARTS {
        let values = profile(chart, "values-openshift.yaml");
        for object in objects(chart, "x", "y", &values).expect("objects") {
            each(&object, "", &mut |path, _| {
                let key = path.rsplit('/').next().unwrap_or_default();
                let id = matches!(key, "runAsUser" | "runAsGroup" | "fsGroup");
                assert!(!id, "{chart}: {path}");
            });
            if let Some(context) = object.pointer("/spec/template/spec/securityContext") {
                assert_eq!(context["runAsNonRoot"], true, "{chart}");
            }
        }
    }
}

/// Visits all that is no map and no list, with its path.
fn each(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                each(value, &format!("{path}/{key}"), visit);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                each(item, &format!("{path}/{i}"), visit);
            }
        }
        value => visit(path, value),
    }
}
