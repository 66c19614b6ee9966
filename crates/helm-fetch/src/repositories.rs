//! `repositories.yaml`: the repositories that the user added, and their cached indexes.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::{Access, Error, Http, Index, Places, Tls, address, is_registry, write_whole};

/// One repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How to be let in.
    pub access: Access,
}

/// The right to change the list, until it is dropped or the program ends.
#[derive(Debug)]
pub struct ListLock {
    _file: fs::File,
}

/// All of them, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    /// The repositories.
    pub list: Vec<Repository>,
}

impl Repositories {
    /// Reads the list; a file that is not there is an empty list.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these.
    pub fn load(places: &Places) -> Result<Self, Error> {
        let path = &places.repository_config;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Error::file(path)(error)),
        };
        let fields = goyaml::map_from_str(&text).map_err(|error| Error::Repositories {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let entries = fields.get("repositories").and_then(Value::as_array);
        let entries = entries.into_iter().flatten().filter_map(Value::as_object);
        Ok(Self {
            list: entries.map(Repository::read).collect(),
        })
    }

    /// Waits until no other program changes the list, and keeps others from it: whoever changes it holds this from before it is
    /// read until after it is written. `helm repo add` does the same.
    ///
    /// # Errors
    /// When the file that is locked, `repositories.lock` beside the list, cannot be made.
    pub fn lock(places: &Places) -> Result<ListLock, Error> {
        let path = places.repository_config.with_extension("lock");
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.and_then(|file| file.lock().map(|()| file));
        Ok(ListLock {
            _file: file.map_err(Error::file(&path))?,
        })
    }

    /// Writes the list, readable for the user alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, places: &Places) -> Result<(), Error> {
        let entries: Vec<Value> = self.list.iter().map(Repository::to_json).collect();
        let document = json!({
            "apiVersion": "",
            "generated": "0001-01-01T00:00:00Z",
            "repositories": entries,
        });
        let text =
            goyaml::to_string(&document).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(write_whole(
            &places.repository_config,
            text.as_bytes(),
            true,
        )?)
    }

    /// The repository that the user calls so.
    pub fn named(&self, name: &str) -> Option<&Repository> {
        self.list.iter().find(|repository| repository.name == name)
    }

    /// The repository at an address.
    pub(crate) fn at(&self, url: &str) -> Option<&Repository> {
        self.list
            .iter()
            .find(|repository| address::is_equal(&repository.url, url))
    }

    /// Adds a repository, in place of one that has its name.
    pub fn put(&mut self, repository: Repository) {
        match self
            .list
            .iter_mut()
            .find(|known| known.name == repository.name)
        {
            Some(known) => *known = repository,
            None => self.list.push(repository),
        }
    }
}

impl Repository {
    /// Fetches the index and keeps it in the cache.
    ///
    /// # Errors
    /// When it cannot be fetched, read, or kept.
    pub fn update(&self, http: &Http, places: &Places) -> Result<Index, Error> {
        let (text, index) = self.fetch_index(http)?;
        let mut names = String::new();
        for name in index.names() {
            names.push_str(name);
            names.push('\n');
        }
        write_whole(&places.charts(&self.name), names.as_bytes(), false)?;
        write_whole(&places.index(&self.name), &text, false)?;
        Ok(index)
    }

    /// Fetches the index.
    pub(crate) fn fetch_index(&self, http: &Http) -> Result<(Vec<u8>, Index), Error> {
        if is_registry(&self.url) {
            return Err(Error::Refused(format!(
                "{}: a registry has no index",
                self.url
            )));
        }
        let address = address::resolve(&self.url, "index.yaml")?;
        let text = http.get(&address, &self.url, &self.access)?;
        let index = Index::parse(&text)?;
        Ok((text, index))
    }

    /// The index in the cache.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn cached_index(&self, places: &Places) -> Result<Index, Error> {
        Index::load(&places.index(&self.name))
    }

    /// Removes what the cache holds of it.
    ///
    /// # Errors
    /// When a file is there and cannot be removed.
    pub fn forget(&self, places: &Places) -> Result<(), Error> {
        for path in [places.charts(&self.name), places.index(&self.name)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether both are the same in everything.
    pub fn is_same(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }

    fn read(fields: &Map<String, Value>) -> Self {
        let text = |key: &str| {
            let value = fields.get(key).and_then(goyaml::scalar_text);
            value.unwrap_or_default()
        };
        let flag = |key: &str| fields.get(key) == Some(&Value::Bool(true));
        let path = |key: &str| Some(text(key)).filter(|t| !t.is_empty()).map(PathBuf::from);
        let password = Some(text("password")).filter(|password| !password.is_empty());
        Self {
            name: text("name"),
            url: text("url"),
            access: Access {
                username: text("username"),
                password: password.map(SecretString::from),
                pass_credentials_all: flag("pass_credentials_all"),
                tls: Tls {
                    cert_file: path("certFile"),
                    key_file: path("keyFile"),
                    ca_file: path("caFile"),
                    insecure_skip_tls_verify: flag("insecure_skip_tls_verify"),
                },
            },
        }
    }

    fn to_json(&self) -> Value {
        let access = &self.access;
        let path = |path: &Option<PathBuf>| {
            let path = path.as_ref().map(|path| path.display().to_string());
            path.unwrap_or_default()
        };
        let password = access.password.as_ref().map(ExposeSecret::expose_secret);
        json!({
            "name": self.name,
            "url": self.url,
            "username": access.username,
            "password": password.unwrap_or_default(),
            "certFile": path(&access.tls.cert_file),
            "keyFile": path(&access.tls.key_file),
            "caFile": path(&access.tls.ca_file),
            "insecure_skip_tls_verify": access.tls.insecure_skip_tls_verify,
            "pass_credentials_all": access.pass_credentials_all,
        })
    }
}

/// The name under which the index of a repository is cached that the user did not add.
pub(crate) fn unmanaged_name(url: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = oci_registry::hex(&Sha256::digest(url));
    format!("helm-manager-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            repository_config: folder.path().join("a/repositories.yaml"),
            repository_cache: folder.path().join("cache"),
            ..Places::of_environment(|_| None)
        };
        assert!(Repositories::load(&places).unwrap().list.is_empty());
        let mut list = Repositories::default();
        let repository = Repository {
            name: "one".to_owned(),
            url: "https://example.com/charts".to_owned(),
            access: Access {
                username: "u".to_owned(),
                password: Some("hush".to_owned().into()),
                tls: Tls {
                    ca_file: Some("ca.pem".into()),
                    ..Tls::default()
                },
                ..Access::default()
            },
        };
        assert!(!format!("{repository:?}").contains("hush"));
        list.put(repository.clone());
        list.put(repository.clone());
        list.save(&places).unwrap();
        let read = Repositories::load(&places).unwrap();
        assert_eq!(read.list.len(), 1);
        assert!(read.list[0].is_same(&repository));
        assert!(read.at("https://example.com/charts/").is_some());
        let mode =
            std::os::unix::fs::MetadataExt::mode(&fs::metadata(&places.repository_config).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}
