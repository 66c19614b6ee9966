//! Template and settings to a [`Plan`]: types, full validation, and every value to where it belongs.

mod given;
mod mounts;
mod report;
mod sink;
mod transport;
pub(crate) mod typed;

use std::collections::BTreeMap;

use mcpt_core::{Arg, CommandOption, Plan, Resources, ServerName, Sessions, sounds_secret};
use serde_json::{Map, Value};

pub use self::report::{CompileError, SettingProblem};
pub(crate) use self::transport::variable as transport_variable;
use self::{given::SortedSettings, report::Report, sink::Sink};
use crate::{
    schema_error::{plain, shorten},
    settings::Settings,
    template::Template,
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
    let given = SortedSettings::sort(template, settings, &mut report);
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
        if chosen.port_env.as_ref() != Some(name) {
            sink.variable(name, plain(value), sounds_secret(name));
        }
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
        if chosen.port_env.as_deref() == Some(name) {
            report.general(format!(
                "{name} tells the server the port that it is reached at, and mcpt sets it"
            ));
        }
        sink.variable(name, (*value).to_owned(), sounds_secret(name));
    }

    let name = match &settings.name {
        Some(name) => Some(name.clone()),
        None => match ServerName::new(template.id.as_str()) {
            Ok(name) => Some(name),
            Err(error) => {
                report.general(format!(
                    "{error}: the template's id cannot name the server, give {} NAME",
                    CommandOption::Name
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
            package: None,
            package_settings: BTreeMap::new(),
            image: template.image.clone(),
            container_command: template.command.clone(),
            local_command: template.local_command.clone(),
            args: sink.args,
            env: sink.env,
            secrets: sink.secrets,
            mounts: sink.mounts,
            replicas: settings.replicas,
            resources: overlay(&template.resources, &settings.resources),
            // A session of a stdio server is a process of its bridge, on one instance.
            sessions: match (template.sessions, chosen.is_stdio()) {
                (Sessions::Stateless, true) | (Sessions::Single, false) => Sessions::Stateful,
                (sessions, _) => sessions,
            },
            transport: chosen.endpoint(&values),
        }),
        _ => Err(report.into_error()),
    }
}

/// Values of all settings that have one: as given, or by default.
fn typed_values(
    template: &Template,
    given: &SortedSettings<'_>,
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
                        shorten(&format!("{text:?}"))
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

fn overlay(base: &Resources, top: &Resources) -> Resources {
    let mut all = base.clone();
    all.requests.extend(top.requests.clone());
    all.limits.extend(top.limits.clone());
    all
}
