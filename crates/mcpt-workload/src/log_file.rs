//! The log of a server: a file of bounded size per start, and those of the start before.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::own_files;

/// Size at which a file is put aside as `NAME.1`, in bytes.
const MAX_SIZE: u64 = 10 * 1024 * 1024;

/// The file that a server's output goes to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
}

impl LogFile {
    /// Begins the log of a new start at `current`; what was there becomes `previous`.
    ///
    /// # Errors
    /// When a file cannot be moved or made.
    pub fn begin(current: &Path, previous: &Path) -> io::Result<Self> {
        if current.exists() {
            fs::rename(current, previous)?;
            match fs::rename(older(current), older(previous)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Self {
            file: own_files::open_to_append(current)?,
            path: current.to_owned(),
            size: 0,
            max_size: MAX_SIZE,
        })
    }

    /// Adds output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        // Cut at the end of a line, if lines end at all.
        if self.size >= self.max_size && (bytes.ends_with(b"\n") || self.size >= 2 * self.max_size)
        {
            fs::rename(&self.path, older(&self.path))?;
            self.file = own_files::open_to_append(&self.path)?;
            self.size = 0;
        }
        Ok(())
    }

    /// Adds a line of mcpt's own.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.write(format!("[mcpt] {text}\n").as_bytes())
    }
}

/// Where the older part of a log lies.
#[must_use]
pub fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded_and_the_previous_start_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let (current, previous) = (root.path().join("server.log"), root.path().join("previous"));
        let read = |path: &Path| fs::read_to_string(path).unwrap();

        let mut log = LogFile::begin(&current, &previous).unwrap();
        log.max_size = 10;
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&older(&current)), "one\ntwo\nthree\n");
        assert_eq!(read(&current), "four\n");
        log.write(b"no end of line").unwrap();
        log.note("a note").unwrap();
        let whole = "four\nno end of line[mcpt] a note\n";
        assert_eq!(read(&older(&current)), whole);

        let mut next = LogFile::begin(&current, &previous).unwrap();
        next.write(b"again\n").unwrap();
        assert_eq!(read(&current), "again\n");
        assert_eq!(read(&older(&previous)), whole);
        assert!(!older(&current).exists());
    }
}
