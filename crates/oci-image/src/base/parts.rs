//! What manifests, lists of them and settings of images say, which strangers wrote.

use oci_registry::{Descriptor, INDEX, MANIFEST, check_digest, digest};
use serde_json::{Map, Value};

use crate::Error;

/// The media types of manifests and of lists of them: the OCI's and Docker's.
pub(super) const ACCEPTED: &[&str] = &[MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The most lists within lists.
const DEPTH: usize = 3;

/// The most layers, of which engines take fewer.
const MOST_LAYERS: usize = 500;

/// The manifest of one image.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) manifest: Vec<u8>,
    pub(super) digest: String,
}

/// Goes from a manifest or a list of them to the manifest of the image for a machine; `get` has others by their digests.
pub(super) fn select(
    what: &str,
    mut text: Vec<u8>,
    architecture: &str,
    get: &dyn Fn(&str) -> Result<Vec<u8>, Error>,
) -> Result<Selected, Error> {
    for _ in 0..DEPTH {
        let value = object(what, &text)?;
        let Some(several) = value.get("manifests") else {
            return Ok(Selected {
                digest: digest(&text),
                manifest: text,
            });
        };
        let several = several
            .as_array()
            .ok_or_else(|| Error::unusable(what, "its list of manifests is none"))?;
        let fits = |entry: &&Value| {
            let platform = &entry["platform"];
            platform["os"] == "linux" && platform["architecture"] == architecture
        };
        let named = several.iter().find(fits).or_else(|| match &several[..] {
            // Its settings say what it is for.
            [only] if only["platform"].is_null() => Some(only),
            _ => None,
        });
        let named = named.and_then(|entry| entry["digest"].as_str());
        let named = named.ok_or_else(|| {
            Error::unusable(what, format!("it has none for linux/{architecture}"))
        })?;
        text = get(named)?;
    }
    Err(Error::unusable(
        what,
        "its lists of manifests lead to further ones",
    ))
}

/// What a manifest names.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

impl Manifest {
    pub(super) fn read(what: &str, text: &[u8]) -> Result<Self, Error> {
        let mut value = object(what, text)?;
        let mut part = |name: &str| value.remove(name).unwrap_or_default();
        let broken = |error: serde_json::Error| Error::unusable(what, error.to_string());
        let config: Descriptor = serde_json::from_value(part("config")).map_err(broken)?;
        let layers: Vec<Descriptor> = serde_json::from_value(part("layers")).map_err(broken)?;
        if layers.len() > MOST_LAYERS {
            let why = format!("it has more than {MOST_LAYERS} layers");
            return Err(Error::unusable(what, why));
        }
        for part in layers.iter().chain([&config]) {
            check_digest(&part.digest)?;
        }
        Ok(Self { config, layers })
    }
}

/// The settings of an image, in the form that they must have to be used.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) fields: Map<String, Value>,
    diff_ids: Vec<String>,
}

impl Config {
    pub(super) fn read(what: &str, text: &[u8], architecture: &str) -> Result<Self, Error> {
        let fields = object(what, text)?;
        let wrong = |why: String| Err(Error::unusable(what, why));
        for (name, wanted) in [("os", "linux"), ("architecture", architecture)] {
            match fields.get(name).and_then(Value::as_str) {
                Some(found) if found == wanted => {}
                Some(found) => return wrong(format!("its {name} is {found}, and not {wanted}")),
                None => return wrong(format!("it names no {name}")),
            }
        }
        let run = match fields.get("config") {
            None | Some(Value::Null) => None,
            Some(Value::Object(run)) => Some(run),
            Some(_) => return wrong("its settings to run are none".to_owned()),
        };
        for (name, is_map) in [
            ("Env", false),
            ("Entrypoint", false),
            ("Cmd", false),
            ("Labels", true),
        ] {
            let value = run.and_then(|run| run.get(name)).unwrap_or(&Value::Null);
            let fits = match value {
                Value::Null => true,
                Value::Array(items) => !is_map && items.iter().all(Value::is_string),
                Value::Object(pairs) => is_map && pairs.values().all(Value::is_string),
                _ => false,
            };
            if !fits {
                return wrong(format!("its {name} is not of texts"));
            }
        }
        let diff_ids = fields.get("rootfs").and_then(|root| root.get("diff_ids"));
        let mut all = Vec::new();
        for item in diff_ids.and_then(Value::as_array).into_iter().flatten() {
            let text = item.as_str().unwrap_or_default();
            check_digest(text)?;
            all.push(text.to_owned());
        }
        Ok(Self {
            fields,
            diff_ids: all,
        })
    }

    /// These layers, each with the digest of its tar.
    pub(super) fn beside<L>(&self, what: &str, layers: Vec<L>) -> Result<Vec<(L, String)>, Error> {
        if layers.len() != self.diff_ids.len() {
            return Err(Error::unusable(
                what,
                "its settings name another number of layers",
            ));
        }
        Ok(layers.into_iter().zip(self.diff_ids.clone()).collect())
    }
}

/// A text that must be an object.
pub(super) fn object(what: &str, text: &[u8]) -> Result<Map<String, Value>, Error> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::unusable(
            what,
            "what should describe it is no object",
        )),
        Err(error) => Err(Error::unusable(what, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    /// All that is one change away from this value: each part replaced by others, or left out.
    fn changed(value: &Value) -> Vec<Value> {
        let others = [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!(-1),
            json!([[]]),
            json!(["a", 1]),
            json!({"a": []}),
            json!("sha256:../../x"),
        ];
        let mut all = Vec::from(others);
        match value {
            Value::Object(fields) => {
                for (name, part) in fields {
                    let mut without = fields.clone();
                    without.remove(name);
                    all.push(Value::Object(without));
                    for other in changed(part) {
                        let mut with = fields.clone();
                        with.insert(name.clone(), other);
                        all.push(Value::Object(with));
                    }
                }
            }
            Value::Array(items) => {
                for (index, part) in items.iter().enumerate() {
                    for other in changed(part) {
                        let mut with = items.clone();
                        with[index] = other;
                        all.push(Value::Array(with));
                    }
                }
            }
            _ => {}
        }
        all
    }

    #[test]
    fn whatever_they_say_nothing_panics() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let part = json!({"mediaType": "x", "digest": digest, "size": 1});
        let manifest = json!({"config": part, "layers": [part, part]});
        let list = json!({"manifests": [
            {"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}}, {"digest": digest},
        ]});
        let config = json!({
            "os": "linux", "architecture": "amd64", "history": [{"a": "b"}],
            "config": {"Env": ["A=b"], "Entrypoint": ["/x"], "Cmd": null, "Labels": {"a": "b"}, "User": "9"},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
        });
        assert_eq!(Manifest::read("m", &of(&manifest)).unwrap().layers.len(), 2);
        let read = Config::read("c", &of(&config), "amd64").unwrap();
        assert_eq!(read.beside("c", vec![()]).unwrap().len(), 1);
        assert!(Config::read("c", &of(&config), "arm64").is_err());
        let settings = crate::Settings {
            entrypoint: vec!["/y".to_owned()],
            environment: vec!["B=c".to_owned()],
            labels: vec![("c".to_owned(), "d".to_owned())],
            user: "1".to_owned(),
            ..crate::Settings::default()
        };
        let mut used = 0;
        for text in changed(&manifest) {
            drop(Manifest::read("m", &of(&text)));
        }
        for text in changed(&list) {
            drop(select("l", of(&text), "amd64", &|_| Ok(of(&text))));
        }
        for text in changed(&config) {
            let Ok(config) = Config::read("c", &of(&text), "amd64") else {
                continue;
            };
            let base = crate::Base::of_nothing(config.fields);
            let _ = base.variable("A");
            crate::Image::upon(&base, &settings, Vec::new()).unwrap();
            used += 1;
        }
        assert!(used > 5, "{used}");
        for text in ["", "[]", "null", "{", "\u{feff}{}"] {
            assert!(Config::read("c", text.as_bytes(), "amd64").is_err());
            assert!(Manifest::read("m", text.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_list_has_the_image_of_each_machine() {
        let entry = |architecture: &str, digit: &str| {
            let digest = format!("sha256:{}", digit.repeat(64));
            json!({"digest": digest, "platform": {"os": "linux", "architecture": architecture}})
        };
        let list = of(&json!({"manifests": [entry("arm64", "1"), entry("amd64", "2")]}));
        let manifest = of(&json!({"config": {}}));
        let get = |digest: &str| {
            assert!(digest.ends_with("22"), "{digest}");
            Ok(manifest.clone())
        };
        let found = select("l", list.clone(), "amd64", &get).unwrap();
        assert_eq!(found.digest, digest(&manifest));
        let refused = select("l", list.clone(), "riscv64", &get).unwrap_err();
        assert!(refused.to_string().contains("none for linux/riscv64"));
        let endless = select("l", list.clone(), "amd64", &|_| Ok(list.clone()));
        assert!(endless.unwrap_err().to_string().contains("further ones"));
    }
}
