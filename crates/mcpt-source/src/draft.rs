//! [`Draft`]: a recipe while it is being made out of words that people wrote. What stands for a value becomes a setting, and what
//! is a secret is lifted out into one.

use indexmap::IndexMap;
use mcpt_core::Secret;

use crate::{
    Format, InvalidSource, Note, Recipe, Remote, Setting, SharedFolder, Source, Text, Transport,
    placeholder::{self, Piece},
    secrets,
};

/// A recipe without its source.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: Option<String>,
    pub(crate) entrypoint: Option<String>,
    pub(crate) transport: Option<Transport>,
    pub(crate) folders: Vec<SharedFolder>,
    /// Variables of the command that was written, which only some runners hand on.
    pub(crate) outer: Vec<(String, Text)>,
    args: Vec<Text>,
    env: IndexMap<String, Text>,
    settings: IndexMap<String, Setting>,
    notes: Vec<Note>,
    /// Whether variables of the command stand for what they are.
    expanding: bool,
    /// Whether words stand for nothing else: no placeholder is looked for.
    verbatim: bool,
    /// Name of the option before the next argument, if it may be that argument's.
    option: Option<String>,
}

impl Draft {
    /// The recipe for a source.
    pub(crate) fn end(self, source: Source) -> Recipe {
        let whole = Recipe::new(source);
        // `$NAME` stands for one.
        let name = self.name.filter(|name| !name.starts_with(['$', '<', '{']));
        let mut recipe = Recipe {
            name,
            transport: self.transport.unwrap_or_else(|| whole.transport.clone()),
            entrypoint: self.entrypoint,
            args: self.args,
            env: self.env,
            folders: self.folders,
            notes: self.notes,
            ..whole
        };
        let mut settings = self.settings;
        // Values that were left on the way with something that is not run are nobody's.
        let used: Vec<String> = recipe
            .texts()
            .flat_map(Text::settings)
            .map(str::to_owned)
            .collect();
        settings.retain(|name, _| used.contains(name));
        recipe.settings = settings;
        recipe
    }

    /// Something that people should know; never with a value.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let note = Note(text.into());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// An argument of the server.
    pub(crate) fn arg(&mut self, raw: &str) {
        let before = self.option.take();
        let text = match raw.split_once('=') {
            Some((option, value)) if is_option(option) || is_variable(option) => {
                let value = self.text(value, Some(option));
                joined(Text::plain(format!("{option}=")), &value)
            }
            _ if is_option(raw) => {
                self.option = Some(raw.to_owned());
                Text::plain(raw)
            }
            _ => self.text(raw, before.as_deref()),
        };
        self.args.push(text);
    }

    /// Arguments of the server.
    pub(crate) fn args(&mut self, words: impl IntoIterator<Item = String>) {
        for word in words {
            self.arg(&word);
        }
        self.option = None;
    }

    /// A variable of the command that was written.
    pub(crate) fn outer(&mut self, name: &str, raw: &str) {
        let name = name.trim();
        let text = self.text(raw, Some(name));
        self.outer.retain(|(known, _)| known != name);
        self.outer.push((name.to_owned(), text));
    }

    /// A variable of the server with its value.
    pub(crate) fn env(&mut self, name: &str, raw: &str) {
        let name = name.trim();
        let text = self.text(raw, Some(name));
        self.env.insert(name.to_owned(), text);
    }

    /// A variable of the server that has the value which it has around the command.
    pub(crate) fn passed(&mut self, name: &str) {
        let name = name.trim();
        let text = match self.known(name) {
            Some(text) => text.clone(),
            None => self.setting(name, None),
        };
        self.env.insert(name.to_owned(), text);
    }

    /// A header's value, in which variables of the command stand for what they are: only the command knew them.
    pub(crate) fn expanded(&mut self, raw: &str, name: &str) -> Text {
        self.expanding = true;
        let text = self.text(raw, Some(name));
        self.expanding = false;
        text
    }

    /// The address of a server.
    ///
    /// # Errors
    /// [`InvalidSource`] when it is none.
    pub(crate) fn address(&mut self, raw: &str) -> Result<Remote, InvalidSource> {
        let parsed = url::Url::parse(raw);
        if parsed.is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
            // It says why not.
            raw.parse::<Remote>()?;
        }
        self.expanding = true;
        let text = self.text(raw, None);
        self.expanding = false;
        Remote::new(text)
    }

    /// The names of variables of the command that the server is not given.
    pub(crate) fn unpassed(&self) -> Vec<&str> {
        let names = self.outer.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !self.env.contains_key(*name)).collect()
    }

    /// All variables of the command are the server's.
    pub(crate) fn pass_all(&mut self) {
        for (name, text) in std::mem::take(&mut self.outer) {
            self.env.entry(name).or_insert(text);
        }
    }

    /// A text whose value may be a secret by that name.
    pub(crate) fn text(&mut self, raw: &str, name: Option<&str>) -> Text {
        if self.verbatim {
            return self.literal(raw, name);
        }
        let pieces = placeholder::pieces(raw);
        if let [Piece::Plain(_)] | [] = pieces.as_slice() {
            return self.literal(raw, name);
        }
        let alone = pieces.len() == 1;
        let secret = name.is_some_and(secrets::by_name);
        let mut text = Text::default();
        for piece in pieces {
            text = match piece {
                Piece::Plain(plain) => {
                    let plain = self.literal(&plain, None);
                    joined(text, &plain)
                }
                Piece::Variable { name, .. } if self.expanding && self.known(&name).is_some() => {
                    let known = self.known(&name).cloned().unwrap_or_default();
                    joined(text, &known)
                }
                Piece::Variable { name, default } => {
                    let setting = self.setting(&name, default);
                    if secret && let Some(known) = setting.settings().next() {
                        self.make_secret(known);
                    }
                    joined(text, &setting)
                }
                Piece::Blank(words) => {
                    let called = match name {
                        Some(name) if alone || words.is_empty() => name,
                        _ if words.is_empty() => "value",
                        _ => &words,
                    };
                    let setting = self.setting(called, None);
                    if let Some(known) = setting.settings().next() {
                        if secret {
                            self.make_secret(known);
                        }
                        let known = known.to_owned();
                        if let Some(setting) = self.settings.get_mut(&known) {
                            setting.placeholder = Some(shortened(raw));
                        }
                    }
                    joined(text, &setting)
                }
            };
        }
        text
    }

    /// A variable of the command.
    fn known(&self, name: &str) -> Option<&Text> {
        let outer = self.outer.iter().find(|(known, _)| known == name);
        outer.map(|(_, text)| text)
    }

    /// A value as it stands; one that is secret becomes a setting that has it.
    fn literal(&mut self, raw: &str, name: Option<&str>) -> Text {
        if raw.is_empty() {
            return Text::default();
        }
        for scheme in ["Bearer ", "bearer ", "Basic ", "Token ", "token "] {
            if let Some(value) = raw.strip_prefix(scheme)
                && !value.trim().is_empty()
            {
                let value = self.lifted(value, name.unwrap_or("token"));
                return joined(Text::plain(scheme), &value);
            }
        }
        // A header: `Authorization: Bearer …`.
        if let Some((header, value)) = raw.split_once(':')
            && header
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && secrets::by_name(header)
            && !value.trim().is_empty()
        {
            let start = raw.len() - value.trim_start().len();
            let value = self.literal(value.trim_start(), Some(header));
            return joined(Text::plain(raw.get(..start).unwrap_or_default()), &value);
        }
        if let Some(text) = self.query(raw) {
            return text;
        }
        let plain = matches!(raw, "true" | "false" | "0" | "1" | "none" | "null");
        let secret = !plain && (name.is_some_and(secrets::by_name) || secrets::by_value(raw));
        if secret {
            return self.lifted(raw, name.unwrap_or("secret"));
        }
        Text::plain(raw)
    }

    /// An address of the web with secrets in its query.
    fn query(&mut self, raw: &str) -> Option<Text> {
        if !raw.starts_with("http://") && !raw.starts_with("https://") {
            return None;
        }
        let (before, query) = raw.split_once('?')?;
        if secrets::by_value(before) {
            return None;
        }
        let mut text = Text::plain(format!("{before}?"));
        for (at, pair) in query.split('&').enumerate() {
            if at > 0 {
                text = text.and_plain("&");
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !value.is_empty() && (secrets::by_name(name) || secrets::by_value(value)) {
                let lifted = self.lifted(value, name);
                text = joined(text.and_plain(format!("{name}=")), &lifted);
            } else {
                text = text.and_plain(pair);
            }
        }
        Some(text)
    }

    /// A setting that has this value.
    fn lifted(&mut self, value: &str, name: &str) -> Text {
        let same = self.settings.iter().find(|(_, setting)| {
            setting
                .given
                .as_ref()
                .is_some_and(|given| given.expose() == value)
        });
        if let Some((known, _)) = same {
            return Text::setting(known);
        }
        let mut name = setting_name(name);
        while self.settings.contains_key(&name) {
            name.push_str("_2");
        }
        self.settings.insert(
            name.clone(),
            Setting {
                required: true,
                secret: true,
                given: Some(Secret::new(value)),
                ..Setting::default()
            },
        );
        Text::setting(name)
    }

    /// A setting that is to be given.
    fn setting(&mut self, name: &str, default: Option<String>) -> Text {
        let secret = secrets::by_name(name);
        let mut name = setting_name(name);
        let is_other = |known: &Setting| {
            let given = known.given.as_ref().map(Secret::expose);
            given.is_some() && given != default.as_deref()
        };
        while self.settings.get(&name).is_some_and(is_other) {
            name.push_str("_2");
        }
        let setting = self
            .settings
            .entry(name.clone())
            .or_insert_with(|| Setting {
                required: true,
                secret,
                format: if is_path_name(&name) {
                    Format::Path
                } else {
                    Format::Text
                },
                ..Setting::default()
            });
        if let Some(default) = default {
            setting.required = false;
            setting.default = Some(default);
        }
        // What a secret is when nobody says is one as well, whatever it is called.
        let of_value = |default: &String| secrets::by_value(default);
        if setting.secret || setting.default.as_ref().is_some_and(of_value) {
            self.make_secret(&name);
        }
        Text::setting(name)
    }

    fn make_secret(&mut self, name: &str) {
        let Some(setting) = self.settings.get_mut(name) else {
            return;
        };
        setting.secret = true;
        // Its default is lifted out as if it had been written, unless it only says that something is to be filled in.
        if let Some(default) = setting.default.take_if(|default| !default.is_empty()) {
            setting.required = true;
            if !placeholder::is_blank(&default) {
                setting.given = Some(Secret::new(default));
            }
        }
    }
}

impl Recipe {
    /// Adds arguments behind its own, as they stand. What is a secret by its looks, or by the option that it is the value of, becomes
    /// a setting that has it.
    pub fn add_arguments(&mut self, words: impl IntoIterator<Item = String>) {
        let mut draft = Draft {
            settings: std::mem::take(&mut self.settings),
            verbatim: true,
            ..Draft::default()
        };
        draft.args(words);
        self.settings = draft.settings;
        self.args.extend(draft.args);
    }
}

/// A text behind another one.
pub(crate) fn joined(mut text: Text, more: &Text) -> Text {
    for part in more.parts() {
        text = match part {
            crate::Part::Plain(plain) => text.and_plain(plain),
            crate::Part::Setting(name) => text.and_setting(name),
        };
    }
    text
}

/// A name that settings can have, in the letters that it was written in: `--api-key` is `api_key`.
pub(crate) fn setting_name(name: &str) -> String {
    let mut made = String::new();
    for c in name.trim_start_matches('-').chars() {
        if c.is_ascii_alphanumeric() {
            made.push(c);
        } else if !made.ends_with('_') && !made.is_empty() {
            made.push('_');
        }
    }
    let made = made.trim_end_matches('_');
    match made.chars().next() {
        None => "value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{made}"),
        Some(_) => made.to_owned(),
    }
}

fn is_option(word: &str) -> bool {
    word.len() > 1
        && word.starts_with('-')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_variable(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_path_name(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(
        name.as_str(),
        "home"
            | "pwd"
            | "appdata"
            | "userprofile"
            | "workspacefolder"
            | "userhome"
            | "allowed_files"
    ) || ["_path", "_dir", "_folder", "_directory", "_file"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// As much of a placeholder as can be shown.
fn shortened(raw: &str) -> String {
    raw.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(made: impl FnOnce(&mut Draft)) -> Vec<(String, bool, Option<String>, bool)> {
        let mut draft = Draft::default();
        made(&mut draft);
        let each = draft.settings.into_iter().map(|(name, setting)| {
            let given = setting.given.is_some();
            (name, setting.secret, setting.default, given)
        });
        each.collect()
    }

    #[test]
    fn a_default_that_is_a_secret_is_lifted_out() {
        let of = |name: &str, raw: &str| settings(|draft| draft.env(name, raw));
        let shown = |default: &str| Some(default.to_owned());
        for (name, raw, setting, secret, default, given) in [
            (
                "LEVEL",
                "${LEVEL:-info}",
                "LEVEL",
                false,
                shown("info"),
                false,
            ),
            // By the name of the variable, by that of what it is for, by what it looks like.
            ("X", "${API_TOKEN:-hunter2}", "API_TOKEN", true, None, true),
            ("API_TOKEN", "${VALUE:-hunter2}", "VALUE", true, None, true),
            (
                "X",
                "${VALUE:-ghp_16C7e42F292c6912E7710c838347}",
                "VALUE",
                true,
                None,
                true,
            ),
            ("API_TOKEN", "${VALUE:-}", "VALUE", true, shown(""), false),
            (
                "API_TOKEN",
                "${VALUE:-your_token_here}",
                "VALUE",
                true,
                None,
                false,
            ),
        ] {
            let expected = (setting.to_owned(), secret, default, given);
            assert_eq!(of(name, raw), [expected], "{name}={raw}");
        }
    }

    #[test]
    fn the_same_variable_is_one_setting() {
        let found = settings(|draft| {
            draft.env("A", "${API_TOKEN:-hunter2}");
            draft.env("B", "${API_TOKEN:-hunter2}");
            draft.env("C", "${API_TOKEN:-hunter3}");
        });
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["API_TOKEN", "API_TOKEN_2"]);
    }

    #[test]
    fn arguments_that_are_added_stand_as_they_are_but_for_secrets() {
        let mut recipe = Recipe::new("npm:x".parse().unwrap());
        let known = Setting {
            required: true,
            ..Setting::default()
        };
        recipe.settings.insert("token".to_owned(), known);
        let words = [
            "--url={a}$B<c>",
            "--token",
            "s3cr3t",
            "--header=Authorization: Bearer abc",
            "plain",
        ];
        recipe.add_arguments(words.map(str::to_owned));
        let shown: Vec<String> = recipe.args.iter().map(Text::to_string).collect();
        assert_eq!(
            shown,
            [
                "--url={a}$B<c>",
                "--token",
                "{token_2}",
                "--header=Authorization: Bearer {Authorization}",
                "plain"
            ]
        );
        assert!(recipe.args[0].as_plain().is_some());
        let given = |name: &str| recipe.settings[name].given.as_ref().map(Secret::expose);
        assert_eq!(given("token_2"), Some("s3cr3t"));
        assert_eq!(given("Authorization"), Some("abc"));
        assert_eq!(given("token"), None);
    }
}
