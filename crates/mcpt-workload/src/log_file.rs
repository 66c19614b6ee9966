//! The log of a server: a file of bounded size per start, and those of the start before. Beside each is a small file that tells
//! when which part of it was written, since servers' lines have no times that could be known.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::own_files;

/// Size at which a file is put aside as `NAME.1`, in bytes.
const MAX_SIZE: u64 = 10 * 1024 * 1024;

/// The file that a server's output goes to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    times: File,
    /// The second of the last entry of the times.
    noted: u64,
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
            move_aside(current, previous)?;
            move_if_there(&older(current), &older(previous))?;
            move_if_there(&times(&older(current)), &times(&older(previous)))?;
        }
        Ok(Self {
            file: own_files::open_to_append(current)?,
            times: own_files::open_to_append(&times(current))?,
            noted: 0,
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
        self.write_at(bytes, SystemTime::now())
    }

    fn write_at(&mut self, bytes: &[u8], time: SystemTime) -> io::Result<()> {
        let second = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        // A clock that is put back is followed: what was written later is later all the same.
        if second > self.noted {
            self.times
                .write_all(format!("{second} {}\n", self.size).as_bytes())?;
            self.noted = second;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        // Cut at the end of a line, if lines end at all.
        if self.size >= self.max_size && (bytes.ends_with(b"\n") || self.size >= 2 * self.max_size)
        {
            move_aside(&self.path, &older(&self.path))?;
            self.file = own_files::open_to_append(&self.path)?;
            self.times = own_files::open_to_append(&times(&self.path))?;
            self.noted = 0;
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

/// Moves a part of a log with its times.
fn move_aside(from: &Path, to: &Path) -> io::Result<()> {
    // The times first: a log without them tells less, times of another log would tell what is wrong.
    move_if_there(&times(from), &times(to))?;
    fs::rename(from, to)
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the older part of a log lies.
#[must_use]
pub fn older(path: &Path) -> PathBuf {
    with(path, ".1")
}

/// Where the times of a part of a log lie: a line for each second in which something was written, `SECOND OFFSET`.
fn times(path: &Path) -> PathBuf {
    with(path, ".times")
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Where in a part of a log that begins which was written since then: an offset in bytes, `None` when all of it is older. A log
/// that has no times, of a version that wrote none, is read as a whole.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn since(path: &Path, time: SystemTime) -> io::Result<Option<u64>> {
    let text = match own_files::read(&times(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(0)),
        text => text?,
    };
    let wanted = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let text = String::from_utf8_lossy(&text);
    let mut entries = text.lines().filter_map(|line| {
        let (second, offset) = line.split_once(' ')?;
        Some((second.parse::<u64>().ok()?, offset.parse::<u64>().ok()?))
    });
    Ok(entries
        .find(|(second, _)| *second >= wanted)
        .map(|(_, offset)| offset))
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

    #[test]
    fn it_is_known_when_each_part_was_written() {
        let root = tempfile::tempdir().unwrap();
        let (current, previous) = (root.path().join("server.log"), root.path().join("previous"));
        let at = |second| UNIX_EPOCH + std::time::Duration::from_secs(second);
        let mut log = LogFile::begin(&current, &previous).unwrap();
        log.max_size = 12;
        for (line, second) in [
            ("one\n", 10),
            ("two\n", 10),
            ("three\n", 12),
            ("four\n", 15),
        ] {
            log.write_at(line.as_bytes(), at(second)).unwrap();
        }
        // A clock that is put back.
        log.write_at(b"x\n", at(3)).unwrap();
        for (second, in_older, in_current) in [
            (0, Some(0), Some(0)),
            (10, Some(0), Some(0)),
            (11, Some(8), Some(0)),
            (13, None, Some(0)),
            (16, None, None),
        ] {
            let found = |path: &Path| since(path, at(second)).unwrap();
            assert_eq!(found(&older(&current)), in_older, "{second}");
            assert_eq!(found(&current), in_current, "{second}");
        }
        drop(LogFile::begin(&current, &previous).unwrap());
        assert_eq!(since(&older(&previous), at(13)).unwrap(), None);
        assert_eq!(since(&previous, at(13)).unwrap(), Some(0));
        fs::remove_file(times(&previous)).unwrap();
        assert_eq!(since(&previous, at(99)).unwrap(), Some(0), "no times");
    }
}
