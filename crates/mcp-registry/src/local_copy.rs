//! [`LocalCopy`]: what a registry had when it was last asked, in one file.
//!
//! A line of JSON about the copy, then a line for each version, by name and version: what lists and searches need, a tab, and the
//! document. JSON on one line has no tab in it, so a search reads no document. A copy is read line by line, and replaced whole.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use mcpt_source::RegistryName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Record, Status, shelf};

/// The form of the file; one of another form is as none.
pub(crate) const FORM: u32 = 1;

/// The most bytes of a line.
const MOST_BYTES: u64 = 1024 * 1024;

/// About a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub(crate) form: u32,
    /// Address of the registry.
    pub url: String,
    /// When it was asked.
    pub synced: Timestamp,
    /// The latest change of which the registry told; `None` when it tells of none.
    pub newest: Option<Timestamp>,
    /// Number of versions, deleted ones among them.
    pub versions: u64,
    /// Number of servers that have a version which is not deleted.
    pub servers: u64,
}

/// One version, without its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the server.
    pub name: String,
    /// The version.
    pub version: String,
    /// Name for people; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it may still be used.
    #[serde(default)]
    pub status: Status,
    /// What the registry says about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// When it was published, if the registry tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// When something of it changed last, if the registry tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Whether it is the latest of the server.
    #[serde(default)]
    pub latest: bool,
}

impl Entry {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            name: record.name.clone(),
            version: record.version.clone(),
            title: record.text("title").to_owned(),
            description: record.text("description").to_owned(),
            status: record.status,
            status_message: record.status_message.clone(),
            published: record.published,
            updated: record.updated,
            latest: record.latest,
        }
    }

    /// With its document.
    #[must_use]
    pub fn with(self, document: Map<String, Value>) -> Record {
        Record {
            name: self.name,
            version: self.version,
            status: self.status,
            status_message: self.status_message,
            published: self.published,
            updated: self.updated,
            latest: self.latest,
            document,
        }
    }
}

/// A copy that is being read, from its beginning to its end.
#[derive(Debug)]
pub struct LocalCopy {
    path: PathBuf,
    header: Header,
    reader: BufReader<File>,
    line: u64,
    /// Where the next line begins.
    offset: u64,
    buffer: Vec<u8>,
}

impl LocalCopy {
    /// Opens a copy; `None` when there is none, or one of another form.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(path)(error)),
        };
        let mut copy = Self {
            path: path.to_owned(),
            header: Header {
                form: 0,
                url: String::new(),
                synced: Timestamp::UNIX_EPOCH,
                newest: None,
                versions: 0,
                servers: 0,
            },
            reader: BufReader::with_capacity(256 * 1024, file),
            line: 0,
            offset: 0,
            buffer: Vec::new(),
        };
        if !copy.advance()? {
            return Ok(None);
        }
        match serde_json::from_slice::<Header>(&copy.buffer) {
            Ok(header) if header.form == FORM => copy.header = header,
            Ok(_) | Err(_) => return Ok(None),
        }
        Ok(Some(copy))
    }

    /// What the copy says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next version, without its document; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn entry(&mut self) -> Result<Option<Entry>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let (entry, _) = self.parts()?;
        let entry = serde_json::from_slice(entry);
        entry
            .map(Some)
            .map_err(|error| self.damaged(&error.to_string()))
    }

    /// The document of the version that was read last.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn document(&self) -> Result<Map<String, Value>, Error> {
        let (_, document) = self.parts()?;
        serde_json::from_slice(document).map_err(|error| self.damaged(&error.to_string()))
    }

    /// The file, for documents that are read later.
    pub(crate) fn file(&self) -> Result<File, Error> {
        let file = self.reader.get_ref().try_clone();
        file.map_err(Error::file(&self.path))
    }

    /// Where in the file the document of the version that was read last begins, and how many bytes it has.
    pub(crate) fn document_place(&self) -> Result<(u64, usize), Error> {
        let length = self.parts()?.1.len();
        // Behind the document stands the end of the line.
        let offset = self.offset.saturating_sub(length as u64 + 1);
        Ok((offset, length))
    }

    /// The document at a place of such a file.
    pub(crate) fn document_at(
        file: &File,
        offset: u64,
        length: usize,
    ) -> Result<Map<String, Value>, Error> {
        let path = || Path::new("the copy of a registry");
        let text = shelf::read_at(file, offset, length).map_err(Error::file(path()))?;
        serde_json::from_slice(&text).map_err(|error| Error::Damaged {
            path: path().to_owned(),
            line: 0,
            reason: error.to_string(),
        })
    }

    /// The document of the version that was read last, as it stands in the file.
    pub(crate) fn document_text(&self) -> Result<&[u8], Error> {
        Ok(self.parts()?.1)
    }

    /// A server in the version that is named, else in its latest; `None` when the copy does not have it.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn find(mut self, name: &RegistryName) -> Result<Option<Record>, Error> {
        while let Some(entry) = self.entry()? {
            let is_it = entry.name == name.name()
                && name
                    .version()
                    .map_or(entry.latest, |version| version == entry.version);
            if is_it {
                return Ok(Some(entry.with(self.document()?)));
            }
            if entry.name.as_str() > name.name() {
                break;
            }
        }
        Ok(None)
    }

    /// All versions of a server, as they stand in the file.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn versions(mut self, name: &str) -> Result<Vec<Entry>, Error> {
        let mut versions = Vec::new();
        while let Some(entry) = self.entry()? {
            match entry.name.as_str().cmp(name) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => versions.push(entry),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(versions)
    }

    /// Reads a line, without its end; whether there was one.
    fn advance(&mut self) -> Result<bool, Error> {
        self.buffer.clear();
        self.line += 1;
        let read = self
            .reader
            .by_ref()
            .take(MOST_BYTES)
            .read_until(b'\n', &mut self.buffer)
            .map_err(Error::file(&self.path))?;
        if read == 0 {
            return Ok(false);
        }
        self.offset += read as u64;
        if self.buffer.pop() != Some(b'\n') {
            return Err(self.damaged("it has no end"));
        }
        Ok(true)
    }

    fn parts(&self) -> Result<(&[u8], &[u8]), Error> {
        let tab = self.buffer.iter().position(|byte| *byte == b'\t');
        let parts =
            tab.and_then(|tab| Some((self.buffer.get(..tab)?, self.buffer.get(tab + 1..)?)));
        parts.ok_or_else(|| self.damaged("it has no document"))
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            line: self.line,
            reason: reason.to_owned(),
        }
    }
}
