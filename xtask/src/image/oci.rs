//! Writes an image as an OCI archive (image-spec 1.1) that `ctr images import` and `podman load` take. `docker load` takes it
//! by the list of images beside the index, which is all that versions before 25 know.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::tree::Tree;
use crate::cache;

/// The annotation by which containerd names an imported image.
const NAME: &str = "io.containerd.image.name";

/// An image with one layer.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// The full name with its tag: `localhost/mcpt:0.1.0`.
    pub(crate) name: String,
    /// The program and its first arguments.
    pub(crate) entrypoint: Vec<String>,
    /// Arguments that whoever runs the image may replace.
    pub(crate) arguments: Vec<String>,
    /// Environment variables as `NAME=VALUE`.
    pub(crate) environment: Vec<String>,
    /// User and group id; root when empty.
    pub(crate) user: String,
    /// The working directory; `/` when empty.
    pub(crate) working_directory: String,
    /// The files.
    pub(crate) tree: Tree,
}

impl Image {
    /// Writes the archive to `path`. Equal images give equal bytes.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let layer_path = path.with_extension("layer");
        let layer = write_layer(&self.tree, &layer_path)
            .with_context(|| format!("cannot write the files of {}", self.name))?;
        let partial = path.with_extension("partial");
        self.write_archive(&partial, &layer_path, &layer)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        std::fs::remove_file(&layer_path)?;
        std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn write_archive(&self, path: &Path, layer_path: &Path, layer: &Blob) -> anyhow::Result<()> {
        let config = serde_json::to_vec(&self.config(layer))?;
        let config_blob = Blob::of(&config);
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config_blob.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
        }))?;
        let manifest_blob = Blob::of(&manifest);
        let index = serde_json::to_vec(&self.index(&manifest_blob))?;
        let docker = serde_json::to_vec(&json!([{
            "Config": config_blob.path(),
            "RepoTags": [self.name],
            "Layers": [layer.path()],
        }]))?;

        let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
        append(
            &mut archive,
            "oci-layout",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        append(&mut archive, "index.json", &index)?;
        append(&mut archive, "manifest.json", &docker)?;
        append(&mut archive, &config_blob.path(), &config)?;
        append(&mut archive, &manifest_blob.path(), &manifest)?;
        let mut header = header(layer.size);
        archive.append_data(&mut header, layer.path(), File::open(layer_path)?)?;
        archive.into_inner()?.flush()?;
        Ok(())
    }

    fn config(&self, layer: &Blob) -> serde_json::Value {
        let mut environment =
            vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        environment.extend(self.environment.iter().cloned());
        json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": self.user,
                "Env": environment,
                "Entrypoint": self.entrypoint,
                "Cmd": self.arguments,
                "WorkingDir": self.working_directory,
            },
            "rootfs": { "type": "layers", "diff_ids": [layer.digest()] },
        })
    }

    fn index(&self, manifest: &Blob) -> serde_json::Value {
        let mut descriptor = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        descriptor["annotations"] = json!({
            NAME: self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor],
        })
    }
}

/// An image in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The full name with its tag.
    pub(crate) name: String,
    /// The digest of its manifest.
    pub(crate) digest: String,
}

/// The images that an archive has, by its index; none when it has no names as containerd writes them.
pub(crate) fn references(archive: &Path) -> anyhow::Result<Vec<Reference>> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let explain = || format!("{} is no OCI archive", archive.display());
    for entry in tar::Archive::new(file).entries()? {
        let entry = entry.with_context(explain)?;
        if entry.path()?.as_ref() == Path::new("index.json") {
            let index: serde_json::Value = serde_json::from_reader(entry).with_context(explain)?;
            let manifests = index["manifests"].as_array().with_context(explain)?;
            return Ok(manifests.iter().filter_map(reference).collect());
        }
    }
    Err(anyhow!("it has no index.json")).with_context(explain)
}

fn reference(descriptor: &serde_json::Value) -> Option<Reference> {
    Some(Reference {
        name: descriptor["annotations"][NAME].as_str()?.to_owned(),
        digest: descriptor["digest"].as_str()?.to_owned(),
    })
}

/// The digest and the size of a part of the archive.
#[derive(Debug)]
struct Blob {
    sha256: String,
    size: u64,
}

impl Blob {
    fn of(contents: &[u8]) -> Self {
        Self {
            sha256: cache::hex(&Sha256::digest(contents)),
            size: contents.len() as u64,
        }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.sha256)
    }

    fn descriptor(&self, media_type: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": self.digest(), "size": self.size })
    }
}

/// The layer is hashed from the file that was written, which needs no memory for it.
fn write_layer(tree: &Tree, path: &Path) -> anyhow::Result<Blob> {
    tree.write(BufWriter::new(File::create(path)?))?;
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => digest.update(&buffer[..length]),
        }
    }
    Ok(Blob {
        sha256: cache::hex(&digest.finalize()),
        size: file.metadata()?.len(),
    })
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    contents: &[u8],
) -> std::io::Result<()> {
    archive.append_data(&mut header(contents.len() as u64), path, contents)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sample() -> Image {
        let mut tree = Tree::default();
        tree.file("bin/server", "#!/bin/sh\n", 0o755);
        Image {
            name: "localhost/server:1.2".to_owned(),
            entrypoint: vec!["/bin/server".to_owned()],
            user: "65532:65532".to_owned(),
            environment: vec!["A=b".to_owned()],
            tree,
            ..Image::default()
        }
    }

    fn written(image: &Image, name: &str) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}.tar", std::process::id()));
        image.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
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
        assert_eq!(written(&sample(), "equal-a"), written(&sample(), "equal-b"));
    }

    #[test]
    fn what_is_in_an_archive_is_read_back() {
        let path = std::env::temp_dir().join(format!("xtask-read-{}.tar", std::process::id()));
        sample().write(&path).unwrap();
        let [found] = &references(&path).unwrap()[..] else {
            panic!("not one image")
        };
        assert_eq!(found.name, "localhost/server:1.2");
        assert!(found.digest.starts_with("sha256:"));
        std::fs::write(&path, [0; 1024]).unwrap();
        assert!(
            references(&path)
                .unwrap_err()
                .to_string()
                .contains("no OCI archive")
        );
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn every_descriptor_names_a_part_of_that_digest_and_size() {
        let parts = parts(&written(&sample(), "layout"));
        let part = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let contents = &parts[&format!("blobs/{}", digest.replace(':', "/"))];
            assert_eq!(digest, Blob::of(contents).digest());
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
        assert_eq!(config["rootfs"]["diff_ids"][0], Blob::of(layer).digest());
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
        assert_eq!(parts.len(), 6);
    }
}
