//! The user's settings, sorted: settings of the template, the transport, and variables that belong to no setting.

use indexmap::IndexMap;
use mcpt_core::near;

use super::{report::Report, transport};
use crate::{settings::Settings, template::Template};

/// The user's settings, sorted by what they are for.
pub(super) struct SortedSettings<'a> {
    /// Texts of the template's settings, by name.
    pub(super) settings: IndexMap<&'a str, &'a str>,
    /// Variables that belong to no setting.
    pub(super) variables: IndexMap<&'a str, &'a str>,
    /// Transport that was asked for.
    pub(super) transport: Option<&'a str>,
}

impl<'a> SortedSettings<'a> {
    pub(super) fn sort(
        template: &'a Template,
        settings: &'a Settings,
        report: &mut Report<'_>,
    ) -> Self {
        let mut given = Self {
            settings: IndexMap::new(),
            variables: IndexMap::new(),
            transport: None,
        };
        let properties = &template.config.properties;
        let transport_env = transport::variable(template);
        let by_variable = |variable: &str| {
            properties
                .iter()
                .find(|(name, property)| property.env_name(name).as_deref() == Some(variable))
                .map(|(name, _)| name.as_str())
        };
        for (key, value) in &settings.config {
            let property = properties.get_key_value(key.as_str());
            let name = property.map(|(name, _)| name.as_str());
            let variable = match property {
                Some((name, property)) => property.env_name(name),
                None => Some(key.clone()),
            };
            let carries_transport = variable.is_some() && variable.as_deref() == transport_env;
            if carries_transport || (key == "transport" && name.is_none()) {
                given.transport = Some(value);
            }
            if let Some(name) = name.or_else(|| by_variable(key)) {
                given.settings.insert(name, value);
            } else if !carries_transport && key != "transport" {
                let known = properties.keys().map(String::as_str).chain(["transport"]);
                report.general(format!("unknown setting {key:?}{}", near::hint(key, known)));
            }
        }
        for (variable, value) in &settings.env {
            let carries_transport = Some(variable.as_str()) == transport_env;
            if carries_transport {
                given.transport = Some(value);
            }
            if let Some(name) = by_variable(variable) {
                given.settings.insert(name, value);
            } else if carries_transport {
                // It is not a variable of its own.
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
        if settings.transport.is_some() {
            given.transport = settings.transport.as_deref();
        }
        given
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
