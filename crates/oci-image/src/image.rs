//! [`Image`]: settings and layers, with the manifest that names them.

use oci_registry::{Descriptor, MANIFEST};
use serde_json::{Map, Value, json};

use crate::{Base, Error, Layer};

/// The media type of an image's settings.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The search path of an image that says nothing else, as engines have it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How an image is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments that whoever runs the image may replace.
    pub arguments: Vec<String>,
    /// Environment variables as `NAME=VALUE`, over those of the base.
    pub environment: Vec<String>,
    /// User and group id; the base's, else root, when empty.
    pub user: String,
    /// The working directory; the base's, else `/`, when empty.
    pub working_directory: String,
    /// What it tells about itself, over what the base does.
    pub labels: Vec<(String, String)>,
    /// The architecture that it is for, as images name it; this machine's when empty. That of a base wins.
    pub architecture: String,
}

/// An image. Copies of it share their layers.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) config_descriptor: Descriptor,
    pub(crate) manifest: Vec<u8>,
    pub(crate) manifest_descriptor: Descriptor,
    pub(crate) layers: Vec<Layer>,
}

impl Image {
    /// An image of these layers alone.
    ///
    /// # Errors
    /// [`Error::Write`], which never happens: the settings are text.
    pub fn new(settings: &Settings, layers: Vec<Layer>) -> Result<Self, Error> {
        let linux = Map::from_iter([("os".to_owned(), json!("linux"))]);
        Self::made(linux, settings, layers, Vec::new())
    }

    /// An image of the base's layers and these above them.
    ///
    /// # Errors
    /// When the base's settings are none.
    pub fn upon(base: &Base, settings: &Settings, layers: Vec<Layer>) -> Result<Self, Error> {
        Self::made(base.config.clone(), settings, layers, base.layers.clone())
    }

    fn made(
        mut config: Map<String, Value>,
        settings: &Settings,
        own: Vec<Layer>,
        below: Vec<Layer>,
    ) -> Result<Self, Error> {
        let number = own.len();
        let mut layers = below;
        layers.extend(own);
        if !config.get("architecture").is_some_and(Value::is_string) {
            let architecture = match settings.architecture.as_str() {
                "" => architecture(),
                named => named,
            };
            config.insert("architecture".to_owned(), json!(architecture));
        }
        let mut run = match config.remove("config") {
            Some(Value::Object(run)) => run,
            _ => Map::new(),
        };
        lay_over(&mut run, settings);
        config.insert("config".to_owned(), Value::Object(run));
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let root = json!({ "type": "layers", "diff_ids": diff_ids });
        config.insert("rootfs".to_owned(), root);
        // Where the base tells of its layers, so must we of ours: as many entries as layers.
        if let Some(Value::Array(history)) = config.get_mut("history") {
            history.extend((0..number).map(|_| json!({ "created_by": "mcpt" })));
        } else {
            config.remove("history");
        }
        let config = text(&config)?;
        let config_descriptor = Descriptor::of(CONFIG, &config);
        let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
        let manifest = text(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config_descriptor,
            "layers": descriptors,
        }))?;
        Ok(Self {
            manifest_descriptor: Descriptor::of(MANIFEST, &manifest),
            config,
            config_descriptor,
            manifest,
            layers,
        })
    }

    /// The digest by which it is named: that of its manifest, `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.manifest_descriptor.digest
    }

    /// The size of its layers, in bytes, compressed as they are.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(Layer::size).sum()
    }
}

/// This machine's architecture in the word that images have for it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Lays settings over what a base says.
fn lay_over(run: &mut Map<String, Value>, settings: &Settings) {
    let mut environment: Vec<String> = strings(run.get("Env"));
    if environment.is_empty() {
        environment.push(PATH.to_owned());
    }
    for variable in &settings.environment {
        let name = variable.split('=').next().unwrap_or(variable);
        let named = |known: &&mut String| known.split('=').next() == Some(name);
        match environment.iter_mut().find(named) {
            Some(known) => known.clone_from(variable),
            None => environment.push(variable.clone()),
        }
    }
    run.insert("Env".into(), json!(environment));
    if !settings.entrypoint.is_empty() {
        run.insert("Entrypoint".into(), json!(settings.entrypoint));
        // The base's arguments are for its own program, and so are its checks.
        run.remove("Cmd");
        run.remove("Healthcheck");
    }
    if !settings.arguments.is_empty() {
        run.insert("Cmd".into(), json!(settings.arguments));
    }
    for (key, value) in [
        ("User", &settings.user),
        ("WorkingDir", &settings.working_directory),
    ] {
        if !value.is_empty() {
            run.insert(key.into(), json!(value));
        }
    }
    if !settings.labels.is_empty() {
        let mut labels = match run.remove("Labels") {
            Some(Value::Object(labels)) => labels,
            _ => Map::new(),
        };
        for (key, value) in &settings.labels {
            labels.insert(key.clone(), json!(value));
        }
        run.insert("Labels".into(), Value::Object(labels));
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn text(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Write(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compression, Tree};

    #[test]
    fn settings_lie_over_those_of_the_base() {
        let config = json!({
            "architecture": "arm64", "os": "linux", "created": "2026-01-02T03:04:05Z",
            "config": {"Env": ["PATH=/x", "A=1"], "Entrypoint": ["/e"], "Cmd": ["c"], "User": "9",
                "Labels": {"a": "1"}, "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", "c"]}},
            "rootfs": {"type": "layers", "diff_ids": []},
            "history": [{"created_by": "them", "empty_layer": true}],
        });
        let Value::Object(config) = config else {
            panic!("no object")
        };
        let base = Base::of_nothing(config);
        let mut tree = Tree::default();
        tree.file("a", "b", 0o644);
        let settings = Settings {
            entrypoint: vec!["/mine".to_owned()],
            environment: vec!["A=2".to_owned(), "B=3".to_owned()],
            labels: vec![("b".to_owned(), "2".to_owned())],
            ..Settings::default()
        };
        let layer = Layer::of(&tree, Compression::None).unwrap();
        let image = Image::upon(&base, &settings, vec![layer.clone()]).unwrap();
        let config: Value = serde_json::from_slice(&image.config).unwrap();
        let run = &config["config"];
        assert_eq!(run["Env"], json!(["PATH=/x", "A=2", "B=3"]));
        assert_eq!(run["Entrypoint"], json!(["/mine"]));
        assert!(run.get("Cmd").is_none() && run.get("Healthcheck").is_none());
        assert_eq!(
            (&run["User"], &run["StopSignal"]),
            (&json!("9"), &json!("SIGINT"))
        );
        assert_eq!(run["Labels"], json!({"a": "1", "b": "2"}));
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["rootfs"]["diff_ids"], json!([layer.diff_id]));
        assert_eq!(config["history"].as_array().unwrap().len(), 2);

        let alone = Image::new(&settings, vec![layer]).unwrap();
        let config: Value = serde_json::from_slice(&alone.config).unwrap();
        assert_eq!(config["architecture"], architecture());
        assert_eq!(config["config"]["Env"][0], PATH);
        assert!(config.get("history").is_none());
        assert_ne!(alone.digest(), image.digest());
    }
}
