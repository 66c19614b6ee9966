//! Manifests of charts in registries, to the byte as Helm writes them.

use std::collections::BTreeMap;

use helm_chart::Metadata;
use oci_registry::{Descriptor, go_json};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The media type of a chart's metadata.
pub(crate) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// The media type of a chart's archive.
pub(crate) const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The media type of a chart's archive, as it was before Helm 3.7.
pub(crate) const OLD_CHART: &str = "application/tar+gzip";

/// The media type of a provenance file.
pub(crate) const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// What is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u32,
    config: &'a Descriptor,
    layers: &'a [Descriptor],
    annotations: &'a BTreeMap<String, String>,
}

/// What is read: a manifest, or a list of manifests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Read {
    pub(crate) config: Option<Descriptor>,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) manifests: Vec<Descriptor>,
}

/// Metadata, as the config of a manifest.
pub(crate) fn config(metadata: &Metadata) -> Result<Vec<u8>, Error> {
    Ok(go_json::text(metadata)?.into_bytes())
}

/// The manifest of a chart. The layers are put into the order of their digests.
pub(crate) fn write(
    metadata: &Metadata,
    config: &Descriptor,
    mut layers: Vec<Descriptor>,
    created: &str,
) -> Result<Vec<u8>, Error> {
    layers.sort_by(|one, other| one.digest.cmp(&other.digest));
    let manifest = Written {
        schema_version: 2,
        config,
        layers: &layers,
        annotations: &annotations(metadata, created),
    };
    Ok(go_json::text(&manifest)?.into_bytes())
}

/// What a manifest says about a chart: what is known of charts by the names of the OCI, and the chart's own annotations, which
/// can say all but its name and version otherwise.
fn annotations(metadata: &Metadata, created: &str) -> BTreeMap<String, String> {
    const TITLE: &str = "org.opencontainers.image.title";
    const VERSION: &str = "org.opencontainers.image.version";
    let maintainers = metadata.maintainers.iter().map(|maintainer| {
        let mut text = maintainer.name.clone();
        if !maintainer.email.is_empty() {
            text = format!("{text} ({})", maintainer.email);
        }
        text
    });
    let authors = maintainers.collect::<Vec<_>>().join(", ");
    let source = metadata.sources.first().map_or("", String::as_str);
    let known = [
        (
            "org.opencontainers.image.description",
            metadata.description.as_str(),
        ),
        (TITLE, &metadata.name),
        (VERSION, &metadata.version),
        ("org.opencontainers.image.url", &metadata.home),
        ("org.opencontainers.image.created", created),
        ("org.opencontainers.image.source", source),
        ("org.opencontainers.image.authors", &authors),
    ];
    let mut all: BTreeMap<String, String> = known
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in &metadata.annotations {
        if key != TITLE && key != VERSION {
            all.insert(key.clone(), value.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_of_the_chart_do_not_change_its_name() {
        let mut metadata = Metadata {
            name: "a".to_owned(),
            version: "1".to_owned(),
            description: " ".to_owned(),
            ..Metadata::default()
        };
        for key in ["title", "created", "x"] {
            let key = format!("org.opencontainers.image.{key}");
            metadata.annotations.insert(key, "theirs".to_owned());
        }
        let made = annotations(&metadata, "now");
        let of = |key: &str| {
            made.get(&format!("org.opencontainers.image.{key}"))
                .map(String::as_str)
        };
        assert_eq!(of("title"), Some("a"));
        assert_eq!(of("created"), Some("theirs"));
        assert_eq!(of("x"), Some("theirs"));
        assert_eq!(of("description"), None);
    }

    #[test]
    fn manifests_are_json_as_go_writes_it() {
        let config = Descriptor::of(CONFIG, b"{}");
        let metadata = Metadata {
            name: "a".to_owned(),
            description: "<b>".to_owned(),
            ..Metadata::default()
        };
        let written = write(&metadata, &config, Vec::new(), "").unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\
             \"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},\"layers\":[],\
             \"annotations\":{\"org.opencontainers.image.description\":\"\\u003cb\\u003e\",\
             \"org.opencontainers.image.title\":\"a\"}}"
        );
    }
}
