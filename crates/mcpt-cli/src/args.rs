//! The grammar of the command line: global options and commands.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use kube_access::Overrides;
use mcpt_core::{BackendName, Namespace};

use crate::{backends::Backends, commands};

/// What stands below the help of `mcpt` alone.
const EXAMPLES: &str = "Examples:
  mcpt template list                       what can be deployed
  mcpt deploy demo                         run the demo server on this machine
  mcpt tools demo                          what it offers
  mcpt call demo echo --arg message=hi     call one of its tools
  mcpt delete demo                         end it
  mcpt -b kubernetes -n tools deploy demo --create-namespace --replicas 2

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 unreachable, 5 the tool answered with an error, \
6 timed out, 130 interrupted.";

/// Deploy, watch and call MCP servers: as local processes or on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "mcpt",
    version,
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The grammar of a program that has these backends.
    pub(crate) fn grammar(backends: Backends) -> clap::Command {
        let names = backends.names();
        let usual = backends.usual().map(|driver| driver.name().to_string());
        let usual = usual.unwrap_or_default();
        Self::command().mut_arg("backend", |option| {
            option.help(format!(
                "Where servers run: {names} [default: MCPT_BACKEND, else the configuration file's, else {usual}]"
            ))
        })
    }

    /// Reads the words of a command line, the first of which is the program.
    ///
    /// # Errors
    /// What clap says of words that it does not take, or that ask for help.
    pub(crate) fn of(
        words: impl IntoIterator<Item = OsString>,
        backends: Backends,
    ) -> Result<Self, clap::Error> {
        let mut grammar = Self::grammar(backends);
        let mut matches = grammar.try_get_matches_from_mut(words)?;
        let mut cli =
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut grammar))?;
        cli.global.backends = backends;
        Ok(cli)
    }
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where servers run
    // Which there are says `Cli::grammar`.
    #[arg(short, long, global = true, value_name = "BACKEND")]
    pub(crate) backend: Option<BackendName>,
    /// Kubernetes namespace [default: the context's, else mcp-servers]
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<Namespace>,
    /// Context of the kubeconfig
    #[arg(long, alias = "kube-context", global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Kubeconfig file [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Form of the result: table, wide, json, yaml or name
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: Format,
    /// No progress, hints and warnings: results and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More on standard error; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Progress as plain lines, also on a terminal
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    #[arg(skip)]
    pub(crate) backends: Backends,
    /// What counts before the kubeconfig, for commands that have flags for it.
    #[arg(skip)]
    pub(crate) overrides: Overrides,
}

/// Form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// Names only, one a line.
    Name,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a server or update it
    Deploy(Box<commands::deploy::Deploy>),
    /// List the servers
    #[command(alias = "ls")]
    List(commands::list::List),
    /// Show which servers run from a package of which there is a newer version
    Outdated(commands::outdated::Outdated),
    /// Show everything about a server
    Status(commands::status::Status),
    /// Change how many instances of a server run, by number or by load
    Scale(commands::scale::Scale),
    /// List the revisions of a server
    History(commands::history::History),
    /// Show what differs between two revisions of a server
    Diff(commands::diff::Diff),
    /// Show the values of a server's chart, and who said each
    Values(commands::values::Values),
    /// Make an earlier revision of a server run again
    Rollback(commands::rollback::Rollback),
    /// Start the instances of a server anew, as they are configured
    Restart(commands::restart::Restart),
    /// Run a server in another backend instead, as it was deployed
    Move(commands::deploy::Move),
    /// Show what the instances of servers use
    Top(commands::top::Top),
    /// Print what a server wrote to its log
    Logs(commands::logs::Logs),
    /// Show what happened to a server, as its platform tells it
    Events(commands::events::Events),
    /// End a server and remove everything of it
    #[command(alias = "rm")]
    Delete(commands::delete::Delete),
    /// Remove what commands that died left behind
    Gc(commands::gc::Gc),
    /// List the tools that a server offers
    Tools(commands::tools::Tools),
    /// Speak MCP to a server, and tell each step
    Test(commands::test::Test),
    /// Run a command in the container of a server
    Exec(commands::exec::Exec),
    /// Let a port of this machine lead to a server on a cluster
    PortForward(commands::port_forward::PortForward),
    /// Call a tool
    Call(commands::call::Call),
    /// Print the least role by which mcpt works in a cluster
    Rbac(commands::rbac::Rbac),
    /// Find servers that can be deployed, by words
    Search(commands::search::Search),
    /// Servers of registries of MCP servers: list and show them, keep a copy that works offline
    Catalog(commands::catalog::Catalog),
    /// List, show and check templates
    Template(commands::template::Template),
    /// List, show and check the entries of registries
    Registry(commands::registry::Registry),
    /// Turn the servers of a client's file into a registry
    Import(commands::import::Import),
    /// Put mcpt's own image into a registry or an archive, for clusters
    Image(commands::image::ImageCommand),
    /// Render, pack and install charts, as helm does
    Chart(Box<commands::chart::Chart>),
    /// Serve a stdio MCP server over streamable HTTP
    Bridge(commands::bridge::Bridge),
    /// Serve all servers at one address
    Gateway(commands::gateway::Gateway),
    /// Print a completion script for a shell
    Completion(commands::completion::Completion),
    /// Print the version
    Version,
    /// Serve the demo MCP server
    #[command(hide = true)]
    Demo(commands::demo::Demo),
    /// Have the port of a server that runs as containers
    #[command(hide = true)]
    Front(commands::front::Front),
    /// Have a port of this machine for a server that runs elsewhere
    #[command(hide = true)]
    Remote(commands::remote::Remote),
    /// Check that an MCP server answers at a URL
    #[command(hide = true)]
    Probe(commands::probe::Probe),
    /// Stay with a server of the process backend
    #[command(hide = true)]
    Supervise(commands::supervise::Supervise),
    /// Stay between the bridge and a server
    #[command(hide = true)]
    Keep(commands::keep::Keep),
    /// Become a server whose arguments refer to variables
    #[command(hide = true)]
    Fill(commands::fill::Fill),
    /// Copy this binary into a folder
    #[command(hide = true)]
    Install(commands::install::Install),
    /// Install a package from its lock
    #[command(hide = true)]
    InstallPackage(commands::install_package::InstallPackage),
}

#[cfg(test)]
mod tests {
    use crate::backends::BACKENDS;

    use super::*;

    #[test]
    fn help_names_the_backends_that_there_are() {
        for (backends, text) in [
            (Backends::default(), "process, docker, podman or kubernetes"),
            (Backends(&BACKENDS[1..3]), "docker or podman"),
        ] {
            let words = ["mcpt", "list", "--help"].map(OsString::from);
            let help = Cli::of(words, backends).unwrap_err().to_string();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                help.contains(&format!("Where servers run: {text} [")),
                "{help}"
            );
        }
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_wrapped_by_the_terminal_alone() {
        let mut commands = vec![Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string);
            for line in help.unwrap_or_default().lines() {
                let ends_here =
                    line.is_empty() || line.starts_with(' ') || line.ends_with(['.', ':']);
                assert!(ends_here, "{}: {line}", command.get_name());
            }
        }
    }

    /// What hints below the command line call an option is one.
    #[test]
    fn options_of_hints_are_there() {
        fn collect(command: &clap::Command, into: &mut Vec<String>) {
            let options = command.get_arguments().filter_map(clap::Arg::get_long);
            into.extend(options.map(|name| format!("--{name}")));
            for below in command.get_subcommands() {
                collect(below, into);
            }
        }
        let mut known = Vec::new();
        collect(&Cli::command(), &mut known);
        for option in mcpt_core::CommandOption::ALL {
            assert!(known.contains(&option.to_string()), "{option}");
        }
    }
}
