//! [`Recipe`]: all that is known of one server before anything of it is fetched or run.

use indexmap::IndexMap;
use mcpt_core::Secret;

use crate::{Missing, Source, Text};

/// What to run, and with what.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What it is called where it was found.
    pub name: Option<String>,
    /// What runs.
    pub source: Source,
    /// How the server speaks.
    pub transport: Transport,
    /// Program that runs instead of the image's own, for an image.
    pub entrypoint: Option<String>,
    /// Arguments of the server.
    pub args: Vec<Text>,
    /// Environment variables of the server.
    pub env: IndexMap<String, Text>,
    /// What can be set, by name: all that texts of this recipe name.
    pub settings: IndexMap<String, Setting>,
    /// Folders of this machine that the server works on.
    pub folders: Vec<SharedFolder>,
    /// What was left out, and other things that people should know.
    pub notes: Vec<Note>,
}

impl Recipe {
    /// Of a source alone, which speaks over its standard input and output unless it is a remote server.
    pub fn new(source: Source) -> Self {
        let transport = match &source {
            Source::Remote(_) => Transport::Remote,
            _ => Transport::Stdio,
        };
        Self {
            name: None,
            source,
            transport,
            entrypoint: None,
            args: Vec::new(),
            env: IndexMap::new(),
            settings: IndexMap::new(),
            folders: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The arguments with the values of settings, of which `value` knows those that were given. A default stands for one that was
    /// not; a text with an optional setting that has neither is left out.
    ///
    /// # Errors
    /// [`Missing`] for a setting that must be given.
    pub fn words<'v>(
        &'v self,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Vec<String>, Missing> {
        let filled = self.args.iter().map(|text| self.filled(text, &value));
        filled.filter_map(Result::transpose).collect()
    }

    /// The variables with the values of settings, as [`Recipe::words`] has them.
    ///
    /// # Errors
    /// [`Missing`] for a setting that must be given.
    pub fn variables<'v>(
        &'v self,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Vec<(String, String)>, Missing> {
        let mut variables = Vec::new();
        for (name, text) in &self.env {
            if let Some(filled) = self.filled(text, &value)? {
                variables.push((name.clone(), filled));
            }
        }
        Ok(variables)
    }

    fn filled<'v>(
        &'v self,
        text: &Text,
        value: &impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Option<String>, Missing> {
        let found = |name: &str| {
            let setting = self.settings.get(name);
            let given = || setting?.given.as_ref().map(Secret::expose);
            let default = || setting?.default.as_deref();
            value(name).or_else(given).or_else(default)
        };
        match text.fill(found) {
            Ok(filled) => Ok(Some(filled)),
            Err(Missing(name))
                if self
                    .settings
                    .get(&name)
                    .is_some_and(|setting| !setting.required) =>
            {
                Ok(None)
            }
            Err(missing) => Err(missing),
        }
    }

    /// All its texts: arguments, values of variables, and what is in the source and of the folders.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let remote = match &self.source {
            Source::Remote(remote) => Some(remote),
            _ => None,
        };
        let own = match &self.transport {
            Transport::Http { url } => Some(url),
            Transport::Stdio | Transport::Remote => None,
        };
        let headers = remote
            .into_iter()
            .flat_map(|remote| remote.headers.values());
        let url = remote.into_iter().map(|remote| &remote.url);
        let folders = self.folders.iter().map(|folder| &folder.host);
        self.args
            .iter()
            .chain(self.env.values())
            .chain(url)
            .chain(headers)
            .chain(own)
            .chain(folders)
    }
}

/// How a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Over its standard input and output.
    Stdio,
    /// Over HTTP at an address of its own once it runs, `http://localhost:{port}/mcp`.
    Http {
        /// The address as its author says it.
        url: Text,
    },
    /// It runs elsewhere: [`Source::Remote`] says where.
    Remote,
}

/// Something that can be set.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// What it is for; empty when nobody says.
    pub description: String,
    /// Whether the server does nothing without it.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// What its values look like.
    pub format: Format,
    /// Value when none is given.
    pub default: Option<String>,
    /// Values that are allowed; any when there are none.
    pub choices: Vec<String>,
    /// Example of a value, which is not one.
    pub placeholder: Option<String>,
    /// The value that was found where the recipe was read.
    pub given: Option<Secret>,
}

/// What values of a setting look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The path of a file or folder.
    Path,
}

/// A folder or file of this machine, and where the server finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFolder {
    /// On this machine.
    pub host: Text,
    /// In the container.
    pub container: String,
    /// Whether the server may not write there.
    pub read_only: bool,
}

/// Something that people should know of a recipe. It never contains a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(pub String);
