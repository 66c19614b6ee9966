//! Plugins of helm that change what was rendered: where they are, and how they are started.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use mcpt_core::Failure;
use serde::Deserialize;

use super::failed;

/// What describes a plugin, in its folder.
const FILE: &str = "plugin.yaml";
/// Of those that change what was rendered.
const POST_RENDERER: &str = "postrenderer/v1";

/// A plugin that can be run.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) name: String,
    folder: PathBuf,
    commands: Vec<PlatformCommand>,
}

/// `plugin.yaml` of the first version.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    sort: String,
    #[serde(default)]
    runtime: String,
    #[serde(default)]
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeConfig {
    #[serde(default)]
    platform_command: Vec<PlatformCommand>,
}

#[derive(Debug, Clone, Deserialize)]
struct PlatformCommand {
    #[serde(default)]
    os: String,
    #[serde(default)]
    arch: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    args: Vec<String>,
}

/// The plugin of that name that changes what was rendered, in the folders where helm looks. One that cannot be read is told and
/// left out, as helm does.
///
/// # Errors
/// When it is of a sort that is not run here.
pub(super) fn post_renderer(name: &str, warn: impl Fn(String)) -> Result<Option<Plugin>, Failure> {
    for folder in folders() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut plugins: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        plugins.sort_unstable();
        for folder in plugins {
            let file = folder.join(FILE);
            let text = match fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) if absent(&error) => continue,
                Err(error) => {
                    warn(format!("warning: {} is left out: {error}", file.display()));
                    continue;
                }
            };
            let found = match description(&text) {
                Ok(found) => found,
                Err(failure) => {
                    warn(format!(
                        "warning: {} is left out: {}",
                        file.display(),
                        failure.what
                    ));
                    continue;
                }
            };
            if found.api_version != "v1" || found.sort != POST_RENDERER || found.name != name {
                continue;
            }
            if found.runtime != "subprocess" {
                let what = format!(
                    "plugins of the runtime {:?} are not run here, only those of the runtime \"subprocess\"",
                    found.runtime
                );
                return Err(failed(what));
            }
            return Ok(Some(Plugin {
                name: found.name,
                folder,
                commands: found.runtime_config.platform_command,
            }));
        }
    }
    Ok(None)
}

fn absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn description(text: &str) -> Result<Description, Failure> {
    let value = goyaml::from_str(text).map_err(|error| failed(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| failed(error.to_string()))
}

/// `HELM_PLUGINS`, which may be several, else the one below helm's data.
fn folders() -> Vec<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(all) = set("HELM_PLUGINS") {
        return env::split_paths(&all).collect();
    }
    let data = match (set("HELM_DATA_HOME"), set("XDG_DATA_HOME"), set("HOME")) {
        (Some(own), ..) => PathBuf::from(own),
        (_, Some(xdg), _) => PathBuf::from(xdg).join("helm"),
        (_, _, Some(home)) => PathBuf::from(home).join(".local/share/helm"),
        _ => return Vec::new(),
    };
    vec![data.join("plugins")]
}

impl Plugin {
    /// Its command for this system, with these arguments after its own.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn command(&self, arguments: &[String]) -> Result<Command, Failure> {
        let chosen = chosen(&self.commands).ok_or_else(no_command)?;
        let own = self.own_variables();
        let variable = |name: &str| {
            let own = own.get(name).cloned();
            own.or_else(|| env::var(name).ok()).unwrap_or_default()
        };
        let mut words = chosen.command.split(' ');
        let program = expanded(words.next().unwrap_or_default(), variable);
        if program.is_empty() {
            return Err(no_command());
        }
        let mut command = Command::new(program);
        command.args(
            words
                .chain(chosen.args.iter().map(String::as_str))
                .map(|word| expanded(word, variable)),
        );
        command.args(arguments).envs(&own);
        Ok(command)
    }

    fn own_variables(&self) -> BTreeMap<&'static str, String> {
        let folder = absolute(&self.folder);
        BTreeMap::from([
            ("HELM_PLUGIN_NAME", self.name.clone()),
            ("HELM_PLUGIN_DIR", folder.display().to_string()),
        ])
    }
}

fn no_command() -> Failure {
    let what = "failed to prepare plugin command: no plugin command is applicable";
    failed(what.to_owned())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The command for this system: of its processor too, of the system alone, or of any.
fn chosen(all: &[PlatformCommand]) -> Option<&PlatformCommand> {
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let is = |name: &str, own: &str| name.eq_ignore_ascii_case(own);
    let os = |command: &&PlatformCommand| is(&command.os, env::consts::OS);
    let mut exact = all.iter().filter(os).filter(|c| is(&c.arch, arch));
    let mut of_os = all.iter().filter(os).filter(|c| c.arch.is_empty());
    let mut any = all.iter().filter(|c| c.os.is_empty() && c.arch.is_empty());
    exact.next().or_else(|| of_os.next()).or_else(|| any.next())
}

/// A text with the values of the variables that it names, as Go's `os.Expand` reads them.
fn expanded(text: &str, variable: impl Fn(&str) -> String) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, end) = if let Some(inner) = after.strip_prefix('{') {
            match inner.find('}') {
                Some(end) => (&inner[..end], end + 2),
                // Go takes the two away that begin what has no end.
                None => ("", 1),
            }
        } else if after.starts_with(|c: char| "*#$@!?-".contains(c) || c.is_ascii_digit()) {
            (&after[..1], 1)
        } else {
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            (&after[..end], end)
        };
        if !name.is_empty() {
            out.push_str(&variable(name));
        } else if end == 0 {
            out.push('$');
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_go_reads_them() {
        let variable = |name: &str| match name {
            "A" => "1".to_owned(),
            "A_B" => "2".to_owned(),
            _ => String::new(),
        };
        for (text, wanted) in [
            ("x", "x"),
            ("$A", "1"),
            ("${A}b", "1b"),
            ("$A_B/$A", "2/1"),
            ("$none-", "-"),
            ("a$", "a$"),
            ("$/x", "$/x"),
            ("${A", "A"),
            ("${}x", "x"),
            ("$$A", "A"),
        ] {
            assert_eq!(expanded(text, variable), wanted, "{text}");
        }
    }

    #[test]
    fn the_command_of_this_system_comes_first() {
        let command = |os: &str, arch: &str, command: &str| PlatformCommand {
            os: os.to_owned(),
            arch: arch.to_owned(),
            command: command.to_owned(),
            args: Vec::new(),
        };
        let name = |all: &[PlatformCommand]| chosen(all).map(|c| c.command.clone());
        let (any, os) = (command("", "", "any"), command("Linux", "", "os"));
        assert_eq!(name(&[any.clone(), os.clone()]).as_deref(), Some("os"));
        assert_eq!(
            name(&[command("plan9", "", "no"), any]).as_deref(),
            Some("any")
        );
        assert_eq!(name(&[command("linux", "vax", "no")]), None);
        assert_eq!(name(&[]), None);
    }
}
