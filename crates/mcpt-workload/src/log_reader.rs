//! Reading the log of a server while it is written to, put aside and begun anew.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    log_file::{self, older},
    own_files,
};

/// A place in a log that is written to, put aside and begun anew meanwhile.
#[derive(Debug, Default)]
pub struct LogReader {
    file: Option<(PathBuf, File)>,
    /// The beginning of a line whose end has not been written yet.
    rest: Vec<u8>,
}

impl LogReader {
    /// All lines of a log, its older part first; with `since` those that were written since then, to the second.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_all(&mut self, path: &Path, since: Option<SystemTime>) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for part in [older(path), path.to_owned()] {
            let from = match since {
                Some(time) => log_file::since(&part, time)?,
                None => Some(0),
            };
            lines.extend(self.open(&part, from)?);
        }
        Ok(lines)
    }

    /// The lines that were added since.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub fn read_new(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let mut lines = self.read_on()?;
        if !self.is_at(path) {
            lines.extend(self.rest());
            lines.extend(self.open(path, Some(0))?);
        }
        Ok(lines)
    }

    /// What stands after the last line's end.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| text(&rest))
    }

    /// Opens a part of the log, and reads from there on; `None` is its end.
    fn open(&mut self, path: &Path, from: Option<u64>) -> io::Result<Vec<String>> {
        let mut file = match own_files::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        file.seek(from.map_or(SeekFrom::End(0), SeekFrom::Start))?;
        self.file = Some((path.to_owned(), file));
        self.read_on()
    }

    fn read_on(&mut self) -> io::Result<Vec<String>> {
        let Some((_, file)) = &mut self.file else {
            return Ok(Vec::new());
        };
        file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let whole = whole.strip_suffix(b"\n").unwrap_or(&whole);
        Ok(whole.split(|byte| *byte == b'\n').map(text).collect())
    }

    /// Whether what we read is still the file of that name.
    fn is_at(&self, path: &Path) -> bool {
        let Some((ours, file)) = &self.file else {
            return false;
        };
        let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else {
            return false;
        };
        ours == path && (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    #[test]
    fn a_log_that_moves_is_read_without_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let append = |text: &str| {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        fs::write(older(&path), "zero\n").unwrap();
        append("one\r\ntw");
        let mut reader = LogReader::default();
        assert_eq!(reader.read_all(&path, None).unwrap(), ["zero", "one"]);
        append("o\nthree\n");
        assert_eq!(reader.read_new(&path).unwrap(), ["two", "three"]);
        assert!(reader.read_new(&path).unwrap().is_empty());
        append("four\n");
        fs::rename(&path, older(&path)).unwrap();
        append("five\nsi");
        assert_eq!(reader.read_new(&path).unwrap(), ["four", "five"]);
        assert_eq!(reader.rest().as_deref(), Some("si"));
    }
}
