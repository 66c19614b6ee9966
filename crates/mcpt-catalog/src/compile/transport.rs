//! Which transport the server is told to speak, and where its endpoint then is.

use mcpt_core::Transport;
use serde_json::{Map, Value};

use super::report::Report;
use crate::template::Template;

/// What the original platform calls the variable with the transport.
const TRANSPORT_ENV: &str = "MCP_TRANSPORT";
/// What the original platform calls the variable with the port.
const PORT_ENV: &str = "MCP_PORT";

/// The transport that a plan uses.
pub(super) struct Chosen {
    /// Its name among those that the template supports.
    pub(super) name: String,
    /// Arguments that make the server speak it.
    pub(super) args: Vec<String>,
    /// Variable that tells the server, if one does.
    pub(super) transport_env: Option<String>,
    /// Variable that tells an http server its port, if one does.
    pub(super) port_env: Option<String>,
    port: u16,
    port_setting: Option<String>,
    path: String,
}

/// The variable by which the template's server learns its transport.
pub(crate) fn variable(template: &Template) -> Option<&str> {
    match template.transport.transport_env.as_deref() {
        Some("") => None,
        Some(name) => Some(name),
        None => (template.transport.supported.len() > 1).then_some(TRANSPORT_ENV),
    }
}

/// `http` is what everybody says for streamable HTTP.
fn canonical(name: &str) -> &str {
    match name {
        "streamable-http" | "streamable_http" => "http",
        other => other,
    }
}

/// The transport that was asked for, or the template's default.
pub(super) fn choose(template: &Template, asked: Option<&str>, report: &mut Report<'_>) -> Chosen {
    let spec = &template.transport;
    let wanted = asked.unwrap_or(&spec.default);
    let name = spec
        .supported
        .iter()
        .find(|name| canonical(name) == canonical(wanted));
    match name {
        None => report.general(format!(
            "transport {wanted:?} is not supported: use {}",
            spec.supported.join(" or ")
        )),
        Some(name) if name == "sse" => {
            let usable: Vec<_> = spec
                .supported
                .iter()
                .filter(|name| *name != "sse")
                .collect();
            let instead = match usable.first() {
                Some(name) => format!(": use {name}"),
                None => String::new(),
            };
            report.general(format!(
                "transport \"sse\" was replaced by streamable HTTP in the protocol{instead}"
            ));
        }
        Some(_) => {}
    }
    let name = name.unwrap_or(&spec.default).clone();
    let is_stdio = name == "stdio";
    let port_env = match spec.port_env.as_deref() {
        _ if is_stdio => None,
        Some("") => None,
        Some(variable) => Some(variable.to_owned()),
        None => Some(PORT_ENV.to_owned()),
    };
    let port_setting = template
        .config
        .properties
        .iter()
        .find(|(name, property)| port_env.is_some() && property.env_name(name) == port_env)
        .map(|(name, _)| name.clone());
    Chosen {
        args: spec.args.get(&name).cloned().unwrap_or_default(),
        transport_env: variable(template).map(str::to_owned),
        port_env,
        port: spec.port,
        port_setting,
        path: spec.path.clone(),
        name,
    }
}

impl Chosen {
    pub(super) fn is_stdio(&self) -> bool {
        self.name == "stdio"
    }

    /// The transport as a plan has it. A setting that carries the port decides it.
    pub(super) fn endpoint(self, values: &Map<String, Value>) -> Transport {
        if self.is_stdio() {
            return Transport::Stdio;
        }
        let port = self
            .port_setting
            .and_then(|setting| values.get(&setting)?.as_u64())
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0);
        Transport::Http {
            port: port.unwrap_or(self.port),
            path: self.path,
            port_env: self.port_env,
        }
    }
}
