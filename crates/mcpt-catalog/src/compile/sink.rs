//! Where the values of settings go: variables, secrets, arguments and mounted folders.

use std::collections::BTreeMap;

use mcpt_core::{Arg, Mount, Secret};
use serde_json::Value;

use super::{
    mounts::{self, Places},
    report::Report,
    transport::Chosen,
    typed,
};
use crate::{
    schema_error::plain,
    settings::Settings,
    template::{CommandArg, Property},
};

/// Where values go.
pub(super) struct Sink<'a> {
    pub(super) settings: &'a Settings,
    pub(super) transport: &'a Chosen,
    pub(super) env: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) args: Vec<Arg>,
    pub(super) mounts: Vec<Mount>,
}

impl Sink<'_> {
    /// A variable is either plain or secret; the last one given decides.
    pub(super) fn variable(&mut self, name: &str, value: String, secret: bool) {
        self.env.remove(name);
        self.secrets.remove(name);
        if secret {
            self.secrets.insert(name.to_owned(), Secret::new(value));
        } else {
            self.env.insert(name.to_owned(), value);
        }
    }

    pub(super) fn setting(
        &mut self,
        name: &str,
        property: &Property,
        value: &Value,
        report: &mut Report<'_>,
    ) {
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
        if texts.is_empty() && property.real_default() != Some(value) {
            report.setting(name, names_no_folder(name));
        }
        let mut paths = Vec::new();
        for text in texts {
            let working_dir = self.settings.working_dir.as_deref();
            match mounts::parse(text, working_dir, variable.is_some()) {
                Err(problem) => report.setting(name, problem.to_string()),
                Ok(places) => {
                    paths.push(places.container.clone());
                    let Some(index) = self.mount(name, places, report) else {
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
    fn mount(&mut self, name: &str, places: Places, report: &mut Report<'_>) -> Option<usize> {
        let Places { host, container } = places;
        let mut mounts = self.mounts.iter().enumerate();
        match mounts.find(|(_, other)| other.container == container) {
            Some((index, other)) if other.host == host => Some(index),
            Some(_) => {
                report.setting(name, format!("two folders cannot both be at {container}"));
                None
            }
            None => {
                self.mounts.push(Mount {
                    setting: name.to_owned(),
                    host,
                    container,
                    read_only: false,
                });
                Some(self.mounts.len() - 1)
            }
        }
    }
}

fn names_no_folder(name: &str) -> String {
    format!("it names no folder: give -c {name}=/path/of/a/folder")
}
