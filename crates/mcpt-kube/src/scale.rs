//! How many instances run: the running revision's own chart and values with another number or other bounds, as a new revision.

use helm_chart::Values;
use helm_install::{Object, Record, revisions};
use mcpt_core::{
    Autoscaling, ChangeOptions, CommandOption, Failure, FailureKind, Progress, ProgressEvent,
    Scale, Server, ServerName,
};
use serde_json::{Map, Value, json};

use crate::{
    absent::{last_of_server, uninstalled},
    change::Change,
    chart::{AUTOSCALING, Prepared, REPLICAS, lay_over},
    cluster::Cluster,
    operation::{Conduct, Operation, Reached},
    release_kind::ReleaseKind,
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
    if revisions::is_uninstalled(last) {
        return Err(uninstalled(cluster, ReleaseKind::Server, name, what));
    }
    let running = revisions::running(&history).ok_or_else(|| {
        Failure::new(FailureKind::Failed, what)
            .because("no revision of it runs")
            .hint(format!(
                "deploy it again: mcpt deploy takes {} too",
                CommandOption::Replicas
            ))
    })?;
    if let Some(warning) = warning(last, running) {
        progress.event(ProgressEvent::Warning(warning));
    }
    let mut prepared = Prepared::of_release(&running.release, what)?;
    prepared.change("mcpt scale", |values| apply(scale, values))?;
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

/// Which revision is scaled, when that is not plain.
fn warning(last: &Record, running: &Record) -> Option<String> {
    let (failed, number) = (last.release.version, running.release.version);
    if revisions::deletion_began(last) {
        Some(format!(
            "its deletion did not come to its end: all of revision {number} is made again"
        ))
    } else if failed != number {
        Some(format!(
            "revision {failed} failed: revision {number}, which runs, is scaled"
        ))
    } else {
        None
    }
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
        Scale::Auto(Autoscaling {
            min,
            max,
            cpu,
            sessions,
        }) => {
            let mut autoscaling = json!({"enabled": true, "minReplicas": min, "maxReplicas": max});
            if let Some(cpu) = cpu {
                autoscaling["targetCPUUtilizationPercentage"] = json!(cpu);
            }
            if let Some(sessions) = sessions {
                autoscaling["targetSessions"] = json!(sessions);
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
    fn what_is_scaled_is_told_when_it_is_not_plain() {
        for (text, says) in [
            ("deployed", None),
            (
                "deployed failed",
                Some("revision 2 failed: revision 1, which runs"),
            ),
            ("deployed/failed", Some("all of revision 1 is made again")),
            (
                "deployed failed/failed",
                Some("all of revision 1 is made again"),
            ),
        ] {
            let history = helm_install::scripted::history(text);
            let running = revisions::running(&history).unwrap();
            let warning = warning(history.last().unwrap(), running);
            assert_eq!(warning.is_some(), says.is_some(), "{text}");
            assert!(
                warning
                    .unwrap_or_default()
                    .contains(says.unwrap_or_default()),
                "{text}"
            );
        }
    }

    #[test]
    fn values_of_a_scale() {
        let by = |cpu, sessions| {
            Scale::Auto(Autoscaling {
                min: 1,
                max: 5,
                cpu,
                sessions,
            })
        };
        let auto = |cpu| by(cpu, None);
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
                by(None, Some(20)),
                json!({}),
                json!({"autoscaling": {"enabled": true, "minReplicas": 1, "maxReplicas": 5, "targetSessions": 20}}),
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
