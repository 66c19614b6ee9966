//! `cargo xtask conformance`: the official conformance suite of MCP against servers that others wrote, through one URL of
//! the gateway, and against clients that others wrote, through the gateway. The guide has the outcome as a table.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

mod clients;
mod programs;
mod relay;
mod suite;

pub(crate) use self::{
    clients::{Through, run as run_client},
    programs::{Program, free_address, gateway},
};
use self::{
    programs::{Front, Server},
    suite::{Outcome, Suite},
};
use crate::{cache, command, go_tools, report};

/// What each revision of the protocol requires, as the suite names its sets.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];
/// How many replicas of the gateway stand behind the one URL.
const REPLICAS: [usize; 2] = [1, 3];
/// What is around the tables in the guide.
const BEGIN: &str = "<!-- cargo xtask conformance -->\n";
const END: &str = "<!-- end of cargo xtask conformance -->\n";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this kind of server
    #[arg(long, value_enum)]
    server: Option<Server>,
    /// Only this number of replicas of the gateway
    #[arg(long)]
    replicas: Option<usize>,
    /// Not the sets for clients
    #[arg(long)]
    no_clients: bool,
    /// Write the tables into the guide: needs the whole matrix
    #[arg(long, conflicts_with_all = ["server", "replicas", "no_clients"])]
    write: bool,
    /// Use this binary, and build none
    #[arg(long, value_name = "FILE")]
    mcpt: Option<PathBuf>,
}

/// One row of the table for servers.
struct Row {
    server: Server,
    replicas: usize,
    outcomes: Vec<Outcome>,
}

/// Runs what was asked for; fails when anything is other than the guide says.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mcpt = match &arguments.mcpt {
        Some(file) => file.clone(),
        None => build()?,
    };
    let tools = go_tools::build("conformance")?;
    let suite = Suite::install()?;
    let mut rows = Vec::new();
    let servers = Server::ALL.into_iter();
    for server in servers.filter(|one| arguments.server.is_none_or(|only| only == *one)) {
        let all = REPLICAS.into_iter();
        for replicas in all.filter(|one| arguments.replicas.is_none_or(|only| only == *one)) {
            let front = Front::start(&mcpt, &tools, server, replicas)?;
            let mut outcomes = Vec::new();
            for revision in REVISIONS {
                let outcome = suite.servers(revision, &front.url())?;
                report::progress(format!(
                    "{}, {replicas} x gateway, {revision}: {outcome}",
                    server.shown()
                ));
                outcomes.push(outcome);
            }
            rows.push(Row {
                server,
                replicas,
                outcomes,
            });
        }
    }
    let mut tables = servers_table(&rows);
    if !arguments.no_clients {
        let mut outcomes = Vec::new();
        for revision in REVISIONS {
            let outcome = suite.clients(revision, &clients::command(&mcpt, &tools)?)?;
            report::progress(format!("clients, {revision}: {outcome}"));
            outcomes.push(outcome);
        }
        tables.push('\n');
        tables.push_str(&clients_table(&outcomes));
    }
    report::result(tables.trim_end());
    let guide = cache::repository().join("docs/src/protocol-versions.md");
    if arguments.write {
        let text = std::fs::read_to_string(&guide)
            .with_context(|| format!("reading {}", guide.display()))?;
        std::fs::write(&guide, with_tables(&text, &tables)?)
            .with_context(|| format!("writing {}", guide.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text =
        std::fs::read_to_string(&guide).with_context(|| format!("reading {}", guide.display()))?;
    let others: Vec<_> = tables
        .lines()
        .filter(|line| !text.lines().any(|known| known == *line))
        .collect();
    if !others.is_empty() {
        bail!(
            "the guide says otherwise (docs/src/protocol-versions.md):\n{}",
            others.join("\n")
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "mcpt"])
        .current_dir(cache::repository());
    command::show(&mut cargo)?;
    Ok(cache::target().join("debug/mcpt"))
}

fn servers_table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| Go SDK's `everything-server` | replicas of the gateway | 2025-11-25 | 2026-07-28 |\n|---|---|---|---|\n",
    );
    for row in rows {
        let (server, replicas) = (row.server.shown(), row.replicas);
        let _ = write!(table, "| {server} | {replicas} |");
        for outcome in &row.outcomes {
            let _ = write!(table, " {outcome} |");
        }
        table.push('\n');
    }
    table
}

fn clients_table(outcomes: &[Outcome]) -> String {
    let mut table = String::from("| client | 2025-11-25 | 2026-07-28 |\n|---|---|---|\n");
    table.push_str("| Go SDK's `everything-client` |");
    for outcome in outcomes {
        let _ = write!(table, " {outcome} |");
    }
    table.push('\n');
    table
}

/// The guide with other tables.
fn with_tables(guide: &str, tables: &str) -> anyhow::Result<String> {
    let (before, rest) = guide
        .split_once(BEGIN)
        .context("the guide has no place for the tables")?;
    let (_, after) = rest
        .split_once(END)
        .context("the tables in the guide have no end")?;
    Ok(format!("{before}{BEGIN}{tables}{END}{after}"))
}

/// The suite's program and what it needs, in the cache; one folder for each state of the pins.
pub(crate) fn npm_install(name: &str) -> anyhow::Result<PathBuf> {
    let pins: &Path = &cache::repository().join("xtask/npm").join(name);
    let programs = crate::wheels::install("node")?;
    let [node, npm, ..] = &programs[..] else {
        bail!("the wheel of Node has no npm")
    };
    let key = cache::Key::new()
        .with_file(&pins.join("package.json"))?
        .with_file(&pins.join("package-lock.json"))?
        .finish();
    let tools = cache::folder()?.join("tools");
    let folder = tools.join(format!("npm-{name}-{key}"));
    let _lock = crate::lock::Lock::take(&tools.join(format!("npm-{name}.lock")), name)?;
    if !folder.is_dir() {
        report::progress(format_args!("installing {name}"));
        let partial = tools.join(format!(".npm-{name}"));
        cache::remove(&partial)?;
        std::fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(pins.join(file), partial.join(file))
                .with_context(|| format!("cannot copy {file} of {name}"))?;
        }
        let mut install = Command::new(node);
        install
            .arg(npm)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&partial);
        command::output(&mut install)?;
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot write {}", folder.display()))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_a_place_for_the_tables() {
        let guide = include_str!("../../docs/src/protocol-versions.md");
        let changed = with_tables(guide, "| x |\n").unwrap();
        assert!(changed.contains("| x |\n<!-- end"), "{changed}");
        assert!(with_tables("", "").is_err());
    }

    #[test]
    fn lock_files_name_no_registry() {
        for lock in [
            include_str!("../npm/conformance/package-lock.json"),
            include_str!("../npm/clients/package-lock.json"),
        ] {
            assert!(lock.contains("\"integrity\"") && !lock.contains("\"resolved\""));
        }
    }
}
