//! A file of requirements with hashes, as uv writes it and pip reads it.

use crate::entry_points::same_python_name;

/// The packages of such a file.
#[derive(Debug)]
pub(super) struct Requirements(Vec<Requirement>);

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) name: String,
    pub(super) version: String,
    /// As it stands, over all of its lines.
    pub(super) text: String,
}

impl Requirements {
    /// Reads `NAME==VERSION` with whatever follows it; other lines (comments, options) belong to nothing.
    pub(super) fn read(text: &str) -> Self {
        let mut all: Vec<Requirement> = Vec::new();
        for line in text.lines() {
            if line.starts_with([' ', '\t']) {
                if let Some(last) = all.last_mut() {
                    last.text.push_str(line);
                    last.text.push('\n');
                }
            } else if let Some((name, rest)) = line.split_once("==")
                && !line.starts_with(['#', '-'])
            {
                let end = rest.find([' ', ';', '\\']).unwrap_or(rest.len());
                all.push(Requirement {
                    name: name.split('[').next().unwrap_or(name).to_owned(),
                    version: rest[..end].to_owned(),
                    text: format!("{line}\n"),
                });
            }
        }
        Self(all)
    }

    pub(super) fn package(&self, name: &str) -> Option<&Requirement> {
        self.0.iter().find(|one| same_python_name(&one.name, name))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().map(|one| one.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read() {
        let text = "# by uv\nfoo-bar==1.2 ; sys_platform == 'win32' \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n\
            -e .\nzod==2.0a1 \\\n    --hash=sha256:02\n";
        let all = Requirements::read(text);
        assert_eq!(all.len(), 2);
        assert_eq!(all.package("Foo_Bar").unwrap().version, "1.2");
        let zod = all.package("zod").unwrap();
        assert_eq!(zod.version, "2.0a1");
        assert_eq!(zod.text, "zod==2.0a1 \\\n    --hash=sha256:02\n");
        assert!(all.text().starts_with("foo-bar") && all.text().ends_with("02\n"));
        assert_eq!(all.package("bar"), None);
    }
}
