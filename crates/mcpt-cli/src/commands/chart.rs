//! `mcpt chart …`: what `helm` does with charts, with its flags, its output and its exit codes.

mod columns;
mod dependency;
mod diff;
mod environment;
mod flags;
mod get;
mod history;
mod install;
mod lint;
mod list;
mod location;
mod operation_flags;
mod package;
mod places;
mod plugins;
mod post_rendering;
mod printed;
mod pull;
mod push;
mod registry;
mod releases;
mod repo;
mod resources;
mod rollback;
mod search;
mod selector;
mod session;
mod show;
mod status;
mod template;
mod testing;
mod uninstall;
mod upgrade;
mod version;

use clap::{Args, Subcommand};
use helm_chart::Chart as Loaded;
use mcpt_core::{Failure, FailureKind};

use self::flags::HelmFlags;
use crate::{args::Global, commands::completion::Completion, ending::Ending};

/// Arguments of `mcpt chart`.
#[derive(Debug, Args)]
#[command(
    // Of a flag that is given twice the last one holds, as with helm.
    args_override_self = true,
    after_help = "Flags, output and exit codes are those of helm; the guide says for each flag where they are not.

Examples:
  mcpt chart template web ./chart -f values.yaml --set replicas=2
  mcpt chart show values ./chart
  mcpt chart package ./chart --version 1.2.3"
)]
pub(crate) struct Chart {
    #[command(flatten)]
    of_helm: HelmFlags,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Render a chart and print the manifests
    Template(Box<template::Template>),
    /// Look for what is wrong with charts
    Lint(lint::Lint),
    /// Print a chart's metadata, values, readme or custom resource definitions
    Show(Box<show::Show>),
    /// Pack a chart's folder into an archive
    Package(Box<package::Package>),
    /// Fetch charts from repositories and registries
    #[command(alias = "fetch")]
    Pull(Box<pull::Pull>),
    /// Put a chart's archive into a registry
    Push(Box<push::Push>),
    /// Log in to a registry, or out
    Registry(registry::RegistryCommand),
    /// List, choose and fetch the charts that a chart depends on
    #[command(alias = "dep", alias = "dependencies")]
    Dependency(dependency::Dependency),
    /// Make a release of a chart
    Install(Box<install::Install>),
    /// Lay another chart, or other values, over a release
    Upgrade(Box<upgrade::Upgrade>),
    /// Make an earlier revision of a release run again
    Rollback(Box<rollback::Rollback>),
    /// Remove releases
    #[command(alias = "del", alias = "delete", alias = "un")]
    Uninstall(Box<uninstall::Uninstall>),
    /// Show how a release is
    Status(status::Status),
    /// Run the tests of a release
    Test(testing::Test),
    /// List the releases in a namespace, or in all
    #[command(alias = "ls")]
    List(Box<list::List>),
    /// List the revisions of a release
    #[command(alias = "hist")]
    History(history::History),
    /// Show what an upgrade would change, what others have changed, or what differs between revisions
    Diff(Box<diff::Diff>),
    /// Print what is stored of a release
    Get(get::Get),
    /// Add, list, update and remove repositories, and make their indexes
    Repo(repo::Repo),
    /// Find charts by words
    Search(Box<search::Search>),
    /// Print where helm's files are, and its other settings
    Env(environment::Environment),
    /// Print the version of helm that all of this is like
    Version(version::Version),
    /// Print a completion script for a shell
    Completion(Completion),
}

impl Chart {
    /// Does it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let global = &self.of_helm.over(global)?;
        match &self.action {
            Action::Template(template) => template.run(global),
            Action::Lint(lint) => lint.run(global),
            Action::Show(show) => show.run(),
            Action::Package(package) => package.run(),
            Action::Pull(pull) => pull.run(),
            Action::Push(push) => push.run(),
            Action::Registry(registry) => registry.run(global),
            Action::Dependency(dependency) => dependency.run(),
            Action::Install(install) => install.run(global),
            Action::Upgrade(upgrade) => upgrade.run(global),
            Action::Rollback(rollback) => rollback.run(global),
            Action::Uninstall(uninstall) => uninstall.run(global),
            Action::Status(status) => status.run(global),
            Action::Test(test) => test.run(global),
            Action::List(list) => list.run(global),
            Action::History(history) => history.run(global),
            Action::Diff(diff) => diff.run(global),
            Action::Get(get) => get.run(global),
            Action::Repo(repo) => repo.run(global),
            Action::Search(search) => search.run(global),
            Action::Env(environment) => environment.run(global),
            Action::Version(version) => version.run(),
            Action::Completion(completion) => completion.run(global),
        }
    }
}

/// The chart in a folder or an archive.
fn load(chart: &str) -> Result<Loaded, Failure> {
    let path = std::path::Path::new(chart);
    if !path.exists() {
        return Err(failed(format!("there is no chart {chart}"))
            .hint("name a folder or a .tgz archive; charts are not fetched"));
    }
    Loaded::from_path(path).map_err(|error| failed(error.to_string()))
}

/// A failure with the exit code that helm has for all of them.
fn failed(what: String) -> Failure {
    Failure::new(FailureKind::Failed, what)
}

/// Longest name of a release, in bytes.
const LONGEST_NAME: usize = 53;

/// Names between dots, each of lower-case letters, digits and inner hyphens.
fn is_release_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.first().is_some_and(letter)
            && bytes.last().is_some_and(letter)
            && bytes.iter().all(|byte| letter(byte) || *byte == b'-')
    };
    name.len() <= LONGEST_NAME && name.split('.').all(is_label)
}
