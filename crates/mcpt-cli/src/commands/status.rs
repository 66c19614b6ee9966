//! `mcpt status NAME`: everything about one server.

use std::fmt::Write as _;

use clap::Args;
use mcpt_core::{Server, ServerName};

use super::list::state_name;
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, place, runtime,
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
            Ok(place::backend(global, &config)
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
        ("URL", server.url.clone()),
        ("Transport", Some(server.transport.clone())),
        (
            "Revision",
            server.revision.map(|revision| revision.to_string()),
        ),
        ("Source", Some(server.source.clone())),
        (
            "Updated",
            Some(format!(
                "{} ({} ago)",
                server.updated,
                duration::age(&server.updated)
            )),
        ),
        ("Log", server.log.clone()),
    ]);
    if !server.env.is_empty() {
        text.push_str("Environment:\n");
        for (name, value) in &server.env {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name}={value}");
        }
    }
    if !server.replicas.is_empty() {
        text.push_str("Instances:\n");
        let mut table = Table::new(&["  NAME", "READY", "STATE", "RESTARTS", "AGE", "NODE"]);
        for replica in &server.replicas {
            table.row([
                format!("  {}", replica.name),
                if replica.ready { "yes" } else { "no" }.to_owned(),
                replica.state.clone(),
                replica.restarts.to_string(),
                replica
                    .started
                    .as_deref()
                    .map(duration::age)
                    .unwrap_or_default(),
                replica.node.clone().unwrap_or_default(),
            ]);
        }
        text.push_str(&table.text(None));
    }
    text
}
