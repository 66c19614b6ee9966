//! What differs between two revisions of a server, or between the one that runs and what a deploy would make: object by object, as
//! the manifests have them.

use helm_install::{Object, Record, manifest, revisions, takeover};
use helm_release::{Release, Status};
use mcpt_core::{
    Comparison, Difference, Failure, FailureKind, Plan, Revision, Secret, ServerName, Silent,
};
use serde_json::Value;

use crate::{
    absent::last_of_server,
    change::unusable,
    chart::Prepared,
    cluster::Cluster,
    deploy::{Deploy, cannot},
    failure::OrFail as _,
    options::DeployOptions,
    secrecy,
};

/// What a deploy of the plan would change. Nothing is.
///
/// # Errors
/// What is wrong with the plan and its options.
pub(crate) async fn with_plan(
    cluster: &Cluster,
    plan: &Plan,
    options: &DeployOptions,
) -> Result<Comparison, Failure> {
    let what = cannot(plan);
    let mut prepared = Prepared::new(plan, options, &what)?;
    let deploy = Deploy::server(cluster, plan, options, &Silent, what.clone());
    let records = cluster.records(plan.name.as_str());
    let mut history = records.all().await.or_fail(cluster, &what)?;
    // Another command that works on it may go on; what it has begun is compared with.
    if let Some(last) = history.last_mut()
        && takeover::under_way(last.release.info.status)
    {
        last.release.info.status = Status::Failed;
    }
    let running = revisions::running(&history).map(|record| record.release.clone());
    let (change, _) = Box::pin(deploy.change(&mut prepared, history)).await?;
    let mut secrets = prepared.secrets().to_vec();
    let old = match &running {
        Some(release) => {
            secrets.extend(secrecy::of_values(&release.config));
            objects(release, &what)?
        }
        None => Vec::new(),
    };
    let new = objects(&change.release, &what)?;
    let before = running.map_or_else(
        || "nothing".to_owned(),
        |release| format!("revision {}", release.version),
    );
    Ok(Comparison {
        before,
        after: "what would be deployed".to_owned(),
        differences: differences(&old, &new, &secrets),
    })
}

/// What differs between two revisions: `from`, else the one that ran before `to`; `to`, else the last one.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server or revision.
pub(crate) async fn revisions(
    cluster: &Cluster,
    name: &ServerName,
    from: Option<Revision>,
    to: Option<Revision>,
) -> Result<Comparison, Failure> {
    let what = format!("cannot compare revisions of {name}");
    let records = cluster.records(name.as_str());
    let all = records.all().await.or_fail(cluster, &what)?;
    let last = last_of_server(cluster, name, &all, "helm history", &what).await?;
    let find = |revision: Revision| {
        let found = all.iter().find(|one| one.release.version == revision.0);
        found.ok_or_else(|| {
            missing(
                cluster,
                name,
                &format!("it has no revision {revision}"),
                &what,
            )
        })
    };
    let to = to.map_or(Ok(last), find)?;
    let from = match from {
        Some(revision) => find(revision)?,
        None => before(&all, to).ok_or_else(|| {
            let why = format!("no revision before {} ran", to.release.version);
            missing(cluster, name, &why, &what)
        })?,
    };
    let mut secrets = secrecy::of_values(&from.release.config);
    secrets.extend(secrecy::of_values(&to.release.config));
    Ok(Comparison {
        before: format!("revision {}", from.release.version),
        after: format!("revision {}", to.release.version),
        differences: differences(
            &objects(&from.release, &what)?,
            &objects(&to.release, &what)?,
            &secrets,
        ),
    })
}

/// The newest revision before another one that ran.
fn before<'r>(all: &'r [Record], than: &Record) -> Option<&'r Record> {
    let earlier = all
        .iter()
        .take_while(|one| one.release.version < than.release.version);
    let ran = |one: &&Record| {
        matches!(
            one.release.info.status,
            Status::Deployed | Status::Superseded
        )
    };
    earlier.filter(ran).last()
}

fn missing(cluster: &Cluster, name: &ServerName, why: &str, what: &str) -> Failure {
    Failure::new(FailureKind::NotFound, what)
        .because(why)
        .hint(format!(
            "see which there are: {}",
            cluster.command(&format!("history {name}"))
        ))
}

fn objects(release: &Release, what: &str) -> Result<Vec<Object>, Failure> {
    manifest::of_release(release).map_err(|error| unusable(what, &error))
}

/// What differs, in the order of the second manifest, with those that only the first has at the end.
fn differences(old: &[Object], new: &[Object], secrets: &[Secret]) -> Vec<Difference> {
    let mut found = Vec::new();
    for object in new {
        let before = old.iter().find(|other| other.same(object));
        found.extend(difference(
            object,
            before.map(|before| before.body.clone()),
            Some(object.body.clone()),
            secrets,
        ));
    }
    let gone = old
        .iter()
        .filter(|old| !new.iter().any(|new| new.same(old)));
    for object in gone {
        found.extend(difference(object, Some(object.body.clone()), None, secrets));
    }
    found
}

fn difference(
    object: &Object,
    before: Option<Value>,
    after: Option<Value>,
    secrets: &[Secret],
) -> Option<Difference> {
    let name = format!("{}/{}", object.kind, object.name);
    Difference::of(name, before, after, secrets)
}

#[cfg(test)]
mod tests {
    use helm_install::scripted::history;

    use super::*;

    #[test]
    fn what_changes_comes_and_goes() {
        let release = |text: &str| Release {
            manifest: text.to_owned(),
            namespace: "n".to_owned(),
            ..Release::default()
        };
        let of = |text: &str| objects(&release(text), "x").unwrap();
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: 1}\n";
        let secret = |value: &str| {
            format!(
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{T: {value}}}\n"
            )
        };
        let old = of(&format!("{service}{}", secret("hunter2")));
        let new = of(&format!(
            "{}{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n",
            service.replace("port: 1", "port: 2"),
            secret("hunter3"),
        ));
        let found = differences(&old, &new, &[]);
        let names: Vec<_> = found.iter().map(|one| one.object.as_str()).collect();
        assert_eq!(names, ["Service/a", "Secret/a", "ConfigMap/a"]);
        assert!(found[2].before.is_none() && found[2].after.is_some());
        assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
        let gone = differences(&old, &of(service), &[]);
        assert_eq!((gone.len(), &gone[0].after), (1, &None));
        assert!(differences(&old, &old, &[]).is_empty());
    }

    #[test]
    fn one_that_failed_is_not_gone_back_to() {
        let all = history("superseded superseded failed deployed");
        let of = |index: usize| before(&all, &all[index]).map(|one| one.release.version);
        assert_eq!(
            [of(0), of(1), of(2), of(3)],
            [None, Some(1), Some(2), Some(2)]
        );
    }
}
