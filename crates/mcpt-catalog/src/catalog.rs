//! Where templates come from: built into the binary, or folders of the user.
//!
//! `mcpt template` shows these. The servers of registries by MCP's official API, which `mcpt catalog` shows, are those of the
//! crate `mcp-registry`; a file of servers to deploy, `mcpt registry`, is [`crate::Registry`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use confined::{Folder, Kind};
use include_dir::{Dir, include_dir};
use mcpt_core::{Failure, FailureKind, InvalidId, TemplateId, near};

use crate::{document::FormatError, template::Template};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates");
const FILE: &str = "template.json";

/// The most bytes of a template.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The most names in a folder of templates.
const MOST_NAMES: usize = 10_000;

/// All templates that can be named.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    folders: Vec<PathBuf>,
}

/// Where a template comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of the binary.
    BuiltIn,
    /// A folder of the user.
    Folder(PathBuf),
}

/// One template of a list, readable or not.
#[derive(Debug)]
pub struct Entry {
    /// Its id.
    pub id: TemplateId,
    /// Where it comes from.
    pub origin: Origin,
    /// The template, or what is wrong with it.
    pub template: Result<Template, CatalogError>,
}

/// All templates, as far as their folders can be read.
#[derive(Debug)]
pub struct Listing {
    /// The templates by id. One that cannot be read is among them, with the reason.
    pub entries: Vec<Entry>,
    /// Folders of the user that cannot be listed, and why.
    pub unread: Vec<CatalogError>,
}

/// Why a template cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No template of that name.
    #[error("unknown template {name:?}{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// A near match in words, or nothing.
        hint: String,
        /// Folders of the user where it may be, but that cannot be listed.
        unread: Vec<CatalogError>,
    },
    /// The folder's name cannot be a template's id.
    #[error("the folder {} cannot be a template", folder.display())]
    Id {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: InvalidId,
    },
    /// A file or folder cannot be read, or is none of the templates' folder.
    #[error("cannot read {0}")]
    Read(confined::Error),
    /// The template itself is wrong.
    #[error(transparent)]
    Template(#[from] FormatError),
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Template(error) => error.into(),
            CatalogError::Unknown { ref unread, .. } => unread
                .iter()
                .fold(
                    Self::new(FailureKind::Usage, error.to_string()),
                    |failure, folder| failure.caused_by(folder),
                )
                .hint("mcpt template list shows the templates; a folder is given as ./FOLDER"),
            error => Self::new(FailureKind::Usage, "cannot use the template").caused_by(&error),
        }
    }
}

impl Catalog {
    /// The built-in templates and those in the folders, each of which holds one folder per template. Of templates with the
    /// same id the one of the first folder counts; the built-in ones come last.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            folders: folders.into_iter().collect(),
        }
    }

    /// The template of that id, or, for a text with a slash (`./my-template`), the one in that folder or file.
    ///
    /// # Errors
    /// [`CatalogError`] when there is none, with a near match; or when it cannot be read, with all that is wrong with it.
    pub fn get(&self, name: &str) -> Result<Template, CatalogError> {
        if name.contains(['/', std::path::MAIN_SEPARATOR]) || matches!(name, "." | ".." | FILE) {
            return read(Path::new(name));
        }
        let id = TemplateId::new(name);
        for folder in &self.folders {
            if let Ok(id) = &id
                && let Ok(folder) = Folder::open(folder)
                && holds_template(&folder, id)
            {
                return read_beneath(&folder, &Path::new(name).join(FILE), id.clone());
            }
        }
        if let Ok(id) = id
            && let Some(text) = built_in_text(&id)
        {
            return Ok(Template::parse(id, &PathBuf::from(name).join(FILE), text)?);
        }
        let (ids, unread) = self.ids();
        Err(CatalogError::Unknown {
            name: name.to_owned(),
            hint: near::hint(name, ids.keys().map(TemplateId::as_str)),
            unread,
        })
    }

    /// All templates.
    pub fn list(&self) -> Listing {
        let (ids, unread) = self.ids();
        let entries = ids.into_iter().map(|(id, origin)| Entry {
            template: self.get(id.as_str()),
            id,
            origin,
        });
        Listing {
            entries: entries.collect(),
            unread,
        }
    }

    /// The ids of all templates and where they come from, and the folders that cannot be listed.
    fn ids(&self) -> (BTreeMap<TemplateId, Origin>, Vec<CatalogError>) {
        let mut ids: BTreeMap<_, _> = BUILT_IN
            .dirs()
            .filter_map(|dir| dir.path().file_name()?.to_str())
            .filter_map(|name| TemplateId::new(name).ok())
            .map(|id| (id, Origin::BuiltIn))
            .collect();
        let mut unread = Vec::new();
        for folder in self.folders.iter().rev() {
            match templates_in(folder) {
                Ok(found) => ids.extend(
                    found
                        .into_iter()
                        .map(|(id, path)| (id, Origin::Folder(path))),
                ),
                Err(error) => unread.push(CatalogError::Read(error)),
            }
        }
        (ids, unread)
    }
}

/// The templates in a folder of the user, and where they are.
fn templates_in(path: &Path) -> Result<Vec<(TemplateId, PathBuf)>, confined::Error> {
    let folder = Folder::open(path)?;
    let mut found = Vec::new();
    for name in folder.names(Path::new(""), MOST_NAMES)? {
        let id = name.to_str().map(TemplateId::new);
        if let Some(Ok(id)) = id
            && holds_template(&folder, &id)
        {
            found.push((id, path.join(name)));
        }
    }
    Ok(found)
}

/// Whether there is a template of that id, be it one that cannot be used: a link that leads elsewhere is told when it is read.
fn holds_template(folder: &Folder, id: &TemplateId) -> bool {
    match folder.kind(&Path::new(id.as_str()).join(FILE)) {
        Ok(Kind::File(_) | Kind::Special(_)) | Err(confined::Error::LeadsOut { .. }) => true,
        Ok(Kind::Folder(..)) | Err(_) => false,
    }
}

fn built_in_text(id: &TemplateId) -> Option<&'static str> {
    BUILT_IN
        .get_file(Path::new(id.as_str()).join(FILE))?
        .contents_utf8()
}

/// The template in a folder, or in a file that is not necessarily called as usual. The folder's name is its id.
fn read(path: &Path) -> Result<Template, CatalogError> {
    let (folder, file) = if path.is_dir() {
        (path, Path::new(FILE))
    } else {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let file = path.file_name().map_or(path, Path::new);
        (folder.unwrap_or(Path::new(".")), file)
    };
    let opened = Folder::open(folder).map_err(CatalogError::Read)?;
    // `.` and `..` have names too, once they are resolved.
    let resolved = folder.canonicalize().map_err(|source| {
        CatalogError::Read(confined::Error::Io {
            path: folder.to_owned(),
            source,
        })
    })?;
    let name = resolved.file_name().unwrap_or_default().to_string_lossy();
    let id = TemplateId::new(name).map_err(|source| CatalogError::Id {
        folder: folder.to_owned(),
        source,
    });
    // What cannot be read is told before what its name should be.
    match opened.kind(file) {
        Ok(_) => read_beneath(&opened, file, id?),
        Err(error) => Err(CatalogError::Read(error)),
    }
}

fn read_beneath(folder: &Folder, file: &Path, id: TemplateId) -> Result<Template, CatalogError> {
    let path = match folder.path() {
        here if here == Path::new(".") => file.to_owned(),
        folder => folder.join(file),
    };
    let text = folder.read(file, MOST_BYTES).map_err(CatalogError::Read)?;
    let text = String::from_utf8(text).map_err(|error| {
        CatalogError::Read(confined::Error::Io {
            path: path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })
    })?;
    Ok(Template::parse(id, &path, &text)?)
}
