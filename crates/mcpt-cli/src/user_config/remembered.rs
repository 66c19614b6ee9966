//! What commands write into the configuration file: one line of it, and nothing else changes.

use std::path::{Path, PathBuf};

use mcpt_core::{Failure, FailureKind, Image};

use super::UserConfig;
use crate::user_file;

impl UserConfig {
    /// Writes mcpt's own image into the configuration file, which is made when it is not there. Gives the file.
    ///
    /// # Errors
    /// When there is no place for the file, it cannot be read or written, or the line cannot be put into it.
    pub(crate) fn remember_image(image: &Image) -> Result<PathBuf, Failure> {
        let line = format!("image: {}", image.reference());
        let failed = |path: &Path| {
            let what = format!("cannot write to the configuration file {}", path.display());
            Failure::new(FailureKind::Failed, what).hint(format!("write into it: {line}"))
        };
        let Some((path, _)) = Self::file() else {
            return Err(failed(Path::new("mcpt/config.yaml"))
                .because("none of MCPT_CONFIG, XDG_CONFIG_HOME and HOME is set"));
        };
        let text = match user_file::read(&path) {
            Ok(text) => text,
            Err(error) if error.is_missing() => String::new(),
            Err(error) => return Err(failed(&path).caused_by(&error)),
        };
        let mut expected = Self::parse(&path, &text)?;
        expected.image = Some(image.clone());
        let text = with_line(&text, &line);
        // YAML has more ways to say a thing than a line has.
        if Self::parse(&path, &text).ok() != Some(expected) {
            return Err(failed(&path).because("its form leaves no place for another line"));
        }
        // A link leads to where the user keeps the file.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        oci_registry::write_whole(&real, text.as_bytes(), false)
            .map_err(|error| failed(&path).caused_by(&error))?;
        Ok(path)
    }
}

/// The text with the line instead of the one of the same key, else at the end.
fn with_line(text: &str, line: &str) -> String {
    let key = line.split_inclusive(':').next().unwrap_or(line);
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter_mut().find(|known| known.starts_with(key)) {
        Some(known) => *known = line,
        None => lines.push(line),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes() {
        for (before, after) in [
            ("", "image: r/a:1\n"),
            (
                "backend: docker # mine",
                "backend: docker # mine\nimage: r/a:1\n",
            ),
            (
                "# x\nimage: old\nimages: no\n",
                "# x\nimage: r/a:1\nimages: no\n",
            ),
        ] {
            assert_eq!(with_line(before, "image: r/a:1"), after);
        }
    }
}
