//! What npm and uv are told on this machine about registries, for installers that run elsewhere: mirrors, credentials, proxies and
//! authorities of certificates. What else these tools are told, paths of this machine above all, stays here.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use mcpt_core::{Ecosystem, Secret};

use crate::error::Cause;

/// Variables about networks, for both.
const NETWORK: [&str; 8] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "all_proxy",
];
/// Variables of uv about indexes; those of single ones begin with `UV_INDEX_`.
const UV: [&str; 8] = [
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_HTTP_TIMEOUT",
];
/// Settings of npm about registries; those of single ones begin with `//`, and those of scopes with `@`.
const NPM: [&str; 11] = [
    "registry",
    "proxy",
    "https-proxy",
    "noproxy",
    "strict-ssl",
    "ca",
    "fetch-retries",
    "fetch-retry-mintimeout",
    "fetch-retry-maxtimeout",
    "fetch-timeout",
    "always-auth",
];
/// The certificates of the system as its distribution has them: runtime images have such ones too.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Those that this machine's administrator has added to them.
const ADDED: &str = "/usr/local/share/ca-certificates";

/// What installers are told, by the names of files and variables that [`crate::variables`] reads.
///
/// # Errors
/// When a file that is named cannot be read.
pub fn of_this_machine(ecosystem: Ecosystem) -> Result<BTreeMap<String, Secret>, Cause> {
    let (mut all, own) = gather(ecosystem, &|name| env::var(name).ok(), Path::new(ADDED))?;
    if let (Ecosystem::Pypi, false, Some(added)) = (ecosystem, own, all.get("ca.pem")) {
        let whole = with_the_system_s(added)?;
        all.insert("ca.pem".to_owned(), whole);
    }
    Ok(all)
}

/// All of it, and whether its authorities are those of a file that the user named.
fn gather(
    ecosystem: Ecosystem,
    variable: &dyn Fn(&str) -> Option<String>,
    added: &Path,
) -> Result<(BTreeMap<String, Secret>, bool), Cause> {
    let set = |name: &str| variable(name).filter(|text| !text.is_empty());
    let mut all = BTreeMap::new();
    let mut tell = |name: &str| {
        if let Some(text) = set(name) {
            all.insert(name.to_owned(), Secret::new(text));
        }
    };
    NETWORK.into_iter().for_each(&mut tell);
    let authorities = match ecosystem {
        Ecosystem::Npm => {
            let named = set("npm_config_userconfig").map(PathBuf::from);
            let file = named.or_else(|| Some(Path::new(&set("HOME")?).join(".npmrc")));
            let text = file.map(|file| told(&file)).transpose()?.flatten();
            let text = text.unwrap_or_default();
            let kept = npmrc(&text);
            for name in references(&kept) {
                tell(&name);
            }
            for name in NPM {
                let name = name.replace('-', "_");
                tell(&format!("npm_config_{name}"));
                tell(&format!("NPM_CONFIG_{}", name.to_ascii_uppercase()));
            }
            if !kept.is_empty() {
                all.insert(".npmrc".to_owned(), Secret::new(kept));
            }
            let of_file = value_of(&text, "cafile");
            set("NODE_EXTRA_CA_CERTS").or(of_file)
        }
        Ecosystem::Pypi => {
            UV.into_iter().for_each(&mut tell);
            for (name, _) in env::vars_os() {
                if let Some(name) = name.to_str().filter(|name| name.starts_with("UV_INDEX_")) {
                    tell(name);
                }
            }
            let named = set("UV_CONFIG_FILE").map(PathBuf::from);
            let configuration = || {
                let of_user = || Some(Path::new(&set("HOME")?).join(".config"));
                let folder = set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(of_user);
                Some(folder?.join("uv/uv.toml"))
            };
            let file = named.or_else(configuration);
            let text = file.map(|file| told(&file)).transpose()?.flatten();
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                all.insert("uv.toml".to_owned(), Secret::new(text));
            }
            set("SSL_CERT_FILE")
        }
    };
    let of_own = authorities.filter(|file| !SYSTEM.contains(&file.as_str()));
    let text = match &of_own {
        Some(file) => told(Path::new(file))?,
        None => certificates(added)?,
    };
    if let Some(text) = text {
        all.insert("ca.pem".to_owned(), Secret::new(text));
    }
    Ok((all, of_own.is_some()))
}

/// The system's authorities before the added ones: uv trusts those of the file that it is told and no others.
fn with_the_system_s(added: &Secret) -> Result<Secret, Cause> {
    let mut all = String::new();
    for file in SYSTEM {
        if let Some(text) = told(Path::new(file))? {
            all = text;
            break;
        }
    }
    all.push('\n');
    all.push_str(added.expose());
    Ok(Secret::new(all))
}

/// The text of a file, `None` when it is not there.
fn told(path: &Path) -> Result<Option<String>, Cause> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Cause::io(format!("{} cannot be read", path.display()))(
            error,
        )),
    }
}

/// What of an `.npmrc` is about registries.
fn npmrc(text: &str) -> String {
    let about = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        let key = key.trim_end_matches("[]");
        key.starts_with("//") || (key.starts_with('@') && key.ends_with(":registry")) || {
            NPM.contains(&key)
        }
    };
    let lines = text.lines().filter(about);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The value of a key in an `.npmrc`.
fn value_of(text: &str, key: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == key)?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// The variables that an `.npmrc` names, `${NAME}`.
fn references(text: &str) -> Vec<String> {
    let parts = text.split("${").skip(1);
    let names = parts.filter_map(|part| part.split_once('}'));
    names
        .map(|(name, _)| name.trim_end_matches('?').to_owned())
        .collect()
}

/// The authorities that were added to the system's, which runtime images do not know.
fn certificates(added: &Path) -> Result<Option<String>, Cause> {
    let unread = || Cause::io(format!("{} cannot be read", added.display()));
    let entries = match fs::read_dir(added) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread()(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unread())?.path();
        if path.extension().is_some_and(|end| end == "crt") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut all = String::new();
    for path in paths {
        all += &told(&path)?.unwrap_or_default();
        all.push('\n');
    }
    Ok((!all.trim().is_empty()).then_some(all))
}

/// What of settings no text that is shown may contain: users and passwords of URLs, tokens and passwords of an `.npmrc`, and
/// variables that are called like a secret.
#[must_use]
pub fn credentials<'a>(settings: impl IntoIterator<Item = (&'a String, &'a str)>) -> Vec<Secret> {
    let mut all = Vec::new();
    for (name, text) in settings {
        if mcpt_core::sounds_secret(name) {
            all.push(Secret::new(text));
        }
        let authorities = text.split("://").skip(1);
        for authority in authorities {
            let end = authority.find(|c: char| c.is_whitespace() || "/\"'".contains(c));
            let authority = &authority[..end.unwrap_or(authority.len())];
            let Some((user, _)) = authority.rsplit_once('@') else {
                continue;
            };
            all.push(Secret::new(user));
            all.extend(
                user.split_once(':')
                    .map(|(_, password)| Secret::new(password)),
            );
        }
        if name == ".npmrc" {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let secret = pairs.filter(|(key, _)| key.contains(":_"));
            all.extend(secret.map(|(_, value)| Secret::new(value.trim().trim_matches('"'))));
        }
    }
    all.retain(|secret| !secret.expose().is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_is_told_of_registries_goes_along() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".npmrc");
        let ca = folder.path().join("ca.crt");
        fs::write(&ca, "-----BEGIN").unwrap();
        let text = format!(
            "registry=https://mirror/\nnodedir=/usr\n@mine:registry = https://own/\n\
             //own/:_authToken=${{MY_TOKEN}}\ncafile={}\nfund=false\n",
            ca.display()
        );
        fs::write(&file, text).unwrap();
        let home = folder.path().display().to_string();
        let variable = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "MY_TOKEN" => Some("t0ken".to_owned()),
            "HTTPS_PROXY" => Some("http://u:pw@proxy:3128".to_owned()),
            _ => None,
        };
        let (all, _) = gather(Ecosystem::Npm, &variable, folder.path()).unwrap();
        let said: Vec<_> = all
            .iter()
            .map(|(name, text)| (name.as_str(), text.expose()))
            .collect();
        let npmrc = "registry=https://mirror/\n@mine:registry = https://own/\n//own/:_authToken=${MY_TOKEN}\n";
        assert_eq!(
            said,
            [
                (".npmrc", npmrc),
                ("HTTPS_PROXY", "http://u:pw@proxy:3128"),
                ("MY_TOKEN", "t0ken"),
                ("ca.pem", "-----BEGIN"),
            ]
        );
        let pairs = all.iter().map(|(name, text)| (name, text.expose()));
        let secret: Vec<_> = credentials(pairs);
        let secret: Vec<_> = secret.iter().map(Secret::expose).collect();
        assert_eq!(secret, ["${MY_TOKEN}", "u:pw", "pw", "t0ken"]);
    }

    #[test]
    fn what_uv_is_told_of_indexes_goes_along() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("uv")).unwrap();
        fs::write(folder.path().join("uv/uv.toml"), "[[index]]\n").unwrap();
        let home = folder.path().display().to_string();
        let variable = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(home.clone()),
            "UV_INDEX" => Some("https://i/simple".to_owned()),
            "UV_PYTHON" => Some("/usr/bin/python3".to_owned()),
            "SSL_CERT_FILE" => Some("/etc/ssl/cert.pem".to_owned()),
            _ => None,
        };
        let (all, _) = gather(Ecosystem::Pypi, &variable, Path::new("/nonexistent")).unwrap();
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["UV_INDEX", "uv.toml"]);
        let (nothing, own) = gather(Ecosystem::Pypi, &|_| None, Path::new("/nonexistent")).unwrap();
        assert!(!own);
        let added = Secret::new("added".to_owned());
        let whole = with_the_system_s(&added).unwrap();
        // As far as this machine has any.
        let system = SYSTEM.iter().any(|file| Path::new(file).exists());
        assert!(whole.expose().ends_with("\nadded"));
        assert_eq!(whole.expose().contains("BEGIN CERTIFICATE"), system);
        assert!(nothing.is_empty());
    }
}
