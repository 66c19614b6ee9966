//! `docker run` and its kin.

use std::collections::VecDeque;

use mcpt_core::Image;

use super::{
    PastedError, carriers,
    options::{OptionSet, UNKNOWN},
    refuse_blank, refused,
};
use crate::{InvalidSource, SharedFolder, Source, SourceKind, Text, Transport, draft::Draft};

const RUN: OptionSet = OptionSet {
    program: "docker run",
    flags: &[
        "i",
        "interactive",
        "t",
        "tty",
        "d",
        "detach",
        "rm",
        "init",
        "privileged",
        "read-only",
        "P",
        "publish-all",
        "q",
        "quiet",
        "no-healthcheck",
        "oom-kill-disable",
        "sig-proxy",
        "it",
        "disable-content-trust",
        "tls-verify",
        "no-hosts",
        "replace",
        "rmi",
        "use-api-socket",
        "env-host",
    ],
    values: &[
        "e",
        "env",
        "env-file",
        "v",
        "volume",
        "mount",
        "p",
        "publish",
        "expose",
        "name",
        "network",
        "net",
        "network-alias",
        "platform",
        "pull",
        "u",
        "user",
        "w",
        "workdir",
        "entrypoint",
        "m",
        "memory",
        "memory-swap",
        "cpus",
        "cpu-shares",
        "c",
        "add-host",
        "l",
        "label",
        "restart",
        "gpus",
        "cap-add",
        "cap-drop",
        "security-opt",
        "tmpfs",
        "shm-size",
        "h",
        "hostname",
        "dns",
        "log-driver",
        "log-opt",
        "ulimit",
        "ipc",
        "pid",
        "runtime",
        "stop-timeout",
        "stop-signal",
        "a",
        "attach",
        "device",
        "cgroupns",
        "userns",
        "group-add",
        "cidfile",
        "health-cmd",
        "ip",
        "link",
        "volumes-from",
        "annotation",
        "authfile",
        "blkio-weight",
        "cgroup-parent",
        "cpu-period",
        "cpu-quota",
        "cpuset-cpus",
        "creds",
        "detach-keys",
        "dns-option",
        "dns-search",
        "domainname",
        "health-interval",
        "health-retries",
        "health-timeout",
        "health-start-period",
        "ip6",
        "isolation",
        "label-file",
        "mac-address",
        "memory-reservation",
        "memory-swappiness",
        "oom-score-adj",
        "pids-limit",
        "pod",
        "secret",
        "storage-opt",
        "sysctl",
        "systemd",
        "timeout",
        "tz",
        "umask",
        "uts",
        "volume-driver",
        "arch",
        "os",
    ],
};

/// Options before the word that says what an engine is to do.
const ENGINE: OptionSet = OptionSet {
    program: "docker",
    flags: &["D", "debug", "tls", "tlsverify", "remote", "r"],
    values: &[
        "H",
        "host",
        "context",
        "c",
        "connection",
        "l",
        "log-level",
        "config",
        "url",
        "n",
        "namespace",
    ],
};

/// Images that carry the messages of another server, which their arguments name.
fn carrier(repository: &str) -> Option<&'static str> {
    let name = repository.strip_prefix("docker.io/").unwrap_or(repository);
    Some(match name {
        "supercorp/supergateway" | "ghcr.io/supercorp-ai/supergateway" => "supergateway",
        "ghcr.io/sparfenyuk/mcp-proxy" => "mcp-proxy",
        "ghcr.io/open-webui/mcpo" => "mcpo",
        _ => return None,
    })
}

/// What a command of a container engine starts.
pub(super) fn source(
    program: &str,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    while let Some(given) = ENGINE.next(&mut words)? {
        given.note_unknown(&ENGINE, draft);
    }
    if words.front().is_some_and(|word| word == "container") {
        words.pop_front();
    }
    match words.pop_front().as_deref() {
        Some("run") => run(words, draft, depth),
        Some("exec" | "start" | "attach") => Err(refused(
            program,
            "this enters a container that is there already: give the command that makes it, or name its image as oci:IMAGE",
        )),
        Some("compose") => Err(refused(
            program,
            "a compose file is read with mcpt import FILE",
        )),
        Some("mcp") => Err(refused(
            program,
            "this is a gateway of servers of its own: name the image of a server as oci:IMAGE",
        )),
        Some("pull" | "build" | "buildx" | "login" | "volume" | "network") => Err(refused(
            program,
            "this starts no server: name the image as oci:IMAGE",
        )),
        _ => Err(PastedError::Missing {
            program: "docker",
            what: "run and an image",
        }),
    }
}

fn run(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut left_out = Vec::new();
    let mut interactive = false;
    let mut port = None;
    let mut entrypoint = None;
    while let Some(given) = RUN.next(&mut words)? {
        given.note_unknown(&RUN, draft);
        let value = given.value;
        match given.name {
            "i" | "interactive" | "it" => interactive = value != "false",
            "e" | "env" => match value.split_once('=') {
                Some((name, value)) => draft.env(name, value),
                None => draft.passed(&value),
            },
            "env-file" => draft.note("the file with variables is not read: give them one by one"),
            "v" | "volume" => volume(&value, draft),
            "mount" => mount(&value, draft),
            "p" | "publish" => port = port.or_else(|| container_port(&value)),
            "entrypoint" => entrypoint = Some(value),
            "t" | "tty" | "d" | "detach" | "rm" | "init" | "q" | "quiet" | "pull" | "name"
            | "restart" | "log-driver" | "log-opt" | "l" | "label" | "a" | "attach"
            | "sig-proxy" | "replace" | "rmi" | UNKNOWN => {}
            name => left_out.push(name),
        }
    }
    if !left_out.is_empty() {
        left_out.dedup();
        draft.note(format!(
            "options that are a matter of the place are left out: {}",
            left_out.join(", ")
        ));
    }
    let Some(word) = words.pop_front() else {
        return Err(PastedError::Missing {
            program: RUN.program,
            what: "the image",
        });
    };
    refuse_blank(&word)?;
    let image = Image::parse(&word).map_err(|error| {
        let reason = match error {
            mcpt_core::InvalidImage::Grammar { reason, .. } => reason.to_owned(),
            error @ mcpt_core::InvalidImage::TwoImages { .. } => error.to_string(),
        };
        InvalidSource::new(SourceKind::Oci, &word, reason)
    })?;
    if let Some(carrier) = carrier(&image.repository)
        && entrypoint.is_none()
    {
        return carriers::program(carrier, words, draft, depth + 1);
    }
    draft.entrypoint = entrypoint;
    draft.args(words);
    if let Some(port) = port.filter(|_| !interactive) {
        draft.note(
            "the server is taken to speak MCP over HTTP at /mcp of the port that is published",
        );
        draft.transport = Some(Transport::Http {
            url: Text::plain(format!("http://localhost:{port}/mcp")),
        });
    }
    let unused = draft.unpassed();
    if !unused.is_empty() {
        draft.note(format!(
            "variables that the container is not given are left out: {}",
            unused.join(", ")
        ));
    }
    Ok(Source::Oci(image))
}

/// `[HOST:]CONTAINER[:OPTIONS]`; a path of Windows has a colon of its own.
pub(crate) fn volume(value: &str, draft: &mut Draft) {
    let colon = separator(value);
    let Some(colon) = colon else {
        draft.note("a volume without a folder of this machine is left out");
        return;
    };
    let (host, rest) = value.split_at(colon);
    let (container, options) = rest[1..].split_once(':').unwrap_or((&rest[1..], ""));
    share(
        host,
        container,
        options.split(',').any(|option| option == "ro"),
        draft,
    );
}

/// The colon between the two folders: none in a variable, and none of a drive.
fn separator(value: &str) -> Option<usize> {
    // With `/` behind its colon, only what follows tells a drive from a named volume: `C:/Users:/data`, `data:/data:ro`.
    let letter = value.starts_with(|c: char| c.is_ascii_alphabetic());
    let drive = letter
        && match value.get(1..3) {
            Some(":\\") => true,
            Some(":/") => value[2..]
                .split_once(':')
                .is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])),
            _ => false,
        };
    let mut depth = 0_u32;
    for (at, c) in value.char_indices() {
        match c {
            '{' | '<' => depth += 1,
            '}' | '>' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && at > 0 && (at > 1 || !drive) => return Some(at),
            _ => {}
        }
    }
    None
}

/// `type=bind,src=HOST,dst=CONTAINER[,readonly]`.
fn mount(value: &str, draft: &mut Draft) {
    let field = |names: &[&str]| {
        value.split(',').find_map(|field| {
            let (name, value) = field.split_once('=')?;
            names.contains(&name).then_some(value)
        })
    };
    let read_only = value
        .split(',')
        .any(|field| matches!(field, "readonly" | "ro" | "readonly=true" | "ro=true"));
    match (
        field(&["type"]),
        field(&["src", "source"]),
        field(&["dst", "target", "destination"]),
    ) {
        (Some("bind"), Some(host), Some(container)) => share(host, container, read_only, draft),
        _ => draft.note("a mount that is no folder of this machine is left out"),
    }
}

fn share(host: &str, container: &str, read_only: bool, draft: &mut Draft) {
    if host == "/var/run/docker.sock" || host == "/run/docker.sock" {
        draft.note("the socket of Docker is left out: a server that has it can do anything on this machine");
        return;
    }
    if !host.contains(['/', '\\', '$', '%', '<', '~', '.']) {
        draft.note(format!("the named volume at {container} is left out"));
        return;
    }
    let host = draft.text(host, Some("folder"));
    draft.folders.push(SharedFolder {
        host,
        container: container.to_owned(),
        read_only,
    });
}

/// The port in the container of `[[IP:]HOST:]CONTAINER[/tcp]`.
pub(crate) fn container_port(value: &str) -> Option<u16> {
    let last = value.rsplit(':').next()?;
    last.split('/').next()?.parse().ok()
}
