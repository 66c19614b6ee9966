//! `mcpt chart search hub`: by the way of searching that Artifact Hub has for helm.

use clap::Args;
use helm_fetch::{Access, Http};
use serde::{Deserialize, Deserializer, Serialize};

use super::{ShownFlags, failed};
use crate::{args::Global, ending::Ending};

/// The path of searches at a hub.
const SEARCH: &str = "/api/chartsvc/v1/charts/search";

/// Arguments of `mcpt chart search hub`.
#[derive(Debug, Args)]
pub(super) struct AtHub {
    /// What is searched for
    words: Vec<String>,
    /// Address of the hub
    #[arg(long, value_name = "URL", default_value = "https://hub.helm.sh")]
    endpoint: String,
    /// The address of each chart's repository too
    #[arg(long)]
    list_repo_url: bool,
    #[command(flatten)]
    shown: ShownFlags,
}

/// What a hub answers; what is not said, or null, is empty, as for helm.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(deserialize_with = "empty_of_null")]
    data: Vec<Option<HubChart>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HubChart {
    #[serde(deserialize_with = "empty_of_null")]
    id: String,
    #[serde(deserialize_with = "empty_of_null")]
    artifact_hub: Package,
    #[serde(deserialize_with = "empty_of_null")]
    attributes: Attributes,
    #[serde(deserialize_with = "empty_of_null")]
    relationships: Relationships,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Package {
    #[serde(deserialize_with = "empty_of_null")]
    package_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    #[serde(deserialize_with = "empty_of_null")]
    description: String,
    #[serde(deserialize_with = "empty_of_null")]
    repo: HubRepository,
}

#[derive(Debug, Default, Clone, Deserialize, Serialize)]
#[serde(default)]
struct HubRepository {
    #[serde(deserialize_with = "empty_of_null")]
    url: String,
    #[serde(deserialize_with = "empty_of_null")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Relationships {
    #[serde(deserialize_with = "empty_of_null")]
    latest_chart_version: Latest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Latest {
    #[serde(deserialize_with = "empty_of_null")]
    data: Versions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versions {
    #[serde(deserialize_with = "empty_of_null")]
    version: String,
    #[serde(deserialize_with = "empty_of_null")]
    app_version: String,
}

#[derive(Debug, Serialize)]
struct Element {
    url: String,
    version: String,
    app_version: String,
    description: String,
    repository: HubRepository,
}

impl AtHub {
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let endpoint = self.endpoint.trim_end_matches('/');
        let words = self.words.join(" ");
        let words: String = form_urlencoded(&words);
        let address = format!("{endpoint}{SEARCH}?q={words}");
        let refused = |why: &dyn std::fmt::Display| {
            let endpoint = &self.endpoint;
            failed(format!(
                "unable to perform search against {endpoint:?}: {why}"
            ))
        };
        let answer = Http::default().get(&address, &self.endpoint, &Access::default());
        let answer = answer.map_err(|error| refused(&error))?;
        let answer: Option<Answer> =
            serde_json::from_slice(&answer).map_err(|error| refused(&error))?;
        let answer = answer.unwrap_or_default();
        let of_hub = |found: &HubChart| match found.artifact_hub.package_url.as_str() {
            "" => format!("{endpoint}/charts/{}", found.id),
            url => url.to_owned(),
        };
        let elements: Vec<Element> = answer
            .data
            .into_iter()
            .map(Option::unwrap_or_default)
            .map(|found| Element {
                url: of_hub(&found),
                version: found.relationships.latest_chart_version.data.version,
                app_version: found.relationships.latest_chart_version.data.app_version,
                description: found.attributes.description,
                repository: found.attributes.repo,
            })
            .collect();
        let mut head = vec!["URL", "CHART VERSION", "APP VERSION", "DESCRIPTION"];
        if self.list_repo_url {
            head.push("REPO URL");
        }
        self.shown.print(global, &elements, &head, |element| {
            let mut cells = vec![
                element.url.clone(),
                element.version.clone(),
                element.app_version.clone(),
                element.description.clone(),
            ];
            if self.list_repo_url {
                cells.push(element.repository.url.clone());
            }
            cells
        })
    }
}

fn empty_of_null<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// Words as the value of a query.
fn form_urlencoded(words: &str) -> String {
    url::form_urlencoded::byte_serialize(words.as_bytes()).collect()
}
