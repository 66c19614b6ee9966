//! What pods use, from the metrics API, where a cluster has one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{Error, api::ListParams, core::Request};
use kube_access::Cluster;
use serde::Deserialize;

/// What a pod uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodUsage {
    /// Thousandths of a processor.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// A list of `PodMetrics` of `metrics.k8s.io/v1beta1`.
#[derive(Debug, Deserialize)]
struct PodMetricsList {
    items: Vec<PodMetrics>,
}

#[derive(Debug, Deserialize)]
struct PodMetrics {
    metadata: Named,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct ContainerMetrics {
    usage: BTreeMap<String, Quantity>,
}

/// The use of each pod that matches `selector`, by name. Empty when the cluster measures none or the user may not know:
/// a status is complete without it.
pub async fn usage(cluster: &Cluster, selector: &str) -> BTreeMap<String, PodUsage> {
    match list(cluster, selector).await {
        Ok(list) => read(list),
        Err(error) => {
            tracing::info!(%error, "no usage: the metrics API does not answer");
            BTreeMap::new()
        }
    }
}

async fn list(cluster: &Cluster, selector: &str) -> Result<PodMetricsList, Error> {
    let path = format!(
        "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods",
        cluster.namespace
    );
    let request = Request::new(path).list(&ListParams::default().labels(selector));
    let request = request.map_err(Error::BuildRequest)?;
    cluster
        .answer(cluster.client.request::<PodMetricsList>(request))
        .await
}

fn read(list: PodMetricsList) -> BTreeMap<String, PodUsage> {
    let usage = |pod: &PodMetrics| {
        let sum = |resource: &str| -> Option<u128> {
            let all = pod.containers.iter();
            all.filter_map(|container| nanos(&container.usage.get(resource)?.0))
                .reduce(u128::saturating_add)
        };
        Some(PodUsage {
            cpu_millis: u64::try_from(sum("cpu")?.div_ceil(1_000_000)).ok()?,
            memory_bytes: u64::try_from(sum("memory")? / NANO).ok()?,
        })
    };
    let all = list.items.into_iter();
    all.filter_map(|pod| {
        let usage = usage(&pod)?;
        Some((pod.metadata.name, usage))
    })
    .collect()
}

const NANO: u128 = 1_000_000_000;

/// A quantity in Kubernetes' notation, in billionths of its unit; `None` when it is none or not a plain one.
fn nanos(quantity: &str) -> Option<u128> {
    let end = quantity
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(end);
    let factor = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => NANO,
        "k" => NANO * 1_000,
        "M" => NANO * 1_000_000,
        "G" => NANO * 1_000_000_000,
        "T" => NANO * 1_000_000_000_000,
        "Ki" => NANO << 10,
        "Mi" => NANO << 20,
        "Gi" => NANO << 30,
        "Ti" => NANO << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part = if fraction.is_empty() {
        0
    } else {
        let digits = u32::try_from(fraction.len()).ok()?;
        let scale = 10_u128.checked_pow(digits)?;
        fraction.parse::<u128>().ok()?.checked_mul(factor)? / scale
    };
    whole.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, expected) in [
            ("0", Some(0)),
            ("2", Some(2 * NANO)),
            ("1.5", Some(NANO + NANO / 2)),
            ("12345678n", Some(12_345_678)),
            ("7u", Some(7_000)),
            ("250m", Some(250_000_000)),
            ("3k", Some(3_000 * NANO)),
            ("2Ki", Some(2_048 * NANO)),
            ("0.5Mi", Some(524_288 * NANO)),
            ("", Some(0)),
            ("x", None),
            ("1e3", None),
            ("1.2.3", None),
        ] {
            assert_eq!(nanos(text), expected, "{text:?}");
        }
    }

    #[test]
    fn containers_of_a_pod_are_added_up() {
        let list = serde_json::from_value(serde_json::json!({"items": [
            {"metadata": {"name": "a"}, "containers": [
                {"name": "x", "usage": {"cpu": "1500001n", "memory": "10Mi"}},
                {"name": "y", "usage": {"cpu": "1m", "memory": "2Ki"}},
            ]},
            {"metadata": {"name": "not measured yet"}, "containers": []},
        ]}))
        .unwrap();
        let usage = PodUsage {
            cpu_millis: 3,
            memory_bytes: 10 * 1024 * 1024 + 2048,
        };
        assert_eq!(read(list), BTreeMap::from([("a".to_owned(), usage)]));
    }
}
