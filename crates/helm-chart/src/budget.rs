//! What a chart may take in memory and work, with all the charts and archives in it.

use crate::Error;

/// The most that a chart's files may hold together, those in archives unpacked, in bytes.
pub(crate) const MOST_BYTES: u64 = 100 * 1024 * 1024;

/// The most files in a chart, those in archives too.
const MOST_FILES: usize = 50_000;

/// How deep charts may be in charts.
const MOST_DEPTH: usize = 50;

/// What is left for one whole chart.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    /// What decompression may still give, headers and what is skipped among it.
    pub(crate) unpacked: u64,
    files: usize,
    depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: MOST_BYTES,
            unpacked: 2 * MOST_BYTES,
            files: MOST_FILES,
            depth: MOST_DEPTH,
        }
    }
}

impl Budget {
    /// What files may still hold, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts a file, or a name that was looked at.
    pub(crate) fn file(&mut self) -> Result<(), Error> {
        self.files = self
            .files
            .checked_sub(1)
            .ok_or_else(|| Error::Content(format!("the chart has more than {MOST_FILES} files")))?;
        Ok(())
    }

    /// Counts a file's content; whether there was room for it.
    pub(crate) fn content(&mut self, bytes: u64) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        left.is_some()
    }

    /// Does something one level further down.
    pub(crate) fn deeper<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            Error::Content(format!(
                "charts in charts are nested deeper than {MOST_DEPTH}"
            ))
        })?;
        let done = act(self);
        self.depth += 1;
        done
    }
}
