//! What was deployed: a field of a revision's record says it that Helm does not know, and the record's values have the secrets.

use std::collections::BTreeMap;

use helm_install::revisions;
use helm_release::Release;
use mcpt_core::{Failure, FailureKind, Recalled, RecordedPlan, Secret, ServerName};
use serde_json::Value;

use crate::{absent::last_of_server, chart::REPLICAS, cluster::Cluster, failure::OrFail as _};

/// Field of a release's record that holds it.
const FIELD: &str = "mcpt_plan";

/// Writes it into a record.
pub(crate) fn record(release: &mut Release, plan: &RecordedPlan) {
    // What cannot be written down cannot be moved, and runs all the same.
    if let Ok(value) = serde_json::to_value(plan) {
        release.other.insert(FIELD.to_owned(), value);
    }
}

/// What a record says.
pub(crate) fn recorded(release: &Release) -> Option<RecordedPlan> {
    serde_json::from_value(release.other.get(FIELD)?.clone()).ok()
}

/// The server as it was deployed.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server; when it was not written down.
pub(crate) async fn recall(cluster: &Cluster, name: &ServerName) -> Result<Recalled, Failure> {
    let what = format!("cannot tell what was deployed as {name}");
    let records = cluster.records(name.as_str());
    let all = records.all().await.or_fail(cluster, &what)?;
    let last = last_of_server(cluster, name, &all, "helm get values", &what).await?;
    let running = revisions::running(&all).unwrap_or(last);
    of(&running.release, what)
}

fn of(release: &Release, what: String) -> Result<Recalled, Failure> {
    let Some(recorded) = recorded(release) else {
        return Err(Failure::new(FailureKind::Failed, what)
            .because(
                "the record of its revision does not say it: stock Helm made that, or an older version of mcpt, or it is of another chart",
            )
            .hint("deploy it again as before"));
    };
    let given = release.config.get("secrets");
    let secret = |name: &String| {
        let value = given?.get(name)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Some((name.clone(), Secret::new(text)))
    };
    let secrets: Option<BTreeMap<_, _>> = recorded.secrets().iter().map(secret).collect();
    let secrets = secrets.ok_or_else(|| {
        Failure::new(FailureKind::Failed, what).because("its values lack some of its secrets")
    })?;
    let replicas = release.config.get(REPLICAS).and_then(Value::as_u64);
    Ok(Recalled {
        recorded,
        secrets,
        replicas: replicas
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use mcpt_core::{Plan, TemplateId, Transport};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_leads_back_to_the_plan() {
        let plan = Plan {
            template_version: "1".to_owned(),
            local_command: vec!["x".to_owned()],
            secrets: BTreeMap::from([("TOKEN".to_owned(), Secret::new("hunter2"))]),
            ..Plan::bare(
                ServerName::new("demo").unwrap(),
                TemplateId::new("demo").unwrap(),
                Transport::Stdio,
            )
        };
        let Value::Object(config) = json!({"secrets": {"TOKEN": "hunter2"}, "replicaCount": 3})
        else {
            panic!("values are a map");
        };
        let mut release = Release {
            config,
            ..Release::default()
        };
        assert!(of(&release, String::new()).is_err());
        record(&mut release, &RecordedPlan::of(&plan));
        assert!(!release.other[FIELD].to_string().contains("hunter"));
        let recalled = of(&release, String::new()).unwrap();
        assert_eq!(recalled.recorded, RecordedPlan::of(&plan));
        assert_eq!(recalled.secrets["TOKEN"].expose(), "hunter2");
        assert_eq!(recalled.replicas, 3);
        release.config.clear();
        assert!(of(&release, String::new()).is_err());
    }
}
