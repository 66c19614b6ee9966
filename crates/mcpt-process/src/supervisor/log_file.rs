//! The log of a server: a file of bounded size per start, and those of the start before.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::folder::RunFolder;

/// Size at which a file is put aside as `NAME.1`, in bytes.
const MAX_SIZE: u64 = 10 * 1024 * 1024;

/// The file that a server's output goes to.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
}

impl LogFile {
    /// Begins the log of a new start; what was the log becomes the previous one.
    pub(crate) fn begin(run: &RunFolder) -> io::Result<Self> {
        let (current, previous) = (run.log_file(), run.previous_log_file());
        if current.exists() {
            fs::rename(&current, &previous)?;
            match fs::rename(older(&current), older(&previous)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Self {
            file: create(&current)?,
            path: current,
            size: 0,
            max_size: MAX_SIZE,
        })
    }

    /// Adds output.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        // Cut at the end of a line, if lines end at all.
        if self.size >= self.max_size && (bytes.ends_with(b"\n") || self.size >= 2 * self.max_size)
        {
            fs::rename(&self.path, older(&self.path))?;
            self.file = create(&self.path)?;
            self.size = 0;
        }
        Ok(())
    }

    /// Adds a line of the supervisor's own.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        self.write(format!("[mcpt] {text}\n").as_bytes())
    }
}

/// Where the older part of a log lies.
pub(crate) fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use mcpt_core::ServerName;

    use super::*;
    use crate::folder::StateFolder;

    #[test]
    fn sizes_are_bounded_and_the_previous_start_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let server =
            StateFolder::new(root.path().to_owned()).server(&ServerName::new("demo").unwrap());
        server.create().unwrap();
        let run = server.create_run().unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();

        let mut log = LogFile::begin(&run).unwrap();
        log.max_size = 10;
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&older(&run.log_file())), "one\ntwo\nthree\n");
        assert_eq!(read(&run.log_file()), "four\n");
        log.write(b"no end of line").unwrap();
        log.note("a note").unwrap();
        assert_eq!(
            read(&older(&run.log_file())),
            "four\nno end of line[mcpt] a note\n"
        );

        let mut next = LogFile::begin(&run).unwrap();
        next.write(b"again\n").unwrap();
        assert_eq!(read(&run.log_file()), "again\n");
        assert_eq!(
            read(&older(&run.previous_log_file())),
            "four\nno end of line[mcpt] a note\n"
        );
        assert!(!older(&run.log_file()).exists());
    }
}
