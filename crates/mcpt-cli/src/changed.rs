//! What is told about a server that a command has changed.

use mcpt_core::{Server, ServerState};

use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Shows the server in the form that was asked for; for people as one sentence.
pub(crate) fn show(global: &Global, server: &Server) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(server),
        Format::Yaml => output::yaml(server),
        Format::Name => output::line(server.name.as_str()),
        Format::Table | Format::Wide => output::line(&sentence(server)),
    }
}

/// What became of it, for people.
pub(crate) fn sentence(server: &Server) -> String {
    let revision = server
        .revision
        .map_or_else(String::new, |revision| format!(" (revision {revision})"));
    let url = server
        .url
        .as_ref()
        .map_or_else(String::new, |url| format!(" at {url}"));
    let subject = format!("{}{revision}", server.name);
    match server.state {
        ServerState::Running if server.desired > 1 => {
            format!("{subject} is running, {} instances{url}", server.desired)
        }
        ServerState::Running => format!("{subject} is running{url}"),
        ServerState::Stopped => format!("{subject} is stopped: no instances are wanted"),
        _ => format!("{subject} was started{url}"),
    }
}
