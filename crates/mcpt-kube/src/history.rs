//! The revisions of a server, as its release records tell them.

use helm_install::manifest;
use helm_release::Release;
use jiff::Timestamp;
use mcpt_core::{Failure, Revision, RevisionEntry, ServerName};
use serde_json::Value;

use crate::{
    absent::last_of_server, cluster::Cluster, failure::OrFail as _, server::SERVER_CONTAINER,
};

/// What Helm shows where a record has no chart.
const MISSING: &str = "MISSING";

/// Tells all revisions, the oldest first.
pub(crate) async fn history(
    cluster: &Cluster,
    name: &ServerName,
) -> Result<Vec<RevisionEntry>, Failure> {
    let what = format!("cannot show the history of {name}");
    let records = cluster.records(name.as_str());
    let all = records.all().await.or_fail(cluster, &what)?;
    last_of_server(cluster, name, &all, "helm history", &what).await?;
    Ok(all.iter().map(|record| entry(&record.release)).collect())
}

fn entry(release: &Release) -> RevisionEntry {
    let metadata = release.chart.as_ref().map(|chart| &chart.metadata);
    let updated = &release.info.last_deployed;
    RevisionEntry {
        revision: Revision(release.version),
        // Helm writes its machine's time zone.
        updated: updated
            .parse::<Timestamp>()
            .map_or_else(|_| updated.clone(), |time| time.to_string()),
        status: release.info.status.to_string(),
        chart: metadata.map_or_else(
            || MISSING.to_owned(),
            |m| format!("{}-{}", m.name, m.version),
        ),
        app_version: metadata.map_or_else(|| MISSING.to_owned(), |m| m.app_version.clone()),
        source: image(release).unwrap_or_default(),
        description: release.info.description.clone(),
    }
}

/// Image of the server in the revision's Deployment.
fn image(release: &Release) -> Option<String> {
    let objects = manifest::parse(&release.manifest).ok()?;
    let deployment = objects.iter().find(|object| object.kind == "Deployment")?;
    let containers = deployment
        .body
        .pointer("/spec/template/spec/containers")?
        .as_array()?;
    let server = containers
        .iter()
        .find(|c| c["name"] == SERVER_CONTAINER)
        .or(containers.first())?;
    server
        .get("image")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let mut release = Release {
            version: 3,
            manifest: "---\nkind: Service\napiVersion: v1\nmetadata: {name: x}\n---\nkind: Deployment\napiVersion: apps/v1\n\
                metadata: {name: x}\nspec: {template: {spec: {containers: [{name: side, image: s}, {name: server, image: 'a:1'}]}}}\n"
                .into(),
            ..Release::default()
        };
        release.info.last_deployed = "2026-11-23T06:00:00.5+01:00".into();
        let told = entry(&release);
        assert_eq!(told.updated, "2026-11-23T05:00:00.5Z");
        assert_eq!(
            (told.chart.as_str(), told.source.as_str()),
            ("MISSING", "a:1")
        );
        // What cannot be read is shown as far as it can.
        release.manifest = "{".into();
        release.info.last_deployed = "yesterday".into();
        let told = entry(&release);
        assert_eq!(
            (told.updated.as_str(), told.source.as_str()),
            ("yesterday", "")
        );
    }
}
