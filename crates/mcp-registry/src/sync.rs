//! [`fn@crate::sync`]: makes the copy of a registry, or brings one up to date.
//!
//! What the registry says goes to a file as it comes, and only where each version stands is kept in memory: a registry of any
//! size is copied in little of it. The new copy takes the place of the old one when it is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufWriter, Read as _, Seek as _, SeekFrom, Write},
    path::Path,
};

use jiff::Timestamp;

use crate::{
    Client, Entry, Error, Header, LocalCopy, Record, Status, Unusable,
    local_copy::FORM,
    order::{self, Candidate},
};

/// The most versions of a registry.
const MOST_VERSIONS: usize = 500_000;

/// The most bytes of all documents.
const MOST_BYTES: u64 = 2 << 30;

/// How many documents that were left out are named.
const NAMED: usize = 20;

/// What a copy was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Synced {
    /// What the new copy says of itself.
    pub header: Header,
    /// How many versions the registry told of this time.
    pub told: usize,
    /// Whether it told of all, and not only of what had changed.
    pub all: bool,
    /// What was left out.
    pub skipped: Skipped,
}

/// Documents that were left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skipped {
    /// How many.
    pub number: usize,
    /// The first of them.
    pub first: Vec<Unusable>,
}

/// Where a document stands in the file of what came.
#[derive(Debug, Clone, Copy)]
struct At {
    offset: u64,
    length: usize,
}

/// Name and version.
type Key = (String, String);

/// What came.
struct Arrived {
    file: BufWriter<fs::File>,
    end: u64,
    entries: BTreeMap<Key, (Entry, At)>,
    skipped: Skipped,
    told: usize,
}

/// Asks a registry for all that it has, or for what has changed since the copy at `path` was made, and writes the copy anew.
/// `told` hears how many versions have come so far; `now` is the time of this.
///
/// # Errors
/// When the registry or the files fail. The old copy is as before then.
pub fn sync(
    client: &Client,
    path: &Path,
    all: bool,
    now: Timestamp,
    told: &mut dyn FnMut(usize),
) -> Result<Synced, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let old =
        LocalCopy::open(path)?.filter(|copy| !all && copy.header().url == client.url().as_str());
    let since = old.as_ref().and_then(|copy| copy.header().newest);
    // What is not told since when it changed is told whole.
    let old = old.filter(|_| since.is_some());
    let arrived = fetch(client, folder, since, told)?;
    let (told, skipped) = (arrived.told, arrived.skipped.clone());
    let all = old.is_none();
    let header = write(client, path, old, arrived, since, now)?;
    Ok(Synced {
        header,
        told,
        all,
        skipped,
    })
}

/// Gets all pages.
fn fetch(
    client: &Client,
    folder: &Path,
    since: Option<Timestamp>,
    told: &mut dyn FnMut(usize),
) -> Result<Arrived, Error> {
    let file = tempfile::tempfile_in(folder).map_err(Error::file(folder))?;
    let mut arrived = Arrived {
        file: BufWriter::new(file),
        end: 0,
        entries: BTreeMap::new(),
        skipped: Skipped::default(),
        told: 0,
    };
    let wrong = |reason: &str| Error::Answer {
        registry: client.url().to_string(),
        reason: reason.to_owned(),
    };
    let mut cursor: Option<String> = None;
    let mut seen = BTreeSet::new();
    loop {
        let page = client.page(since, cursor.as_deref())?;
        let empty = page.records.is_empty();
        for record in page.records {
            arrived.told += 1;
            match record {
                Ok(record) => arrived.add(&record).map_err(Error::file(folder))?,
                Err(unusable) => arrived.skipped.add(unusable),
            }
        }
        if arrived.told > MOST_VERSIONS || arrived.end > MOST_BYTES {
            return Err(wrong("it has more than a registry can have"));
        }
        told(arrived.told);
        match page.next {
            None => return Ok(arrived),
            Some(_) if empty => return Err(wrong("a page with nothing on it has one behind it")),
            Some(next) => {
                if !seen.insert(next.clone()) {
                    return Err(wrong("its pages come again and again"));
                }
                cursor = Some(next);
            }
        }
    }
}

impl Skipped {
    fn add(&mut self, unusable: Unusable) {
        self.number += 1;
        if self.first.len() < NAMED {
            self.first.push(unusable);
        }
    }
}

impl Arrived {
    fn add(&mut self, record: &Record) -> std::io::Result<()> {
        let document = serde_json::to_vec(&record.document)?;
        self.file.write_all(&document)?;
        let at = At {
            offset: self.end,
            length: document.len(),
        };
        self.end += document.len() as u64;
        let key = (record.name.clone(), record.version.clone());
        self.entries.insert(key, (Entry::of(record), at));
        Ok(())
    }
}

/// A version on its way into the new copy, and where its document is.
struct Row {
    entry: Entry,
    document: Document,
}

enum Document {
    Kept(Vec<u8>),
    Arrived(At),
}

/// Writes old and new together, by name and version, and puts the file into its place.
fn write(
    client: &Client,
    path: &Path,
    old: Option<LocalCopy>,
    arrived: Arrived,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Header, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let io = || Error::file(path);
    let Arrived { file, entries, .. } = arrived;
    let mut documents = file
        .into_inner()
        .map_err(|error| Error::file(folder)(error.into_error()))?;
    let body = tempfile::tempfile_in(folder).map_err(Error::file(folder))?;
    let mut body = BufWriter::new(body);
    let newest = entries
        .values()
        .filter_map(|(entry, _)| entry.updated)
        // Of a time that has yet to come no later change would ever be told.
        .filter(|updated| *updated <= now)
        .max();
    let mut header = Header {
        form: FORM,
        url: client.url().to_string(),
        synced: now,
        newest: newest.max(since),
        versions: 0,
        servers: 0,
    };
    let mut rows = Rows {
        old,
        waiting: None,
        new: entries.into_iter(),
        next: None,
    };
    let mut server: Vec<Row> = Vec::new();
    loop {
        let row = rows.next()?;
        let is_same = row.as_ref().is_some_and(|row| {
            server
                .first()
                .is_none_or(|first| first.entry.name == row.entry.name)
        });
        if !is_same {
            flush(&mut server, &mut header, &mut documents, &mut body).map_err(io())?;
        }
        match row {
            Some(row) => server.push(row),
            None => break,
        }
    }
    let mut body = body
        .into_inner()
        .map_err(|error| Error::file(folder)(error.into_error()))?;
    let mut whole = tempfile::NamedTempFile::new_in(folder).map_err(Error::file(folder))?;
    let written = (|| {
        serde_json::to_writer(&mut whole, &header)?;
        whole.write_all(b"\n")?;
        body.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut body, &mut whole)?;
        whole.as_file().sync_all()
    })();
    written.map_err(io())?;
    whole
        .persist(path)
        .map_err(|error| Error::file(path)(error.error))?;
    Ok(header)
}

/// Writes all versions of one server, and marks the latest of them.
fn flush(
    server: &mut Vec<Row>,
    header: &mut Header,
    documents: &mut fs::File,
    body: &mut impl Write,
) -> std::io::Result<()> {
    let candidates: Vec<_> = server
        .iter()
        .map(|row| Candidate {
            version: &row.entry.version,
            status: row.entry.status,
            published: row.entry.published,
            told: row.entry.latest,
        })
        .collect();
    let latest = order::latest(&candidates);
    if server.iter().any(|row| row.entry.status != Status::Deleted) {
        header.servers += 1;
    }
    for (index, mut row) in server.drain(..).enumerate() {
        header.versions += 1;
        row.entry.latest = latest == Some(index);
        serde_json::to_writer(&mut *body, &row.entry)?;
        body.write_all(b"\t")?;
        match row.document {
            Document::Kept(text) => body.write_all(&text)?,
            Document::Arrived(at) => {
                documents.seek(SeekFrom::Start(at.offset))?;
                let mut text = vec![0; at.length];
                documents.read_exact(&mut text)?;
                body.write_all(&text)?;
            }
        }
        body.write_all(b"\n")?;
    }
    Ok(())
}

/// The versions of the old copy and those that came, by name and version; what came stands for what was there.
struct Rows<I> {
    old: Option<LocalCopy>,
    waiting: Option<Row>,
    new: I,
    next: Option<(Key, (Entry, At))>,
}

impl<I: Iterator<Item = (Key, (Entry, At))>> Rows<I> {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.waiting.is_none()
            && let Some(old) = &mut self.old
            && let Some(entry) = old.entry()?
        {
            let document = Document::Kept(old.document_text()?.to_owned());
            self.waiting = Some(Row { entry, document });
        }
        if self.next.is_none() {
            self.next = self.new.next();
        }
        let order = match (&self.waiting, &self.next) {
            (None, None) => return Ok(None),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(row), Some(((name, version), _))) => {
                (&row.entry.name, &row.entry.version).cmp(&(name, version))
            }
        };
        if order.is_eq() {
            self.waiting = None;
        }
        if order.is_lt() {
            return Ok(self.waiting.take());
        }
        Ok(self.next.take().map(|(_, (entry, at))| Row {
            entry,
            document: Document::Arrived(at),
        }))
    }
}
