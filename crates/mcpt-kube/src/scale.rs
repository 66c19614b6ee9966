//! How many instances run: the running revision's own chart and values with another number or other bounds, as a new revision.

use helm_chart::Values;
use helm_release::Status;
use mcpt_core::{
    Autoscaling, ChangeOptions, Failure, FailureKind, Progress, ProgressEvent, Scale, Server,
    ServerName,
};
use serde_json::{Map, Value, json};

use crate::{
    absent::last_of_server,
    change::{Change, deployed},
    chart::{AUTOSCALING, Prepared, REPLICAS, lay_over},
    cluster::Cluster,
    manifest::Object,
    operation::{Conduct, Operation, Reached},
    server::SERVER_LABEL,
};

/// Scales a server.
pub(crate) async fn scale(
    cluster: &Cluster,
    name: &ServerName,
    scale: Scale,
    options: ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot scale {name}");
    let operation = Operation::new(cluster, name, Conduct::from(options), progress, what);
    let what = &operation.what;
    let history = operation.settled().await?;
    let last = last_of_server(cluster, name, &history, "helm upgrade", what).await?;
    let running = deployed(&history).ok_or_else(|| {
        Failure::new(FailureKind::Failed, what)
            .because("no revision of it runs")
            .hint("deploy it again: mcpt deploy takes --replicas too")
    })?;
    if last.release.info.status == Status::Failed {
        progress.event(ProgressEvent::Warning(format!(
            "revision {} failed: revision {}, which runs, is scaled",
            last.release.version, running.release.version
        )));
    }
    let mut prepared = Prepared::of_release(&running.release, what)?;
    prepared.change(|values| apply(scale, values))?;
    let labels = [(SERVER_LABEL, name.as_str())];
    let done = done(scale);
    let (change, _) =
        Change::rendered(cluster, &prepared, history.clone(), &labels, &done, what).await?;
    if !change
        .objects
        .iter()
        .any(|(object, _)| shows(scale, object))
    {
        return Err(Failure::new(FailureKind::Failed, what).because(
            "its chart does not do what replicaCount and autoscaling say in the chart mcp-server",
        ));
    }
    Box::pin(operation.perform(&change, &mut Reached::Nothing)).await
}

/// The revision's description.
fn done(scale: Scale) -> String {
    match scale {
        Scale::To(number) => format!("Scaled to {number}"),
        Scale::Auto(Autoscaling { min, max, .. }) => {
            format!("Autoscaling from {min} to {max}")
        }
    }
}

/// Puts it into the values.
fn apply(scale: Scale, values: &mut Values) {
    match scale {
        Scale::To(number) => {
            values.insert(REPLICAS.to_owned(), json!(number));
            lay_over(
                values,
                &Map::from_iter([(AUTOSCALING.to_owned(), json!({"enabled": false}))]),
            );
        }
        Scale::Auto(Autoscaling { min, max, cpu }) => {
            let mut autoscaling = json!({"enabled": true, "minReplicas": min, "maxReplicas": max});
            if let Some(cpu) = cpu {
                autoscaling["targetCPUUtilizationPercentage"] = json!(cpu);
            }
            lay_over(
                values,
                &Map::from_iter([(AUTOSCALING.to_owned(), autoscaling)]),
            );
        }
    }
}

/// Whether an object of the new revision is scaled that way.
fn shows(scale: Scale, object: &Object) -> bool {
    match scale {
        Scale::To(number) => {
            object.has_scale() && object.body.pointer("/spec/replicas") == Some(&json!(number))
        }
        Scale::Auto(Autoscaling { min, max, .. }) => {
            let bound = |key: &str| object.body["spec"].get(key).and_then(Value::as_u64);
            object.is_autoscaler()
                && bound("minReplicas") == Some(min.into())
                && bound("maxReplicas") == Some(max.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_scale() {
        let auto = |cpu| {
            Scale::Auto(Autoscaling {
                min: 1,
                max: 5,
                cpu,
            })
        };
        for (scale, before, after) in [
            (
                Scale::To(3),
                json!({"env": {"A": "x"}}),
                json!({"env": {"A": "x"}, "replicaCount": 3, "autoscaling": {"enabled": false}}),
            ),
            (
                Scale::To(0),
                json!({"replicaCount": 2, "autoscaling": {"enabled": true, "maxReplicas": 4}}),
                json!({"replicaCount": 0, "autoscaling": {"enabled": false, "maxReplicas": 4}}),
            ),
            (
                auto(Some(60)),
                json!({"replicaCount": 2, "autoscaling": null}),
                json!({"replicaCount": 2, "autoscaling": {"enabled": true, "minReplicas": 1, "maxReplicas": 5,
                    "targetCPUUtilizationPercentage": 60}}),
            ),
            (
                auto(None),
                json!({"autoscaling": {"targetCPUUtilizationPercentage": 30}}),
                json!({"autoscaling": {"enabled": true, "minReplicas": 1, "maxReplicas": 5,
                    "targetCPUUtilizationPercentage": 30}}),
            ),
        ] {
            let mut values = before.as_object().unwrap().clone();
            apply(scale, &mut values);
            assert_eq!(Value::Object(values), after);
        }
    }
}
