//! `mcpt status NAME`: everything about one server.

use std::fmt::Write as _;

use clap::Args;
use mcpt_core::{Autoscaling, Server, ServerName};

use super::{events, list::state_name};
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, place, readable, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Name of the server
    name: ServerName,
}

impl Status {
    /// Shows it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let server = runtime::run(async {
            Ok(place::of_server(global, &config, &self.name)
                .await?
                .status(&self.name)
                .await?)
        })?;
        match global.output {
            Format::Json => output::json(&server),
            Format::Yaml => output::yaml(&server),
            Format::Name => output::line(server.name.as_str()),
            Format::Table | Format::Wide => output::text(&text(&server)),
        }
    }
}

fn text(server: &Server) -> String {
    let mut text = table::facts([
        ("Name", Some(server.name.to_string())),
        ("Backend", Some(server.backend.to_string())),
        (
            "Namespace",
            server.namespace.as_ref().map(ToString::to_string),
        ),
        ("Template", server.template.clone()),
        ("State", Some(state_name(server.state).to_owned())),
        ("Reason", server.reason.clone()),
        (
            "Ready",
            Some(format!("{}/{}", server.ready, server.desired)),
        ),
        ("Scaling", server.autoscaling.map(scaling)),
        ("URL", server.url.clone()),
        ("Transport", Some(server.transport.clone())),
        (
            "Revision",
            server.revision.map(|revision| revision.to_string()),
        ),
        ("Source", Some(server.source.clone())),
        ("Updated", Some(updated(server))),
        ("Log", server.log.clone()),
    ]);
    if !server.env.is_empty() {
        text.push_str("Environment:\n");
        for (name, value) in &server.env {
            // Writing to a string cannot fail.
            let (name, value) = (readable::line(name), readable::line(value));
            let _ = writeln!(text, "  {name}={value}");
        }
    }
    let width = table::terminal_width();
    if !server.replicas.is_empty() {
        text.push_str("Instances:\n");
        text.push_str(&instances(server).indented(2).text(width));
    }
    if !server.events.is_empty() {
        text.push_str("Events:\n");
        text.push_str(&events::table(&server.events).indented(2).text(width));
    }
    text
}

/// How the number of instances follows the load.
fn scaling(bounds: Autoscaling) -> String {
    let cpu = bounds.cpu.map(|cpu| format!("{cpu}% CPU"));
    let sessions = bounds
        .sessions
        .map(|sessions| format!("{sessions} sessions"));
    let aims: Vec<_> = cpu.into_iter().chain(sessions).collect();
    let aims = if aims.is_empty() {
        String::new()
    } else {
        format!(" at {}", aims.join(", "))
    };
    format!("{} to {}{aims}", bounds.min, bounds.max)
}

/// When it was changed, and how long ago that is.
pub(super) fn updated(server: &Server) -> String {
    let age = duration::age(&server.updated);
    format!("{} ({age} ago)", server.updated)
}

/// One row for each instance; what no instance has gets no column.
pub(super) fn instances(server: &Server) -> Table {
    let measured = server
        .replicas
        .iter()
        .any(|replica| replica.usage.is_some());
    let placed = server.replicas.iter().any(|replica| replica.node.is_some());
    let mut header = vec!["NAME", "READY", "STATE", "RESTARTS", "AGE"];
    if measured {
        header.extend(["CPU", "MEMORY"]);
    }
    if placed {
        header.push("NODE");
    }
    let mut table = Table::new(&header);
    for replica in &server.replicas {
        let mut row = vec![
            replica.name.clone(),
            if replica.ready { "yes" } else { "no" }.to_owned(),
            replica.state.clone(),
            replica.restarts.to_string(),
            replica
                .started
                .as_deref()
                .map(duration::age)
                .unwrap_or_default(),
        ];
        if measured {
            let usage = replica.usage;
            row.push(usage.map_or_else(String::new, |usage| format!("{}m", usage.cpu_millis)));
            row.push(usage.map_or_else(String::new, |usage| mebibytes(usage.memory_bytes)));
        }
        if placed {
            row.push(replica.node.clone().unwrap_or_default());
        }
        table.row(row);
    }
    table
}

/// An amount of memory as `kubectl top` shows it.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes >> 20)
}
