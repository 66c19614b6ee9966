//! Images in archives: an OCI layout in a tar, or what `docker save` wrote before it had one.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use oci_registry::{Descriptor, check_digest, digest};
use serde_json::Value;

use super::{
    Base, MOST_OF_TEXT,
    parts::{Config, Manifest, Selected, object, select},
};
use crate::{Error, Layer, entries, layer};

/// The most parts of an archive.
const MOST_PARTS: usize = 20_000;
/// The annotations by which images are named in an index: containerd's and the OCI's.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// An archive, and where each part is in it.
struct Archive {
    path: PathBuf,
    file: Arc<File>,
    parts: BTreeMap<String, (u64, u64)>,
}

pub(super) fn read(path: &Path, architecture: &str) -> Result<Base, Error> {
    let archive = Archive::open(path)?;
    if archive.parts.contains_key("index.json") {
        archive.of_layout(architecture)
    } else {
        archive.of_docker(architecture)
    }
}

impl Archive {
    fn open(path: &Path) -> Result<Self, Error> {
        let unread = |error| Error::Read(path.to_owned(), error);
        let file = File::open(path).map_err(unread)?;
        let mut begin = [0; 2];
        let length = file.read_at(&mut begin, 0).map_err(unread)?;
        let what = path.display().to_string();
        if begin[..length] == layer::GZIP {
            return Err(Error::unusable(
                what,
                "it is compressed: unpack it with gunzip",
            ));
        }
        let mut parts = BTreeMap::new();
        let mut tar = tar::Archive::new(io::BufReader::new(&file));
        let broken = |error: &io::Error| Error::unusable(&what, error.to_string());
        let all = tar.entries_with_seek().map_err(|error| broken(&error))?;
        entries::each_of(all, &broken, &mut |part| {
            if !part.kind.is_file() {
                return Ok(());
            }
            if parts.len() == MOST_PARTS {
                return Err(Error::unusable(&what, "it has too many parts"));
            }
            let name = part.path.trim_start_matches("./").to_owned();
            parts.insert(name, (part.begin, part.size));
            Ok(())
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            parts,
        })
    }

    fn what(&self) -> String {
        self.path.display().to_string()
    }

    fn place(&self, name: &str) -> Result<(u64, u64), Error> {
        let found = self.parts.get(name).copied();
        found.ok_or_else(|| Error::unusable(self.what(), format!("it has no {name}")))
    }

    /// A text of it.
    fn text(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (begin, size) = self.place(name)?;
        if size > MOST_OF_TEXT {
            return Err(Error::unusable(self.what(), format!("{name} is too large")));
        }
        layer::read_at(&self.file, begin, size)
            .map_err(|error| Error::Read(self.path.clone(), error))
    }

    fn blob(&self, named: &str) -> Result<Vec<u8>, Error> {
        check_digest(named)?;
        let text = self.text(&blob(named))?;
        if digest(&text) == named {
            Ok(text)
        } else {
            Err(Error::unusable(
                self.what(),
                format!("it has another {named}"),
            ))
        }
    }

    fn of_layout(&self, architecture: &str) -> Result<Base, Error> {
        let what = self.what();
        let index = self.text("index.json")?;
        let name = object(&what, &index)?["manifests"]
            .as_array()
            .and_then(|all| all.first())
            .and_then(|first| {
                let mut keys = NAMES.iter();
                keys.find_map(|key| first["annotations"][*key].as_str())
            })
            .map_or_else(|| what.clone(), str::to_owned);
        let Selected { manifest, digest } =
            select(&what, index, architecture, &|digest| self.blob(digest))?;
        let Manifest { config, layers } = Manifest::read(&what, &manifest)?;
        let config = Config::read(&what, &self.blob(&config.digest)?, architecture)?;
        let mut all = Vec::new();
        for (descriptor, diff_id) in config.beside(&what, layers)? {
            let (begin, size) = self.place(&blob(&descriptor.digest))?;
            if size != descriptor.size {
                let why = format!("{} has another size", descriptor.digest);
                return Err(Error::unusable(what, why));
            }
            all.push(Layer::within(
                &what, descriptor, diff_id, &self.file, begin,
            )?);
        }
        Ok(Base {
            config: config.fields,
            layers: all,
            name,
            digest,
        })
    }

    /// The form with a list of images in `manifest.json`, without manifests as registries have them.
    fn of_docker(&self, architecture: &str) -> Result<Base, Error> {
        let what = self.what();
        let broken = |why: &str| Error::unusable(self.what(), why);
        if !self.parts.contains_key("manifest.json") {
            return Err(broken("it has neither index.json nor manifest.json"));
        }
        let list: Value = serde_json::from_slice(&self.text("manifest.json")?)
            .map_err(|error| broken(&error.to_string()))?;
        let [image] = list.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(broken("it has not one image"));
        };
        let config = image["Config"].as_str().unwrap_or_default();
        let text = self.text(config)?;
        let config = Config::read(&what, &text, architecture)?;
        let layers = image["Layers"].as_array().cloned().unwrap_or_default();
        let mut all = Vec::new();
        for (name, diff_id) in config.beside(&what, layers)? {
            let name = name.as_str().unwrap_or_default();
            let (begin, size) = self.place(name)?;
            let mut hashed = layer::Section::new(&self.file, begin, size);
            let (digest, media_type) = layer::identify(&mut hashed)
                .map_err(|error| Error::Read(self.path.clone(), error))?;
            let descriptor = Descriptor {
                media_type: media_type.to_owned(),
                digest,
                size,
            };
            all.push(Layer::within(
                &what, descriptor, diff_id, &self.file, begin,
            )?);
        }
        let name = image["RepoTags"][0].as_str().map_or(what, str::to_owned);
        Ok(Base {
            config: config.fields,
            layers: all,
            name,
            digest: digest(&text),
        })
    }
}

/// Where a blob is in a layout.
fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}
