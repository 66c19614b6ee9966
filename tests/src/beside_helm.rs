//! `mcpt chart` and the real helm, run alike in a folder that holds all that either of them keeps, and what they did.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::Mcpt;

/// A program that was built for the tests: what `variable` says, else where `cargo xtask tools` puts it.
///
/// # Panics
/// When neither the variable nor `HOME` is set.
pub fn program(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable).map_or_else(
        || {
            let home = env::var_os("HOME").expect("HOME is set");
            Path::new(&home).join(".cache/mcpt/bin").join(name)
        },
        PathBuf::from,
    )
}

/// Runs Helm 4 in a folder, with `home` in it as its home.
pub fn helm(arguments: &[&str], folder: &Path) -> Output {
    run_helm(&program("MCPT_HELM4", "helm4"), arguments, folder)
}

/// Runs Helm 3 likewise.
pub fn helm3(arguments: &[&str], folder: &Path) -> Output {
    run_helm(&program("MCPT_HELM3", "helm3"), arguments, folder)
}

fn run_helm(program: &Path, arguments: &[&str], folder: &Path) -> Output {
    // Neither the user's settings nor a cluster plays a part.
    let mut helm = Command::new(program);
    helm.env_clear().env("HOME", folder.join("home"));
    helm.args(arguments)
        .current_dir(folder)
        .output()
        .expect("starting helm")
}

/// Runs `mcpt chart` likewise.
pub fn mcpt(arguments: &[&str], folder: &Path) -> Output {
    mcpt_command(&Mcpt::default(), arguments, folder)
        .output()
        .expect("starting mcpt")
}

/// `mcpt chart`, ready to be started likewise.
pub fn mcpt_command(mcpt: &Mcpt, arguments: &[&str], folder: &Path) -> Command {
    let arguments = [&["chart"], arguments].concat();
    let mut command = mcpt.command(&arguments);
    command
        .env("HELM_CONFIG_HOME", folder.join("home/.config/helm"))
        .env("HELM_CACHE_HOME", folder.join("home/.cache/helm"))
        .env("HELM_DATA_HOME", folder.join("home/.local/share/helm"))
        .env("DOCKER_CONFIG", folder.join("home/.docker"))
        .env("KUBECONFIG", folder.join("home/.kube/config"))
        .current_dir(folder);
    command
}

/// What a command said: its exit code, the lines of its output in alphabetical order (since repositories are asked at the same
/// time), and why it failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// The lines of standard output, sorted.
    pub lines: Vec<String>,
    /// What follows `Error:` on standard error, without hints.
    pub error: String,
}

/// What a command said.
pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    let error = text(&output.stderr);
    let ended = error.rsplit_once("rror: ").map_or("", |(_, said)| said);
    let ended = ended.split("\nhint:").next().unwrap_or_default();
    Said {
        code: output.status.code(),
        lines,
        error: ended.trim_end().to_owned(),
    }
}

/// All files below a folder and the text in them, without the lines that `is_kept` refuses; `an archive` for what is no text,
/// since times are in those, too.
///
/// # Panics
/// When something there cannot be read.
pub fn tree(folder: &Path, is_kept: impl Fn(&str) -> bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = match String::from_utf8(fs::read(&path).expect("a file")) {
                Ok(text) => text
                    .split_inclusive('\n')
                    .filter(|line| is_kept(line))
                    .collect(),
                Err(_) => "an archive".to_owned(),
            };
            let below = path.strip_prefix(folder).expect("below it");
            found.push((below.to_owned(), text));
        }
    }
    found.sort();
    found
}

/// Writes a file, with the folders that it is in.
///
/// # Panics
/// When it cannot be written.
pub fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).expect("making a folder");
    fs::write(path, text).expect("writing a file");
}
