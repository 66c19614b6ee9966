//! Inputs: arguments, variables and headers, each with a fixed value, one that is to be given, or one with variables in it.

use indexmap::IndexMap;

use super::fields::Fields;
use crate::{Format, Setting, Text, draft, secrets};

/// The settings of one offer while they are collected.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) all: IndexMap<String, Setting>,
}

/// What begins and ends a setting in a text that is still to be taken apart: characters that no text has.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

impl Settings {
    /// Adds a setting; another one of the same name gets another name.
    fn add(&mut self, name: &str, setting: Setting) -> String {
        let mut name = draft::setting_name(name);
        while let Some(known) = self.all.get(&name) {
            if same(known, &setting) {
                return name;
            }
            name.push_str("_2");
        }
        self.all.insert(name.clone(), setting);
        name
    }

    /// The value of an input as a text that can be taken apart; `name` is what its setting is called when it is to be given.
    pub(super) fn raw(
        &mut self,
        input: &Fields<'_>,
        name: &str,
        problems: &mut Vec<String>,
    ) -> String {
        let own = setting(input, name, problems);
        let Some(value) = input.text("value", problems) else {
            let name = self.add(name, own);
            return format!("{OPEN}{name}{CLOSE}");
        };
        let mut raw = plain(value);
        for (variable, fields) in variables(input, problems) {
            let mark = format!("{{{variable}}}");
            if !raw.contains(&mark) {
                continue;
            }
            let name = self.add(&variable, fields);
            raw = raw.replace(&mark, &format!("{OPEN}{name}{CLOSE}"));
        }
        raw
    }

    /// A text in which `{name}` stands for these variables, or for settings that are there already.
    pub(super) fn text(&mut self, value: &str, variables: &[(String, Setting)]) -> Text {
        let mut raw = plain(value);
        for (variable, fields) in variables {
            let mark = format!("{{{variable}}}");
            if raw.contains(&mark) {
                let name = self.add(variable, fields.clone());
                raw = raw.replace(&mark, &format!("{OPEN}{name}{CLOSE}"));
            }
        }
        // An argument is meant by its name, with its dashes: `{--port}`.
        let mut rest = raw.as_str();
        let mut found = String::new();
        while let Some((before, behind)) = rest.split_once('{') {
            found.push_str(before);
            let known = behind.split_once('}').and_then(|(inside, behind)| {
                let name = draft::setting_name(inside);
                self.all.contains_key(&name).then_some((name, behind))
            });
            if let Some((name, behind)) = known {
                found.extend([OPEN.to_string(), name, CLOSE.to_string()]);
                rest = behind;
            } else {
                found.push('{');
                rest = behind;
            }
        }
        found.push_str(rest);
        decoded(&found)
    }
}

/// The variables of an input or of a remote.
pub(super) fn variables(input: &Fields<'_>, problems: &mut Vec<String>) -> Vec<(String, Setting)> {
    let Some(variables) = input.object("variables", problems) else {
        return Vec::new();
    };
    let named = variables.named(problems);
    named
        .into_iter()
        .map(|(name, fields)| (name.to_owned(), setting(&fields, name, problems)))
        .collect()
}

/// Without characters that mean something here.
fn plain(value: &str) -> String {
    value
        .chars()
        .filter(|c| !matches!(*c, OPEN | CLOSE))
        .collect()
}

/// The text behind a raw one.
pub(super) fn decoded(raw: &str) -> Text {
    let mut text = Text::default();
    let mut rest = raw;
    while let Some((plain, behind)) = rest.split_once(OPEN) {
        let (name, behind) = behind.split_once(CLOSE).unwrap_or((behind, ""));
        text = text.and_plain(plain).and_setting(name);
        rest = behind;
    }
    text.and_plain(rest)
}

fn setting(input: &Fields<'_>, name: &str, problems: &mut Vec<String>) -> Setting {
    let format = match input.text("format", problems) {
        None | Some("string") => Format::Text,
        Some("number") => Format::Number,
        Some("boolean") => Format::Boolean,
        Some("filepath" | "file_path") => Format::Path,
        Some(_) => {
            let place = input.at("format");
            problems.push(format!(
                "{place}: it is string, number, boolean or filepath"
            ));
            Format::Text
        }
    };
    let choices = input.texts("choices", problems);
    let default = input.text("default", problems).map(str::to_owned);
    if let Some(default) = &default
        && !choices.is_empty()
        && !choices.contains(default)
    {
        let place = input.at("default");
        problems.push(format!("{place}: it is none of the choices"));
    }
    let free = choices.is_empty() && format == Format::Text;
    Setting {
        description: input
            .text("description", problems)
            .unwrap_or_default()
            .to_owned(),
        required: input.flag("isRequired", problems),
        // A file may keep silent about a secret, or lie.
        secret: input.flag("isSecret", problems) || (free && secrets::by_name(name)),
        format,
        default,
        choices,
        placeholder: input.text("placeholder", problems).map(str::to_owned),
        given: None,
    }
}

fn same(one: &Setting, other: &Setting) -> bool {
    one.description == other.description
        && one.default == other.default
        && one.format == other.format
        && one.choices == other.choices
}
