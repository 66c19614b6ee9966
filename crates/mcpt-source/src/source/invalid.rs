//! Why a text is no source, in words that say what would be right; and what no source has in it.

use std::fmt;

/// Kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Nobody knows which was meant.
    Any,
    /// A package of an npm registry.
    Npm,
    /// A package of a Python index.
    Pypi,
    /// A container image.
    Oci,
    /// A server that runs elsewhere.
    Remote,
    /// An MCPB bundle.
    Mcpb,
    /// A name of a registry of MCP servers.
    Registry,
}

impl SourceKind {
    /// The form of such a source.
    pub fn form(self) -> &'static str {
        match self {
            Self::Any => {
                "TEMPLATE, npm:NAME, pypi:NAME, oci:IMAGE, https://…, mcpb:FILE, ./FOLDER or OWNER.DOMAIN/NAME"
            }
            Self::Npm => "npm:NAME[@VERSION] or npm:@SCOPE/NAME[@VERSION]",
            Self::Pypi => "pypi:NAME[==VERSION] or pypi:NAME[EXTRA][==VERSION]",
            Self::Oci => "oci:[REGISTRY/]NAME[:TAG][@sha256:DIGEST]",
            Self::Remote => "https://HOST[/PATH]",
            Self::Mcpb => "mcpb:FILE or mcpb:https://HOST/NAME.mcpb",
            Self::Registry => "io.github.OWNER/NAME[@VERSION]",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "source of a server",
            Self::Npm => "npm package",
            Self::Pypi => "Python package",
            Self::Oci => "container image",
            Self::Remote => "address of a server",
            Self::Mcpb => "MCPB bundle",
            Self::Registry => "name of a registry of MCP servers",
        }
    }
}

/// A text that is no source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSource {
    /// What it was taken for.
    pub kind: SourceKind,
    /// The text, cut short; empty where it may contain a secret.
    pub text: String,
    /// What is wrong.
    pub reason: String,
}

/// Longest text that is quoted whole.
const QUOTED: usize = 120;

impl InvalidSource {
    pub(crate) fn new(kind: SourceKind, text: &str, reason: impl Into<String>) -> Self {
        let mut quoted: String = text.chars().take(QUOTED).collect();
        if quoted.len() < text.len() {
            quoted.push('…');
        }
        // Addresses have passwords and keys in them, wherever their syntax is wrong.
        if kind == SourceKind::Remote || text.contains("://") {
            quoted.clear();
        }
        Self {
            kind,
            text: quoted,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for InvalidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            write!(f, "this is no {}", self.kind.name())?;
        } else {
            write!(f, "{:?} is no {}", self.text, self.kind.name())?;
        }
        write!(f, ": {}; the form is {}", self.reason, self.kind.form())
    }
}

impl std::error::Error for InvalidSource {}

/// Longest source.
const LONGEST: usize = 4096;

/// What is wrong with a text whatever it is meant to be: characters that nobody sees, or that act on what shows them.
pub(crate) fn hostile(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST {
        return Some("it is longer than 4096 bytes");
    }
    if text.chars().any(char::is_control) {
        return Some("it has control characters in it");
    }
    if text.chars().any(is_invisible) {
        return Some("it has invisible characters in it");
    }
    if text.trim() != text {
        return Some("it begins or ends with a space");
    }
    None
}

/// Format characters of Unicode that hide in a text or turn it round.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
