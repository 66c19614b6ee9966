//! Texts of a manifest with what stands in them for something else: `${__dirname}/x`, `${user_config.key}`, `${HOME}`.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use mcpt_source::Text;
use serde_json::Value;

/// What a setting begins with.
const SETTING: &str = "user_config.";
/// Folders below the user's home that have names of their own.
const BELOW_HOME: [(&str, &str); 4] = [
    ("HOME", ""),
    ("DESKTOP", "Desktop"),
    ("DOCUMENTS", "Documents"),
    ("DOWNLOADS", "Downloads"),
];

/// What there is for them.
pub(super) struct Texts<'a> {
    /// The folder of the bundle.
    pub(super) folder: &'a Path,
    /// The user's.
    pub(super) home: Option<&'a Path>,
    /// The values of settings that may have several.
    pub(super) several: &'a BTreeMap<String, Vec<String>>,
}

impl Texts<'_> {
    /// A text in which settings are left to be filled.
    pub(super) fn text(&self, text: &str) -> Text {
        pieces(text).fold(Text::default(), |whole, piece| match piece {
            Piece::Plain(text) => whole.and_plain(text),
            Piece::Named("__dirname") => whole.and_plain(self.folder.display().to_string()),
            Piece::Named("pathSeparator" | "/") => whole.and_plain("/"),
            Piece::Named(name) => match (name.strip_prefix(SETTING), self.below_home(name)) {
                (Some(setting), _) => whole.and_setting(setting),
                (None, Some(folder)) => whole.and_plain(folder),
                // What means nothing stays as it is, as with other clients.
                (None, None) => whole.and_plain(format!("${{{name}}}")),
            },
        })
    }

    /// An argument; as many of them as a setting with several values has.
    pub(super) fn several(&self, text: &str) -> Vec<Text> {
        let mut names = settings(text);
        if let Some(name) = names.next()
            && let Some(values) = self.several.get(name)
        {
            let named = format!("${{{SETTING}{name}}}");
            let each = values.iter().map(|value| {
                // What a user gives is no text with names in it.
                let (before, after) = text.split_once(&named).unwrap_or((text, ""));
                let before = self.text(before).and_plain(value.as_str());
                let after = self.text(after);
                after.parts().iter().fold(before, |whole, part| match part {
                    mcpt_source::Part::Plain(text) => whole.and_plain(text.as_str()),
                    mcpt_source::Part::Setting(name) => whole.and_setting(name.as_str()),
                })
            });
            return each.collect();
        }
        vec![self.text(text)]
    }

    fn below_home(&self, name: &str) -> Option<String> {
        below_home(name, self.home)
    }
}

fn below_home(name: &str, home: Option<&Path>) -> Option<String> {
    let (_, folder) = BELOW_HOME.into_iter().find(|(known, _)| *known == name)?;
    let folder = home?.join(folder).display().to_string();
    Some(folder.trim_end_matches('/').to_owned())
}

/// The default of a setting, as texts.
pub(super) fn defaults(value: &Value, home: Option<&Path>) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(|item| defaults(item, home)).collect(),
        Value::String(text) => {
            let whole = pieces(text).map(|piece| match piece {
                Piece::Plain(text) => text.to_owned(),
                Piece::Named(name) => {
                    below_home(name, home).unwrap_or_else(|| format!("${{{name}}}"))
                }
            });
            vec![whole.collect()]
        }
        other => vec![other.to_string()],
    }
}

/// The names of settings in a text.
pub(super) fn settings(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Named(name) => name.strip_prefix(SETTING),
        Piece::Plain(_) => None,
    })
}

/// Whether a path of a manifest stays in its bundle.
pub(super) fn is_inside(path: &str) -> bool {
    !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

enum Piece<'a> {
    Plain(&'a str),
    Named(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(after) = rest.strip_prefix("${")
            && let Some((name, more)) = after.split_once('}')
        {
            rest = more;
            return Some(Piece::Named(name));
        }
        // What is no name is text up to the next one that may be.
        let begin = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
        let end = rest
            .get(begin..)
            .and_then(|later| later.find("${"))
            .map_or(rest.len(), |at| at + begin);
        let (plain, more) = rest.split_at(end);
        rest = more;
        Some(Piece::Plain(plain))
    })
}
