//! Where an engine is: what the environment and the configuration of the `docker` and `podman` commands say, else the
//! sockets that they have by default.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use mcpt_core::{Failure, FailureKind, chain};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    engine::{Engine, Kind},
    own_image::digest,
};

/// How long an engine may take to say that it is there.
const HELLO: Duration = Duration::from_secs(10);
/// Longest answer to that, in bytes.
const LONGEST_PING: u64 = 16 * 1024;
/// How long one request may take, in seconds: the stop of a server that finishes its calls, a large upload.
const REQUEST: u64 = 600;

/// One place where an engine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EngineAddress {
    /// `unix:///…` or `tcp://…`.
    address: String,
    /// Who said so: `DOCKER_HOST`; nobody for a default.
    by: Option<String>,
}

/// Why it cannot be told where an engine is.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot understand {}", .0.display())]
    Parse(PathBuf, #[source] serde_json::Error),
    #[error("there is no context {0:?}")]
    NoContext(String),
}

/// The variables and files that say where engines are.
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    is_root: bool,
}

impl Surroundings<'_> {
    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).map(PathBuf::from)
    }

    /// The places to look at, the first that answers is meant.
    fn places(&self, kind: Kind) -> Result<Vec<EngineAddress>, Unknown> {
        match kind {
            Kind::Docker => self.docker(),
            Kind::Podman => Ok(self.podman()),
        }
    }

    fn docker(&self) -> Result<Vec<EngineAddress>, Unknown> {
        if let Some(address) = (self.variable)("DOCKER_HOST") {
            let by = Some("DOCKER_HOST".to_owned());
            return Ok(vec![EngineAddress { address, by }]);
        }
        let home = self.path("HOME");
        let folder = self
            .path("DOCKER_CONFIG")
            .or_else(|| Some(home.as_ref()?.join(".docker")));
        if let Some(folder) = &folder
            && let Some((context, by)) = self.context(folder)?
        {
            let address = address_of(folder, &context)?;
            return Ok(vec![EngineAddress {
                address,
                by: Some(format!("context {context}, named by {by}")),
            }]);
        }
        let mut places = vec![default(Path::new("/var/run/docker.sock"))];
        if let Some(runtime) = self.path("XDG_RUNTIME_DIR") {
            places.push(default(&runtime.join("docker.sock")));
        }
        if let Some(home) = home {
            places.push(default(&home.join(".docker/run/docker.sock")));
        }
        Ok(places)
    }

    /// The context of the docker command that is meant, and who says so; `None` for its default one.
    fn context(&self, folder: &Path) -> Result<Option<(String, String)>, Unknown> {
        if let Some(name) = (self.variable)("DOCKER_CONTEXT") {
            let by = "DOCKER_CONTEXT".to_owned();
            return Ok((name != "default").then_some((name, by)));
        }
        let file = folder.join("config.json");
        let Some(config) = read::<Config>(&file)? else {
            return Ok(None);
        };
        let name = config.current_context;
        Ok((!name.is_empty() && name != "default").then(|| (name, file.display().to_string())))
    }

    fn podman(&self) -> Vec<EngineAddress> {
        if let Some(address) = (self.variable)("CONTAINER_HOST") {
            let by = Some("CONTAINER_HOST".to_owned());
            return vec![EngineAddress { address, by }];
        }
        let mut places = vec![default(Path::new("/run/podman/podman.sock"))];
        if let Some(runtime) = self.path("XDG_RUNTIME_DIR") {
            let own = default(&runtime.join("podman/podman.sock"));
            // Each user has an engine of their own; root's is the system's.
            places.insert(usize::from(self.is_root), own);
        }
        places
    }
}

fn default(socket: &Path) -> EngineAddress {
    let address = format!("unix://{}", socket.display());
    EngineAddress { address, by: None }
}

/// The configuration file of the docker command.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Config {
    current_context: String,
}

/// The file of one of its contexts.
#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The address of a context of the docker command, which is in a folder named by the digest of its name.
fn address_of(folder: &Path, context: &str) -> Result<String, Unknown> {
    let file = folder
        .join("contexts/meta")
        .join(digest(context.as_bytes()))
        .join("meta.json");
    let found = read::<Context>(&file)?.and_then(|context| context.endpoints.docker);
    let host = found.map(|endpoint| endpoint.host).unwrap_or_default();
    if host.is_empty() {
        return Err(Unknown::NoContext(context.to_owned()));
    }
    Ok(host)
}

/// Reads a file of JSON; `None` when it is not there.
fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>, Unknown> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| Unknown::Read(file.to_owned(), error))?,
    };
    let parsed = serde_json::from_slice(&text);
    parsed
        .map(Some)
        .map_err(|error| Unknown::Parse(file.to_owned(), error))
}

/// Whether an engine is named, or has a socket in one of the usual places. Whether it answers is another question.
pub(crate) fn is_set_up(kind: Kind) -> bool {
    // What cannot be told is told by whoever connects.
    let Ok(places) = surroundings().places(kind) else {
        return true;
    };
    places.iter().any(|place| {
        let socket = place.address.strip_prefix("unix://");
        place.by.is_some() || socket.is_none_or(|socket| Path::new(socket).exists())
    })
}

/// What this process knows of its user.
fn surroundings() -> Surroundings<'static> {
    Surroundings {
        variable: &variable,
        is_root: nix::unistd::geteuid().is_root(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Connects to the engine of this user, and makes sure that it answers.
///
/// # Errors
/// [`FailureKind::Unreachable`] when none does: what was tried, and what starts one.
pub(crate) async fn connect(kind: Kind, named: bool) -> Result<Engine, Failure> {
    let what = format!("cannot reach {kind}");
    let places = surroundings()
        .places(kind)
        .map_err(|error| Failure::new(FailureKind::Usage, &what).caused_by(&error))?;
    let mut failed = Failure::new(FailureKind::Unreachable, what);
    let mut refused = false;
    for place in places {
        match hello(&place.address).await {
            Ok(api) => return Ok(Engine { api, kind, named }),
            Err(why) => {
                refused |= why.to_string().contains("ermission denied");
                let by = place.by.map(|by| format!(" ({by})")).unwrap_or_default();
                failed = failed.because(format!("{}{by}: {why}", place.address));
            }
        }
    }
    Err(failed.hint(match (kind, refused) {
        (Kind::Docker, true) => {
            "you may not use its socket: sudo usermod -aG docker $USER, and log in again"
        }
        (Kind::Docker, false) => "start it: sudo systemctl start docker",
        (Kind::Podman, _) => {
            "start its service: systemctl --user start podman.socket, or podman system service -t 0 &"
        }
    }))
}

/// Why a place has no engine that can be used.
#[derive(Debug, thiserror::Error)]
enum NoEngine {
    #[error("nothing is there")]
    Absent,
    #[error("it has not answered within {} s", HELLO.as_secs())]
    Silent,
    #[error("only unix:// addresses, and tcp:// ones of this machine, can be used")]
    Scheme,
    #[error("what answers there is no engine")]
    NotOne,
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Other(String),
}

impl NoEngine {
    fn of(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Absent
        } else {
            Self::Io(error)
        }
    }
}

async fn hello(address: &str) -> Result<Docker, NoEngine> {
    let version = timeout(HELLO, ping(address)).await;
    let version = version.map_err(|_| NoEngine::Silent)??;
    let connected = match address.strip_prefix("unix://") {
        Some(socket) => Docker::connect_with_unix(socket, REQUEST, &version),
        None => Docker::connect_with_http(address, REQUEST, &version),
    };
    connected.map_err(|error| NoEngine::Other(chain(&error)))
}

/// Asks an engine whether it is there, by the request that costs it the least, and gives the version of the API to speak: the
/// newest that both know.
async fn ping(address: &str) -> Result<ClientVersion, NoEngine> {
    let answer = if let Some(socket) = address.strip_prefix("unix://") {
        let stream = UnixStream::connect(socket).await;
        exchange(stream.map_err(NoEngine::of)?).await
    } else if let Some(host) = address.strip_prefix("tcp://")
        && is_here(host)
    {
        let stream = TcpStream::connect(host).await;
        exchange(stream.map_err(NoEngine::of)?).await
    } else {
        return Err(NoEngine::Scheme);
    };
    let answer = answer.map_err(NoEngine::of)?;
    spoken(&answer).ok_or(NoEngine::NotOne)
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    let request = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_PING).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The version that an answer to a ping leads to; `None` when it is no engine's.
fn spoken(answer: &str) -> Option<ClientVersion> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    if lines.next()?.split(' ').nth(1)? != "200" {
        return None;
    }
    let theirs = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("api-version")
            .then(|| value.trim())
    })?;
    let (major, minor) = theirs.split_once('.')?;
    let theirs = (major.parse().ok()?, minor.parse().ok()?);
    let ours = (
        API_DEFAULT_VERSION.major_version,
        API_DEFAULT_VERSION.minor_version,
    );
    let (major_version, minor_version) = ours.min(theirs);
    Some(ClientVersion {
        major_version,
        minor_version,
    })
}

/// Whether `HOST:PORT` is this machine: servers are reached at its loopback addresses.
fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(
        kind: Kind,
        is_root: bool,
        variables: &[(&str, &str)],
    ) -> Result<Vec<String>, Unknown> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let surroundings = Surroundings {
            variable: &variable,
            is_root,
        };
        let places = surroundings.places(kind)?;
        Ok(places.into_iter().map(|place| place.address).collect())
    }

    #[test]
    fn the_environment_says_more_than_defaults() {
        let docker = places(Kind::Docker, false, &[("DOCKER_HOST", "tcp://localhost:1")]);
        assert_eq!(docker.unwrap(), ["tcp://localhost:1"]);
        let docker = places(Kind::Docker, false, &[("XDG_RUNTIME_DIR", "/run/user/7")]);
        assert_eq!(
            docker.unwrap(),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/docker.sock"
            ]
        );
        let runtime = [("XDG_RUNTIME_DIR", "/run/user/7")];
        let (system, own) = (
            "unix:///run/podman/podman.sock",
            "unix:///run/user/7/podman/podman.sock",
        );
        assert_eq!(
            places(Kind::Podman, false, &runtime).unwrap(),
            [own, system]
        );
        assert_eq!(places(Kind::Podman, true, &runtime).unwrap(), [system, own]);
        let named = places(Kind::Podman, true, &[("CONTAINER_HOST", "unix:///x")]);
        assert_eq!(named.unwrap(), ["unix:///x"]);
    }

    #[test]
    fn contexts_of_the_docker_command_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let at = folder.path().to_str().unwrap();
        let environment = [("DOCKER_CONFIG", at)];
        fs::write(&config, r#"{"auths": {}, "currentContext": "default"}"#).unwrap();
        let usual = places(Kind::Docker, false, &environment).unwrap();
        assert_eq!(usual, ["unix:///var/run/docker.sock"]);

        fs::write(&config, r#"{"currentContext": "mine"}"#).unwrap();
        let missing = places(Kind::Docker, false, &environment).unwrap_err();
        assert_eq!(missing.to_string(), "there is no context \"mine\"");
        let name = "3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff";
        let meta = folder.path().join("contexts/meta").join(name);
        fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"mine","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///mine.sock","SkipTLSVerify":false}}}"#;
        fs::write(meta.join("meta.json"), text).unwrap();
        let mine = places(Kind::Docker, false, &environment).unwrap();
        assert_eq!(mine, ["unix:///mine.sock"]);
        let other = [("DOCKER_CONFIG", at), ("DOCKER_CONTEXT", "default")];
        assert_eq!(places(Kind::Docker, false, &other).unwrap(), usual);

        fs::write(&config, "{").unwrap();
        assert!(places(Kind::Docker, false, &environment).is_err());
    }

    #[test]
    fn the_newest_version_that_both_know_is_spoken() {
        let answer = |head: &str| spoken(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nOK"));
        let old = answer("Api-Version: 1.41").unwrap();
        assert_eq!((old.major_version, old.minor_version), (1, 41));
        let newer = answer("Server: x\r\napi-version: 2.0").unwrap();
        assert_eq!(newer.major_version, API_DEFAULT_VERSION.major_version);
        assert!(answer("Server: x").is_none());
        assert!(answer("Api-Version: new").is_none());
        assert!(spoken("HTTP/1.1 404 Not Found\r\nApi-Version: 1.41\r\n\r\n").is_none());
        assert!(spoken("").is_none());
    }

    #[test]
    fn only_engines_of_this_machine() {
        for (host, here) in [
            ("localhost:2375", true),
            ("127.0.0.1:2375", true),
            ("[::1]:2375", true),
            ("192.0.2.1:2375", false),
            ("build.example:2375", false),
        ] {
            assert_eq!(is_here(host), here, "{host}");
        }
    }
}
