//! `Chart.yaml` and `Chart.lock`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::{Error, Version};

mod fields;

use fields::Fields;

/// What `Chart.yaml` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The chart's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A page about the project.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Where the source is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The chart's version (semantic versioning).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who maintains it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// The URL of an icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1` or `v2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// A values path that switches the chart on or off.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags that switch the chart on or off.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of what is inside.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// No longer kept up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// What Helm passes on unread.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The Kubernetes versions it runs on, as a constraint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The charts it depends on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// `application` (also when empty) or `library`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub chart_type: String,
}

/// Someone who maintains a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    /// A person's or an organisation's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// An address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// A page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart that another chart depends on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Dependency {
    /// The name in its own `Chart.yaml`; its alias, once [`process_dependencies`](crate::process_dependencies) has run.
    pub name: String,
    /// The version or range of versions that fits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Values paths, with commas between; the first that is a boolean decides.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags that switch groups of charts on and off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it takes part; decided by condition and tags.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Which of its values become the parent's: names below `exports`, or pairs of `child` and `parent`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    /// The name it takes part under.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// What `Chart.lock` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// When it was made, in RFC 3339.
    pub generated: String,
    /// The digest of the dependencies in `Chart.yaml`.
    pub digest: String,
    /// The exact versions.
    pub dependencies: Vec<Dependency>,
}

impl Metadata {
    /// Reads `Chart.yaml` (or a `requirements.yaml`) over what is already known, as Helm does: unknown fields are passed
    /// over, scalars become text where text is wanted.
    ///
    /// # Errors
    /// When it is not YAML, or a field has a type that cannot be.
    pub fn read_over(&mut self, yaml: &str) -> Result<(), Error> {
        let fields = Fields::read(yaml, "Metadata")?;
        fields.text("name", &mut self.name)?;
        fields.text("home", &mut self.home)?;
        fields.texts("sources", &mut self.sources)?;
        fields.text("version", &mut self.version)?;
        fields.text("description", &mut self.description)?;
        fields.texts("keywords", &mut self.keywords)?;
        fields.text("icon", &mut self.icon)?;
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("condition", &mut self.condition)?;
        fields.text("tags", &mut self.tags)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.text("kubeVersion", &mut self.kube_version)?;
        fields.text("type", &mut self.chart_type)?;
        if let Some(value) = fields.get("annotations") {
            self.annotations = fields.text_map("annotations", value)?;
        }
        if let Some(items) = fields.list("maintainers", "[]*v2.Maintainer")? {
            self.maintainers = items
                .iter()
                .map(|item| {
                    let fields = Fields::of_item(item, "maintainers", "v2.Maintainer")?;
                    let mut maintainer = Maintainer::default();
                    fields.text("name", &mut maintainer.name)?;
                    fields.text("email", &mut maintainer.email)?;
                    fields.text("url", &mut maintainer.url)?;
                    Ok(maintainer)
                })
                .collect::<Result<_, Error>>()?;
        }
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            self.dependencies = items
                .iter()
                .map(Dependency::from_item)
                .collect::<Result<_, Error>>()?;
        }
        Ok(())
    }

    /// Checks the rules that Helm checks when it loads a chart, and cleans the texts as Helm does: white space becomes blanks,
    /// what cannot be printed vanishes.
    ///
    /// # Errors
    /// With the first rule that is broken.
    pub fn validate(&mut self) -> Result<(), Error> {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts
            .into_iter()
            .chain(&mut self.sources)
            .chain(&mut self.keywords)
            .for_each(sanitize);
        let refuse = |message: String| Err(Error::Validation(message));
        if self.api_version.is_empty() {
            return refuse("chart.metadata.apiVersion is required".to_owned());
        }
        if self.name.is_empty() {
            return refuse("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return refuse(format!(
                "chart.metadata.name {:?} is not allowed",
                self.name
            ));
        }
        if self.name.contains('/') {
            return refuse(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return refuse("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return refuse(format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".to_owned());
        }
        for maintainer in &mut self.maintainers {
            [
                &mut maintainer.name,
                &mut maintainer.email,
                &mut maintainer.url,
            ]
            .into_iter()
            .for_each(sanitize);
        }
        let mut names = BTreeSet::new();
        for dependency in &mut self.dependencies {
            dependency.validate()?;
            let name = dependency.effective_name();
            if !names.insert(name.to_owned()) {
                return refuse(format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whether only the `_` files of the chart count.
    pub fn is_library(&self) -> bool {
        self.chart_type.eq_ignore_ascii_case("library")
    }

    /// The map that a template sees as `.Chart`: the fields of Helm's Go structs under their Go names.
    /// Absent annotations are an empty map; absent lists are empty lists.
    pub fn to_template_map(&self) -> Map<String, Value> {
        let maintainers: Vec<Value> = self
            .maintainers
            .iter()
            .map(|maintainer| json!({"Name": maintainer.name, "Email": maintainer.email, "URL": maintainer.url}))
            .collect();
        let dependencies: Vec<Value> = self
            .dependencies
            .iter()
            .map(Dependency::to_template_value)
            .collect();
        let map = json!({
            "Name": self.name,
            "Home": self.home,
            "Sources": self.sources,
            "Version": self.version,
            "Description": self.description,
            "Keywords": self.keywords,
            "Maintainers": maintainers,
            "Icon": self.icon,
            "APIVersion": self.api_version,
            "Condition": self.condition,
            "Tags": self.tags,
            "AppVersion": self.app_version,
            "Deprecated": self.deprecated,
            "Annotations": self.annotations,
            "KubeVersion": self.kube_version,
            "Dependencies": dependencies,
            "Type": self.chart_type,
        });
        match map {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

impl Dependency {
    /// The name under which the chart takes part: its alias, else its name.
    pub fn effective_name(&self) -> &str {
        if self.alias.is_empty() {
            &self.name
        } else {
            &self.alias
        }
    }

    fn from_item(item: &Value) -> Result<Self, Error> {
        let fields = Fields::of_item(item, "dependencies", "v2.Dependency")?;
        let mut dependency = Self::default();
        fields.text("name", &mut dependency.name)?;
        fields.text("version", &mut dependency.version)?;
        fields.text("repository", &mut dependency.repository)?;
        fields.text("condition", &mut dependency.condition)?;
        fields.texts("tags", &mut dependency.tags)?;
        fields.flag("enabled", &mut dependency.enabled)?;
        fields.text("alias", &mut dependency.alias)?;
        if let Some(items) = fields.list("import-values", "[]interface {}")? {
            dependency.import_values.clone_from(items);
        }
        Ok(dependency)
    }

    fn validate(&mut self) -> Result<(), Error> {
        let texts = [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ];
        texts.into_iter().chain(&mut self.tags).for_each(sanitize);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.alias.chars().all(legal) {
            Ok(())
        } else {
            let name = &self.name;
            Err(Error::Validation(format!(
                "dependency {name:?} has disallowed characters in the alias"
            )))
        }
    }

    fn to_template_value(&self) -> Value {
        json!({
            "Name": self.name,
            "Version": self.version,
            "Repository": self.repository,
            "Condition": self.condition,
            "Tags": self.tags,
            "Enabled": self.enabled,
            "ImportValues": self.import_values,
            "Alias": self.alias,
        })
    }
}

impl Lock {
    /// Reads `Chart.lock`.
    ///
    /// # Errors
    /// When it is not YAML, or a field has a type that cannot be.
    pub fn read(yaml: &str) -> Result<Self, Error> {
        let fields = Fields::read(yaml, "Lock")?;
        let mut lock = Self::default();
        fields.text("generated", &mut lock.generated)?;
        fields.text("digest", &mut lock.digest)?;
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            lock.dependencies = items
                .iter()
                .map(Dependency::from_item)
                .collect::<Result<_, Error>>()?;
        }
        Ok(lock)
    }
}

fn sanitize(text: &mut String) {
    let clean = |c: char| match c {
        _ if c.is_whitespace() => Some(' '),
        _ if is_print(c) => Some(c),
        _ => None,
    };
    if text.chars().any(|c| clean(c) != Some(c)) {
        *text = text.chars().filter_map(clean).collect();
    }
}

/// Go's `unicode.IsPrint`, for what is not white space: letters, marks, numbers, punctuation, symbols.
fn is_print(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
        Unassigned,
    };
    !matches!(
        get_general_category(c),
        Control
            | Format
            | Surrogate
            | PrivateUse
            | Unassigned
            | LineSeparator
            | ParagraphSeparator
            | SpaceSeparator
    )
}
