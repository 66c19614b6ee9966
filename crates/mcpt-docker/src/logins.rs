//! Who the user is at registries, as the `docker` and `podman` commands know it, for pulls that the engine does.

use std::path::PathBuf;

use bollard::auth::DockerCredentials;
use oci_registry::{Error, Login, login_in};
use secrecy::ExposeSecret as _;

use crate::engine::Kind;

/// Docker's own registry, by the name that is nowhere in its images' names.
const DOCKER_HUB: &str = "docker.io";

/// The login at the registry of an image, if the user has one. Asks programs that keep logins, where files name them: it blocks.
///
/// # Errors
/// When a file cannot be read, or such a program fails.
pub(crate) fn login(kind: Kind, reference: &str) -> Result<Option<DockerCredentials>, Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let files = files(kind, &variable);
    let files: Vec<&PathBuf> = files.iter().collect();
    let (host, repository) = place(reference);
    let found = login_in(&files, host, repository)?;
    Ok(found.map(|login| credentials(host, &login)))
}

/// Where the commands of an engine keep logins, in the order in which they look.
fn files(kind: Kind, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let home = path("HOME");
    let docker = path("DOCKER_CONFIG")
        .or_else(|| Some(home.as_ref()?.join(".docker")))
        .map(|folder| folder.join("config.json"));
    if kind == Kind::Docker {
        return docker.into_iter().collect();
    }
    if let Some(named) = path("REGISTRY_AUTH_FILE") {
        return vec![named];
    }
    let runtime = path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
    let config = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let config = config.map(|folder| folder.join("containers/auth.json"));
    [runtime, config, docker].into_iter().flatten().collect()
}

/// The registry of an image, and the repository in it.
fn place(reference: &str) -> (&str, &str) {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => (DOCKER_HUB, name),
    }
}

fn credentials(host: &str, login: &Login) -> DockerCredentials {
    let mut said = DockerCredentials {
        serveraddress: Some(host.to_owned()),
        ..DockerCredentials::default()
    };
    match login {
        Login::Password(user, password) => {
            said.username = Some(user.clone());
            said.password = Some(password.expose_secret().to_owned());
        }
        Login::Identity(token) => said.identitytoken = Some(token.expose_secret().to_owned()),
        Login::Token(token) => said.registrytoken = Some(token.expose_secret().to_owned()),
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_images() {
        for (reference, found) in [
            ("alpine", ("docker.io", "alpine")),
            ("team/server:1", ("docker.io", "team/server")),
            ("r.example/a/b:1", ("r.example", "a/b")),
            ("localhost:5000/a@sha256:00", ("localhost:5000", "a")),
        ] {
            assert_eq!(place(reference), found);
        }
    }

    #[test]
    fn each_command_has_files_of_its_own() {
        let of = |kind, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let files = files(kind, &variable).into_iter();
            files
                .map(|file| file.display().to_string())
                .collect::<Vec<_>>()
        };
        let home = ("HOME", "/h");
        assert_eq!(of(Kind::Docker, &[home]), ["/h/.docker/config.json"]);
        let docker = [home, ("DOCKER_CONFIG", "/d")];
        assert_eq!(of(Kind::Docker, &docker), ["/d/config.json"]);
        assert_eq!(
            of(Kind::Podman, &[home, ("XDG_RUNTIME_DIR", "/r")]),
            [
                "/r/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json"
            ]
        );
        let named = [home, ("REGISTRY_AUTH_FILE", "/a.json")];
        assert_eq!(of(Kind::Podman, &named), ["/a.json"]);
    }
}
