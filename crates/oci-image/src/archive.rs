//! Archives (OCI) that `ctr images import` and `podman load` take. `docker load` takes them by the list of images beside the
//! index, which is all that versions before 25 know.

use std::io::{self, Read, Write};
use std::path::Path;

use oci_registry::INDEX;
use serde_json::json;
use tar::{EntryType, Header};

use crate::image::text;
use crate::{Error, Image};

/// The annotation by which containerd names an imported image.
const NAME: &str = "io.containerd.image.name";

/// The most bytes of an archive's index.
const MOST_OF_INDEX: u64 = 4 << 20;

impl Image {
    /// Writes it as an archive in which it has a full name with its tag: `localhost/mcpt:0.1.0`. Equal images give equal bytes.
    ///
    /// # Errors
    /// [`Error::Write`], and [`Error::Registry`] when the base's no longer has a layer.
    pub fn write_archive(&self, name: &str, output: impl Write) -> Result<(), Error> {
        let path = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
        let mut manifest = json!(self.manifest_descriptor);
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        manifest["annotations"] = json!({
            NAME: name,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = text(&json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [manifest],
        }))?;
        let layers: Vec<String> = self
            .layers
            .iter()
            .map(|layer| path(&layer.descriptor.digest))
            .collect();
        let config = path(&self.config_descriptor.digest);
        let docker = text(&json!([{ "Config": config, "RepoTags": [name], "Layers": layers }]))?;
        let mut archive = Archive(tar::Builder::new(output));
        archive.text("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        archive.text("index.json", &index)?;
        archive.text("manifest.json", &docker)?;
        archive.text(&config, &self.config)?;
        archive.text(&path(self.digest()), &self.manifest)?;
        let mut written: Vec<&str> = Vec::new();
        for layer in &self.layers {
            let digest = layer.descriptor.digest.as_str();
            // Some bases have the same empty layer twice.
            if !written.contains(&digest) {
                let contents = layer.source()?.reader();
                archive.append(&path(digest), layer.size(), contents)?;
                written.push(digest);
            }
        }
        let output = archive.0.into_inner().and_then(|mut output| output.flush());
        output.map_err(Error::Write)
    }
}

/// An archive that is being written, of files without owners and times.
struct Archive<W: Write>(tar::Builder<W>);

impl<W: Write> Archive<W> {
    fn text(&mut self, path: &str, contents: &[u8]) -> Result<(), Error> {
        self.append(path, contents.len() as u64, contents)
    }

    /// Adds a file of so many bytes, read to their end.
    fn append(&mut self, path: &str, size: u64, mut contents: impl Read) -> Result<(), Error> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        let appended = self.0.append_data(&mut header, path, &mut contents);
        appended.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Error::unusable(path, error.to_string()),
            _ => Error::Write(error),
        })
    }
}

/// An image in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The full name with its tag.
    pub name: String,
    /// The digest of its manifest.
    pub digest: String,
}

/// The images that an archive has, by its index; none when it has no names as containerd writes them.
///
/// # Errors
/// [`Error::Unusable`] when it is no such archive.
pub fn references(archive: impl Read) -> Result<Vec<Archived>, Error> {
    let broken = |why: &dyn std::fmt::Display| Error::unusable("the archive", why.to_string());
    let mut archive = tar::Archive::new(archive);
    // Raw, since names of any length would be read else.
    for entry in archive.entries().map_err(|error| broken(&error))?.raw(true) {
        let entry = entry.map_err(|error| broken(&error))?;
        let is_index = entry
            .path()
            .is_ok_and(|path| path == Path::new("index.json"));
        if is_index {
            let index: serde_json::Value = serde_json::from_reader(entry.take(MOST_OF_INDEX))
                .map_err(|error| broken(&error))?;
            let manifests = index["manifests"].as_array();
            let manifests = manifests.ok_or_else(|| broken(&"its index names no images"))?;
            return Ok(manifests.iter().filter_map(reference).collect());
        }
    }
    Err(broken(&"it has no index.json"))
}

fn reference(descriptor: &serde_json::Value) -> Option<Archived> {
    Some(Archived {
        name: descriptor["annotations"][NAME].as_str()?.to_owned(),
        digest: descriptor["digest"].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use oci_registry::digest;

    use super::*;
    use crate::{Compression, Layer, Settings, Tree};

    fn sample() -> Image {
        let mut tree = Tree::default();
        tree.file("bin/server", "#!/bin/sh\n", 0o755);
        let settings = Settings {
            entrypoint: vec!["/bin/server".to_owned()],
            user: "65532:65532".to_owned(),
            environment: vec!["A=b".to_owned()],
            ..Settings::default()
        };
        let layer = Layer::of(&tree, Compression::None).unwrap();
        Image::new(&settings, vec![layer.clone(), layer]).unwrap()
    }

    fn written(image: &Image) -> Vec<u8> {
        let mut bytes = Vec::new();
        image
            .write_archive("localhost/server:1.2", &mut bytes)
            .unwrap();
        bytes
    }

    fn parts(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        tar::Archive::new(archive)
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).unwrap();
                (
                    entry.path().unwrap().to_string_lossy().into_owned(),
                    contents,
                )
            })
            .collect()
    }

    #[test]
    fn equal_images_give_equal_bytes() {
        assert_eq!(written(&sample()), written(&sample()));
    }

    #[test]
    fn what_is_in_an_archive_is_read_back() {
        let image = sample();
        let [found] = &references(written(&image).as_slice()).unwrap()[..] else {
            panic!("not one image")
        };
        assert_eq!(found.name, "localhost/server:1.2");
        assert_eq!(found.digest, image.digest());
        let error = references([0; 1024].as_slice()).unwrap_err();
        assert!(error.to_string().contains("no index.json"), "{error}");
    }

    #[test]
    fn every_descriptor_names_a_part_of_that_digest_and_size() {
        let parts = parts(&written(&sample()));
        let part = |descriptor: &serde_json::Value| {
            let named = descriptor["digest"].as_str().unwrap();
            let contents = &parts[&format!("blobs/{}", named.replace(':', "/"))];
            assert_eq!(named, digest(contents));
            assert_eq!(descriptor["size"], contents.len());
            contents
        };
        assert_eq!(parts["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index: serde_json::Value = serde_json::from_slice(&parts["index.json"]).unwrap();
        let descriptor = &index["manifests"][0];
        let annotations = &descriptor["annotations"];
        assert_eq!(annotations[NAME], "localhost/server:1.2");
        assert_eq!(annotations["org.opencontainers.image.ref.name"], "1.2");
        let manifest: serde_json::Value = serde_json::from_slice(part(descriptor)).unwrap();
        let config: serde_json::Value = serde_json::from_slice(part(&manifest["config"])).unwrap();
        let layer = part(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(layer));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/server");
        assert_eq!(config["config"]["Env"][1], "A=b");
        let docker: serde_json::Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
        assert_eq!(docker[0]["RepoTags"][0], "localhost/server:1.2");
        for (named, by) in [
            (&docker[0]["Config"], &manifest["config"]),
            (&docker[0]["Layers"][0], &manifest["layers"][0]),
        ] {
            assert_eq!(&parts[named.as_str().unwrap()], part(by));
        }
        assert_eq!(parts.len(), 6, "the second layer is the first");
    }
}
