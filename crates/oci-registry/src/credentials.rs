//! Who the user is at each registry: Helm's own file, then Docker's, and the helpers that either of them names.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::{Error, files, go_json};

/// Under what Docker keeps the login of its own registry.
const DOCKER: &str = "https://index.docker.io/v1/";

/// Where logins are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Helm's file; logins are written there.
    pub helm: PathBuf,
    /// Docker's file, which is read after it.
    pub docker: PathBuf,
}

/// A login.
#[derive(Debug, Clone)]
pub enum Login {
    /// A user and a password.
    Password(String, SecretString),
    /// What a token is had for.
    Identity(SecretString),
    /// A token.
    Token(SecretString),
}

impl Credentials {
    /// The login at a registry, if there is one.
    ///
    /// # Errors
    /// When a file cannot be read, or a helper fails.
    pub fn get(&self, host: &str) -> Result<Option<Login>, Error> {
        login_in(&[&self.helm, &self.docker], host, "")
    }

    /// Keeps a login.
    ///
    /// # Errors
    /// When the file cannot be read or written, or a helper fails.
    pub(crate) fn put(
        &self,
        host: &str,
        username: &str,
        password: &SecretString,
    ) -> Result<(), Error> {
        let key = key(host);
        let mut file = File::load(&self.helm)?;
        if let Some(helper) = file.helper(key) {
            return helper.put(key, username, password);
        }
        let pair = format!("{username}:{}", password.expose_secret());
        let auths = file.auths_mut();
        auths.insert(key.to_owned(), json!({ "auth": STANDARD.encode(pair) }));
        file.save()
    }

    /// Forgets a login.
    ///
    /// # Errors
    /// When the file cannot be read or written, or a helper fails.
    pub(crate) fn remove(&self, host: &str) -> Result<(), Error> {
        let key = key(host);
        let mut file = File::load(&self.helm)?;
        if let Some(helper) = file.helper(key) {
            return helper.remove(key);
        }
        if file.auths_mut().remove(key).is_some() {
            file.save()?;
        }
        Ok(())
    }
}

/// The login for a repository of a registry that the first of these files has which has one: files as Docker keeps them, and
/// as Podman does, where an entry may be for a part of a registry: `HOST/PATH`. The most exact entry holds. A file that is not
/// there has none.
///
/// # Errors
/// When a file cannot be read, or a helper fails.
pub fn login_in(files: &[&PathBuf], host: &str, repository: &str) -> Result<Option<Login>, Error> {
    // Podman calls Docker's registry by its host.
    let keys = match key(host) {
        DOCKER => vec![DOCKER, "docker.io"],
        key => vec![key],
    };
    for file in files {
        let file = File::load(file)?;
        for key in &keys {
            let login = match file.helper(key) {
                Some(helper) => helper.get(key)?,
                None => file
                    .get_exact(host, repository)?
                    .map_or_else(|| file.get(key), |login| Ok(Some(login)))?,
            };
            if login.is_some() {
                return Ok(login);
            }
        }
    }
    Ok(None)
}

/// Under what the login of a registry is kept.
fn key(host: &str) -> &str {
    match host {
        "docker.io" | "registry-1.docker.io" => DOCKER,
        host => host,
    }
}

/// A file as Docker has it, with all that is in it besides.
#[derive(Debug)]
struct File {
    path: PathBuf,
    content: Map<String, Value>,
}

impl File {
    fn load(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::file(path)(error)),
        };
        let content = match text.trim() {
            "" => Map::new(),
            text => serde_json::from_str(text).map_err(|error| unusable(path, &error))?,
        };
        let path = path.to_owned();
        Ok(Self { path, content })
    }

    fn auths_mut(&mut self) -> &mut Map<String, Value> {
        let auths = self.content.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        match auths {
            Value::Object(auths) => auths,
            _ => unreachable!("it was just made one"),
        }
    }

    /// The entry of a part of a registry that the repository is in.
    fn get_exact(&self, host: &str, repository: &str) -> Result<Option<Login>, Error> {
        let auths = self.content.get("auths").and_then(Value::as_object);
        let Some(auths) = auths else { return Ok(None) };
        let mut path = repository;
        while !path.is_empty() {
            let key = format!("{host}/{path}");
            if let Some(entry) = auths.get(&key) {
                return self.login(&key, entry);
            }
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
        Ok(None)
    }

    fn get(&self, key: &str) -> Result<Option<Login>, Error> {
        let auths = self.content.get("auths").and_then(Value::as_object);
        // Old files have addresses for names.
        let entry = auths.and_then(|auths| {
            let of_address = || auths.iter().find(|(name, _)| host_of(name) == Some(key));
            auths
                .get(key)
                .or_else(|| of_address().map(|(_, entry)| entry))
        });
        entry.map_or(Ok(None), |entry| self.login(key, entry))
    }

    fn login(&self, key: &str, entry: &Value) -> Result<Option<Login>, Error> {
        let said = |name: &str| {
            let text = entry.get(name).and_then(Value::as_str).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        if let Some(token) = said("registrytoken") {
            return Ok(Some(Login::Token(token.into())));
        }
        if let Some(token) = said("identitytoken") {
            return Ok(Some(Login::Identity(token.into())));
        }
        let Some(auth) = said("auth") else {
            let (username, password) = (said("username"), said("password"));
            return Ok(username
                .zip(password)
                .map(|(user, password)| Login::Password(user, password.into())));
        };
        let decoded = STANDARD
            .decode(auth)
            .ok()
            .and_then(|pair| String::from_utf8(pair).ok());
        let pair = decoded.as_deref().and_then(|pair| pair.split_once(':'));
        let Some((username, password)) = pair else {
            let reason = format!("the entry of {key} holds no user and password");
            return Err(unusable(&self.path, &reason));
        };
        Ok(Some(Login::Password(
            username.to_owned(),
            password.to_owned().into(),
        )))
    }

    /// The program that keeps the login of a registry, where one is named.
    fn helper(&self, key: &str) -> Option<Helper> {
        let of_it = self.content.get("credHelpers").and_then(|all| all.get(key));
        let named = of_it.or_else(|| self.content.get("credsStore"))?;
        let name = named.as_str().filter(|name| !name.is_empty())?;
        Some(Helper(format!("docker-credential-{name}")))
    }

    fn save(&self) -> Result<(), Error> {
        let mut text = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, format);
        serde::Serialize::serialize(&self.content, &mut writer)
            .map_err(|error| unusable(&self.path, &error))?;
        let text = go_json::escaped(&String::from_utf8_lossy(&text));
        files::write_whole(&self.path, text.as_bytes(), true)
    }
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Logins {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// The host of an address of a registry's API; none of what is a name with a path.
fn host_of(name: &str) -> Option<&str> {
    let scheme = ["http://", "https://"]
        .iter()
        .find_map(|scheme| name.strip_prefix(scheme));
    let (host, path) = scheme.unwrap_or(name).split_once('/').unwrap_or((name, ""));
    let is_address = scheme.is_some() || matches!(path.trim_end_matches('/'), "v1" | "v2");
    is_address.then_some(host)
}

/// A program that keeps logins: `docker-credential-NAME`.
#[derive(Debug)]
struct Helper(String);

impl Helper {
    fn get(&self, key: &str) -> Result<Option<Login>, Error> {
        let output = self.run("get", key.as_bytes())?;
        if !output.status.success() {
            // The words of Docker's own helpers for a login that they do not have.
            let said = String::from_utf8_lossy(&output.stdout);
            if said.trim() == "credentials not found in native keychain" {
                return Ok(None);
            }
            return Err(self.failed("get", said.trim()));
        }
        let read = serde_json::from_slice::<Value>(&output.stdout);
        let read = read.map_err(|error| self.failed("get", &error.to_string()))?;
        let said = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or_default();
        let (username, secret) = (said("Username"), said("Secret"));
        Ok(match username {
            "" if secret.is_empty() => None,
            "<token>" => Some(Login::Identity(secret.to_owned().into())),
            username => Some(Login::Password(
                username.to_owned(),
                secret.to_owned().into(),
            )),
        })
    }

    fn put(&self, key: &str, username: &str, password: &SecretString) -> Result<(), Error> {
        let entry = json!({
            "ServerURL": key,
            "Username": username,
            "Secret": password.expose_secret(),
        });
        self.succeed("store", entry.to_string().as_bytes())
    }

    fn remove(&self, key: &str) -> Result<(), Error> {
        self.succeed("erase", key.as_bytes())
    }

    fn succeed(&self, action: &'static str, input: &[u8]) -> Result<(), Error> {
        let output = self.run(action, input)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Err(self.failed(action, said.trim()))
    }

    fn run(&self, action: &'static str, input: &[u8]) -> Result<Output, Error> {
        let failed = |error: std::io::Error| self.failed(action, &error.to_string());
        let mut child = Command::new(&self.0)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read is heard by its answer.
            drop(stdin.write_all(input));
        }
        child.wait_with_output().map_err(failed)
    }

    fn failed(&self, action: &'static str, reason: &str) -> Error {
        Error::Helper {
            program: self.0.clone(),
            action,
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(folder: &Path) -> Credentials {
        Credentials {
            helm: folder.join("helm/registry/config.json"),
            docker: folder.join("docker/config.json"),
        }
    }

    fn password(login: Option<Login>) -> Option<(String, String)> {
        match login {
            Some(Login::Password(user, password)) => {
                Some((user, password.expose_secret().to_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn what_is_kept_is_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let logins = of(folder.path());
        assert!(logins.get("h:5000").unwrap().is_none());
        logins.put("h:5000", "u", &"a:b".into()).unwrap();
        let found = logins.get("h:5000").unwrap();
        assert!(!format!("{found:?}").contains("a:b"));
        assert_eq!(password(found), Some(("u".to_owned(), "a:b".to_owned())));
        let text = fs::read_to_string(&logins.helm).unwrap();
        assert_eq!(
            text,
            "{\n\t\"auths\": {\n\t\t\"h:5000\": {\n\t\t\t\"auth\": \"dTphOmI=\"\n\t\t}\n\t}\n}"
        );
        let metadata = fs::metadata(&logins.helm).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
        assert_eq!(mode & 0o777, 0o600);
        logins.remove("h:5000").unwrap();
        assert!(logins.get("h:5000").unwrap().is_none());
    }

    #[test]
    fn dockers_file_is_read_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let logins = of(folder.path());
        let text = "{\"auths\": {\"https://h/v1/\": {\"auth\": \"dTp3\"}, \"t\": {\"identitytoken\": \"x\"}, \
                    \"https://index.docker.io/v1/\": {\"username\": \"d\", \"password\": \"p\"}, \
                    \"bad\": {\"auth\": \"dQ==\"}}, \"other\": 1}";
        fs::create_dir_all(logins.docker.parent().unwrap()).unwrap();
        fs::write(&logins.docker, text).unwrap();
        let found = password(logins.get("h").unwrap());
        assert_eq!(found, Some(("u".to_owned(), "w".to_owned())));
        let found = password(logins.get("docker.io").unwrap());
        assert_eq!(found, Some(("d".to_owned(), "p".to_owned())));
        assert!(matches!(logins.get("t").unwrap(), Some(Login::Identity(_))));
        let error = logins.get("bad").unwrap_err().to_string();
        assert!(error.contains("bad holds no user"), "{error}");
        logins.remove("h").unwrap();
        assert_eq!(fs::read_to_string(&logins.docker).unwrap(), text);
    }

    #[test]
    fn an_entry_may_be_for_a_part_of_a_registry() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
        // u:w, v:w
        let text = "{\"auths\": {\"h/team\": {\"auth\": \"dTp3\"}}}";
        fs::write(&first, text).unwrap();
        let text = "{\"auths\": {\"h\": {\"auth\": \"djp3\"}}}";
        fs::write(&second, text).unwrap();
        let user = |repository: &str| {
            let found = login_in(&[&first, &second], "h", repository).unwrap();
            password(found).map(|(user, _)| user)
        };
        assert_eq!(user("team/a").as_deref(), Some("u"));
        assert_eq!(user("team").as_deref(), Some("u"));
        assert_eq!(user("teams/a").as_deref(), Some("v"));
        assert!(login_in(&[&first], "h", "other").unwrap().is_none());
        let nowhere = folder.path().join("none");
        assert!(login_in(&[&nowhere], "h", "").unwrap().is_none());
    }

    #[test]
    fn broken_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let logins = of(folder.path());
        fs::create_dir_all(logins.helm.parent().unwrap()).unwrap();
        fs::write(&logins.helm, "{").unwrap();
        let error = logins.get("h").unwrap_err().to_string();
        assert!(error.contains("registry/config.json"), "{error}");
        fs::write(&logins.helm, "{\"credsStore\": \"mcpt-has-none-of-it\"}").unwrap();
        let error = logins.get("h").unwrap_err().to_string();
        assert!(
            error.contains("docker-credential-mcpt-has-none-of-it"),
            "{error}"
        );
    }
}
