//! Template and settings to a [`Plan`]: types, full validation, and every value to where it belongs.

mod mounts;
mod report;
mod transport;
pub(crate) mod typed;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use mcpt_core::{Arg, Mount, Plan, Resources, Secret, ServerName};
use serde_json::{Map, Value};

use self::report::Report;
pub use self::report::{CompileError, SettingProblem};
use crate::{
    near,
    schema_error::plain,
    settings::Settings,
    template::{CommandArg, Property, Template, sounds_secret},
};

/// Makes the plan that runs the template with these settings.
///
/// A setting is named by its name or by its environment variable; values are read as the type that the template gives
/// them. Precedence, from low to high: defaults of the template, `config`, `env`. Settings that are secret go to
/// [`Plan::secrets`], the others to [`Plan::env`] and, where the template says so, to [`Plan::args`] and
/// [`Plan::mounts`].
///
/// # Errors
/// [`CompileError`] with all problems at once. It never contains the value of a secret setting.
pub fn compile(template: &Template, settings: &Settings) -> Result<Plan, CompileError> {
    let mut report = Report::new(template);
    let given = Given::sort(template, settings, &mut report);
    let chosen = transport::choose(template, given.transport, &mut report);
    let values = typed_values(template, &given, &mut report);
    report.check_schema(&values);

    let mut sink = Sink {
        settings,
        transport: &chosen,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        args: chosen.args.iter().cloned().map(Arg::Text).collect(),
        mounts: Vec::new(),
    };
    for (name, value) in &template.environment {
        sink.variable(name, plain(value), sounds_secret(name));
    }
    if let Some(variable) = &chosen.transport_env {
        sink.variable(variable, chosen.name.clone(), false);
    }
    for (name, property) in &template.config.properties {
        if let Some(value) = values.get(name) {
            sink.setting(name, property, value, &mut report);
        }
    }
    for (name, value) in &given.variables {
        sink.variable(name, (*value).to_owned(), sounds_secret(name));
    }

    let name = match &settings.name {
        Some(name) => Some(name.clone()),
        None => match ServerName::new(template.id.as_str()) {
            Ok(name) => Some(name),
            Err(error) => {
                report.general(format!(
                    "{error}: the template's id cannot name the server, give --name NAME"
                ));
                None
            }
        },
    };
    if chosen.is_stdio() && template.image.is_some() && template.command.is_empty() {
        report.general(
            "the template has an image but no command, and the bridge must know which program a stdio server is: add \"command\" to template.json"
                .to_owned(),
        );
    }
    match name {
        Some(name) if report.is_empty() => Ok(Plan {
            name,
            template: template.id.clone(),
            template_version: template.version.clone(),
            image: template.image.clone(),
            container_command: template.command.clone(),
            local_command: template.local_command.clone(),
            args: sink.args,
            env: sink.env,
            secrets: sink.secrets,
            mounts: sink.mounts,
            replicas: settings.replicas,
            resources: overlay(&template.resources, &settings.resources),
            sessions: template.sessions,
            transport: chosen.endpoint(&values),
        }),
        _ => Err(report.into_error()),
    }
}

/// The user's settings, sorted by what they are for.
struct Given<'a> {
    /// Texts of the template's settings, by name, with how each was given.
    settings: IndexMap<&'a str, &'a str>,
    /// Variables that belong to no setting.
    variables: IndexMap<&'a str, &'a str>,
    /// Transport that was asked for.
    transport: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn sort(template: &'a Template, settings: &'a Settings, report: &mut Report<'_>) -> Self {
        let mut given = Self {
            settings: IndexMap::new(),
            variables: IndexMap::new(),
            transport: settings.transport.as_deref(),
        };
        let properties = &template.config.properties;
        let transport_env = transport::variable(template);
        let selects_transport = |name: &str| {
            (name == "transport" && !properties.contains_key(name)) || Some(name) == transport_env
        };
        let by_variable = |variable: &str| {
            properties
                .iter()
                .find(|(name, property)| property.env_name(name).as_deref() == Some(variable))
                .map(|(name, _)| name.as_str())
        };
        for (key, value) in &settings.config {
            if let Some((name, property)) = properties.get_key_value(key.as_str()) {
                if transport_env.is_some() && property.env_name(name).as_deref() == transport_env {
                    given.transport.get_or_insert(value);
                }
                given.settings.insert(name, value);
            } else if let Some(name) = by_variable(key) {
                given.settings.insert(name, value);
            } else if selects_transport(key) {
                given.transport.get_or_insert(value);
            } else {
                let known = properties.keys().map(String::as_str).chain(["transport"]);
                report.general(format!("unknown setting {key:?}{}", near::hint(key, known)));
            }
        }
        for (variable, value) in &settings.env {
            if let Some(name) = by_variable(variable) {
                given.settings.insert(name, value);
            } else if Some(variable.as_str()) == transport_env {
                given.transport.get_or_insert(value);
            } else if !is_variable(variable) {
                report.general(format!(
                    "{variable:?} cannot name an environment variable: letters, digits and _ only, not beginning with a digit"
                ));
            } else if value.contains('\0') {
                report.general(format!("the value of {variable} contains a zero byte"));
            } else {
                given.variables.insert(variable, value);
            }
        }
        given
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Values of all settings that have one: as given, or by default.
fn typed_values(
    template: &Template,
    given: &Given<'_>,
    report: &mut Report<'_>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, property) in &template.config.properties {
        let value = match given.settings.get(name.as_str()) {
            Some(text) if text.contains('\0') => {
                report.mistyped(name, "it contains a zero byte".to_owned());
                continue;
            }
            Some(text) => match typed::parse(property, text) {
                Ok(value) => value,
                Err(expected) => {
                    let value = if property.is_sensitive(name) {
                        "the value".to_owned()
                    } else {
                        format!("{text:?}")
                    };
                    report.mistyped(name, format!("{value} is {expected}"));
                    continue;
                }
            },
            None => match property
                .real_default()
                .map(|value| typed::from_template(property, value))
            {
                Some(Ok(value)) => value,
                // A wrong default is found when the template is read.
                Some(Err(_)) | None => continue,
            },
        };
        values.insert(name.clone(), value);
    }
    values
}

/// Where values go.
struct Sink<'a> {
    settings: &'a Settings,
    transport: &'a transport::Chosen,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    args: Vec<Arg>,
    mounts: Vec<Mount>,
}

impl Sink<'_> {
    /// A variable is either plain or secret; the last one given decides.
    fn variable(&mut self, name: &str, value: String, secret: bool) {
        self.env.remove(name);
        self.secrets.remove(name);
        if secret {
            self.secrets.insert(name.to_owned(), Secret::new(value));
        } else {
            self.env.insert(name.to_owned(), value);
        }
    }

    fn setting(&mut self, name: &str, property: &Property, value: &Value, report: &mut Report<'_>) {
        let variable = property.env_name(name);
        if variable.is_some()
            && (variable == self.transport.transport_env || variable == self.transport.port_env)
        {
            return;
        }
        if property.volume_mount {
            self.folders(name, property, value, variable.as_deref(), report);
            return;
        }
        match &property.command_arg {
            CommandArg::Bare(false) => {}
            CommandArg::Bare(true) => match value {
                Value::Array(items) => self.args.extend(items.iter().map(plain).map(Arg::Text)),
                other => self.args.push(Arg::Text(plain(other))),
            },
            CommandArg::Flag(flag) => match value {
                Value::Bool(true) => self.args.push(Arg::Text(flag.clone())),
                Value::Bool(false) => {}
                Value::Array(items) => {
                    let words = items.iter().map(|item| format!("{flag}={}", plain(item)));
                    self.args.extend(words.map(Arg::Text));
                }
                other => self
                    .args
                    .push(Arg::Text(format!("{flag}={}", plain(other)))),
            },
        }
        if let Some(variable) = variable {
            let text = typed::text(property, value);
            self.variable(&variable, text, property.is_sensitive(name));
        }
    }

    /// Mounts the folders that a setting names, and tells the server their paths.
    fn folders(
        &mut self,
        name: &str,
        property: &Property,
        value: &Value,
        variable: Option<&str>,
        report: &mut Report<'_>,
    ) {
        let texts: Vec<&str> = match value {
            Value::String(text) => text.split_whitespace().collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut paths = Vec::new();
        for text in texts {
            let working_dir = self.settings.working_dir.as_deref();
            match mounts::parse(text, working_dir, variable.is_some()) {
                Err(problem) => report.setting(name, problem),
                Ok(mount) => {
                    paths.push(mount.container.clone());
                    let Some(index) = self.mount(name, mount, report) else {
                        continue;
                    };
                    if let CommandArg::Flag(flag) = &property.command_arg {
                        self.args.push(Arg::Text(flag.clone()));
                    }
                    if property.command_arg.is_arg() {
                        self.args.push(Arg::Mount(index));
                    }
                }
            }
        }
        if let Some(variable) = variable {
            let paths = Value::Array(paths.into_iter().map(Value::String).collect());
            self.variable(variable, typed::text(property, &paths), false);
        }
    }

    /// Index of the mount, which is added when it is not there yet.
    fn mount(&mut self, name: &str, mount: Mount, report: &mut Report<'_>) -> Option<usize> {
        let same_place = |other: &Mount| other.container == mount.container;
        match self.mounts.iter().position(same_place) {
            Some(index) if self.mounts.get(index) == Some(&mount) => Some(index),
            Some(_) => {
                let place = &mount.container;
                report.setting(name, format!("two folders cannot both be at {place}"));
                None
            }
            None => {
                self.mounts.push(mount);
                Some(self.mounts.len() - 1)
            }
        }
    }
}

fn overlay(base: &Resources, top: &Resources) -> Resources {
    let mut all = base.clone();
    all.requests.extend(top.requests.clone());
    all.limits.extend(top.limits.clone());
    all
}
