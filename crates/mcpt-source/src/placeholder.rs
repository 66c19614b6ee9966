//! What in a text stands for something that its reader has to give: `YOUR_API_KEY`, `<token>`, `${input:x}`, `$HOME`.

/// A part of a text as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands.
    Plain(String),
    /// The value of a variable or input that is known by a name: `$HOME`, `${input:token}`, `%APPDATA%`.
    Variable {
        /// The name.
        name: String,
        /// What it is when nobody says: `${PORT:-8080}`.
        default: Option<String>,
    },
    /// Something to be filled in, with the words that say what: `<your token>`.
    Blank(String),
}

/// A text in its pieces.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    if is_blank(text) {
        return vec![Piece::Blank(words(text))];
    }
    let mut found = Pieces::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((piece, length)) = special(rest) {
            found.special(piece);
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        found.plain.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    found.end()
}

/// Whether a text is nothing but a placeholder.
pub(crate) fn is_blank(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    let inside = |open: &str, close: &str| {
        lower
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inside| {
                !inside.is_empty() && !inside.contains(['<', '>', '[', ']', '{', '}', '"'])
            })
    };
    if inside("<", ">") || inside("{{", "}}") || in_brackets(&lower) {
        return true;
    }
    let bare = lower.trim_end_matches(['.', '…']);
    let nothing_named = bare.is_empty() || bare.ends_with("://");
    if bare.len() < lower.len() && (nothing_named || !bare.contains(['/', ' '])) {
        return lower.ends_with("...") || lower.ends_with('…');
    }
    if lower.len() >= 3
        && lower
            .chars()
            .all(|c| matches!(c, 'x' | '*' | '-' | '_' | '•'))
    {
        return lower.contains(['x', '*', '•']);
    }
    let last = lower.rsplit(['-', '_']).next().unwrap_or_default();
    if last.len() >= 4 && last.chars().all(|c| c == 'x') {
        return true;
    }
    let path = [
        "/path/to",
        "path/to",
        "/absolute/path",
        "/full/path",
        "c:\\path\\to",
        "/your/",
    ];
    if path.iter().any(|start| lower.starts_with(start)) {
        return true;
    }
    if lower.contains(['/', ' ', '=', '@', ':']) && !lower.starts_with("your ") {
        return false;
    }
    let starts = [
        "your",
        "my_api",
        "my-api",
        "replace",
        "insert",
        "enter-",
        "enter_",
        "changeme",
        "change-me",
        "change_me",
    ];
    starts.iter().any(|start| {
        lower.strip_prefix(start).is_some_and(|rest| {
            start.len() > 5 || rest.starts_with(['-', '_', ' ']) || is_camel(text)
        })
    }) || ["_your_", "-your-"]
        .iter()
        .any(|middle| lower.contains(middle))
        || ["_here", "-here", "_goes_here"]
            .iter()
            .any(|end| lower.ends_with(end))
        || matches!(
            lower.as_str(),
            "todo" | "placeholder" | "redacted" | "[redacted]"
        )
}

/// `[AWS Region]`: words, and no list of anything.
fn in_brackets(lower: &str) -> bool {
    let inside = lower
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| {
        inside.starts_with(|c: char| c.is_alphabetic())
            && inside.contains([' ', '-', '_'])
            && inside
                .chars()
                .all(|c| c.is_alphanumeric() || " -_.'/".contains(c))
    })
}

/// `yourToken`: a capital behind the first word.
fn is_camel(text: &str) -> bool {
    text.strip_prefix("your")
        .and_then(|rest| rest.chars().next())
        .is_some_and(char::is_uppercase)
}

/// The words of a placeholder that say what it stands for.
fn words(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .filter(|word| {
            !matches!(
                word.as_str(),
                "your"
                    | "my"
                    | "the"
                    | "here"
                    | "insert"
                    | "enter"
                    | "replace"
                    | "with"
                    | "goes"
                    | "path"
                    | "to"
            )
        })
        .filter(|word| !word.chars().all(|c| c == 'x'))
        .collect();
    words.join("_")
}

#[derive(Default)]
struct Pieces {
    all: Vec<Piece>,
    plain: String,
}

impl Pieces {
    fn special(&mut self, piece: Piece) {
        self.flush();
        self.all.push(piece);
    }

    /// Words of plain text may be placeholders too: `Bearer YOUR_TOKEN`, `?key=YOUR_KEY`, `https://your-host/mcp`.
    fn flush(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        let mut text = String::new();
        for word in plain.split_inclusive([' ', '=', '&', '?', '/', ':', ',', ';', '"', '@']) {
            let end = word.trim_end_matches([' ', '=', '&', '?', '/', ':', ',', ';', '"', '@']);
            let upper = end
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "-_.…".contains(c));
            let host = text.ends_with("://");
            let bearer =
                text.to_lowercase().ends_with("bearer ") || text.to_lowercase().ends_with("basic ");
            if end.len() > 3
                && (upper || host || bearer || end.starts_with("your_"))
                && is_blank(end)
            {
                if !text.is_empty() {
                    self.all.push(Piece::Plain(std::mem::take(&mut text)));
                }
                self.all.push(Piece::Blank(words(end)));
                text.push_str(word.get(end.len()..).unwrap_or_default());
            } else {
                text.push_str(word);
            }
        }
        if !text.is_empty() {
            self.all.push(Piece::Plain(text));
        }
    }

    fn end(mut self) -> Vec<Piece> {
        self.flush();
        self.all
    }
}

/// Variables of Windows that people write in any case.
const OF_WINDOWS: [&str; 12] = [
    "CD",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "HOMEPATH",
    "HOMEDRIVE",
    "USERNAME",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
];

/// What begins here with a sign of its own, and how long it is.
fn special(text: &str) -> Option<(Piece, usize)> {
    if let Some(rest) = text.strip_prefix("${") {
        let end = rest.find('}')?;
        return Some((braced(&rest[..end])?, end + 3));
    }
    if let Some(rest) = text
        .strip_prefix("{env:")
        .or_else(|| text.strip_prefix("{file:"))
    {
        let end = rest.find('}')?;
        let start = text.len() - rest.len();
        return Some((named(rest.get(..end)?, None)?, start + end + 1));
    }
    if let Some(rest) = text.strip_prefix("{{") {
        let end = rest.find("}}")?;
        let inside = &rest[..end];
        // Anything else is a template of somebody's.
        let said = inside
            .chars()
            .all(|c| c.is_alphanumeric() || " _-".contains(c));
        return said.then(|| (Piece::Blank(words(inside)), end + 4));
    }
    if let Some(rest) = text.strip_prefix("$env:") {
        let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        return Some((named(&rest[..length], None)?, length + 5));
    }
    if let Some(rest) = text.strip_prefix('$') {
        let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        return Some((named(&rest[..length], None)?, length + 1));
    }
    if let Some(rest) = text.strip_prefix('%') {
        let end = rest.find('%')?;
        let name = &rest[..end];
        // A percent-encoded text has digits behind the sign.
        let upper = name.to_ascii_uppercase();
        let variable = OF_WINDOWS.contains(&&*upper)
            || name.len() > 2
                && name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        return variable
            .then(|| Some((named(&upper, None)?, end + 2)))
            .flatten();
    }
    if let Some(rest) = text.strip_prefix('<') {
        let end = rest.find('>')?;
        let inside = &rest[..end];
        let said = inside.len() <= 60
            && inside.starts_with(|c: char| c.is_alphabetic())
            && inside
                .chars()
                .all(|c| c.is_alphanumeric() || " _-.:/'".contains(c));
        return said.then(|| (Piece::Blank(words(inside)), end + 2));
    }
    None
}

/// `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${input:NAME}`.
fn braced(inside: &str) -> Option<Piece> {
    let inside = inside
        .strip_prefix("env:")
        .or_else(|| inside.strip_prefix("input:"))
        .or_else(|| inside.strip_prefix("user_config."))
        .unwrap_or(inside);
    match inside.split_once(":-").or_else(|| inside.split_once(":=")) {
        Some((name, default)) => named(name, Some(default.to_owned())),
        None => named(inside, None),
    }
}

fn named(name: &str, default: Option<String>) -> Option<Piece> {
    let name = match name {
        // The folder that one is in, as PowerShell and cmd call it.
        "pwd" | "CD" => "PWD",
        name => name,
    };
    let known = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| is_name(c) || matches!(c, '-' | '.' | '/' | ':'));
    known.then(|| Piece::Variable {
        name: name.to_owned(),
        default,
    })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Plain(text) => text,
                Piece::Variable {
                    name,
                    default: None,
                } => format!("[${name}]"),
                Piece::Variable {
                    name,
                    default: Some(default),
                } => format!("[${name} or {default}]"),
                Piece::Blank(words) => format!("[{words}]"),
            })
            .collect()
    }

    #[test]
    fn placeholders_are_told_from_values() {
        for (text, expected) in [
            ("YOUR_API_KEY", "[api_key]"),
            ("your-api-key", "[api_key]"),
            ("your_session_key_here", "[session_key]"),
            ("yourToken", "[yourtoken]"),
            ("<your-api-token>", "[api_token]"),
            ("<Your API Key>", "[api_key]"),
            ("sk-your-key", "[sk_key]"),
            ("ghp_xxxxxxxx", "[ghp]"),
            ("hmd_xxx...", "[hmd]"),
            ("ck_…", "[ck]"),
            ("...", "[]"),
            ("xxxx-xxxx", "[]"),
            ("/path/to/allowed/files", "[allowed_files]"),
            ("changeme", "[changeme]"),
            ("${API_KEY}", "[$API_KEY]"),
            ("${PORT:-8080}", "[$PORT or 8080]"),
            ("${env:HOME}/x", "[$HOME]/x"),
            ("${input:github-token}", "[$github-token]"),
            ("{env:TOKEN}", "[$TOKEN]"),
            ("$HOME/projects", "[$HOME]/projects"),
            ("%APPDATA%\\npm", "[$APPDATA]\\npm"),
            ("$env:TOKEN", "[$TOKEN]"),
            ("%cd%\\x", "[$PWD]\\x"),
            ("${pwd}/x", "[$PWD]/x"),
            ("%userprofile%", "[$USERPROFILE]"),
            ("redis://...", "[redis]"),
            ("Bearer YOUR_TOKEN", "Bearer [token]"),
            (
                "Authorization: Bearer <token>",
                "Authorization: Bearer [token]",
            ),
            ("Bearer cdk_…", "Bearer [cdk]"),
            ("https://YOUR-HOST/api/mcp", "https://[host]/api/mcp"),
            (
                "https://x.test/mcp?key=YOUR_KEY&a=1",
                "https://x.test/mcp?key=[key]&a=1",
            ),
            (
                "http://<windows-host>:8399/sse",
                "http://[windows_host]:8399/sse",
            ),
            ("{{api_key}}", "[api_key]"),
            ("[AWS Region]", "[aws_region]"),
            ("[YOUR_TOKEN]", "[token]"),
            ("[\"a b\"]", "[\"a b\"]"),
            ("[1, 2]", "[1, 2]"),
            ("{{ env \"HOME\" }}", "{{ env \"HOME\" }}"),
            // None of these is one.
            ("@scope/name@latest", "@scope/name@latest"),
            ("100%", "100%"),
            ("a%20b%20c", "a%20b%20c"),
            ("$5", "$5"),
            ("price<5", "price<5"),
            ("hello", "hello"),
            ("your", "your"),
            ("yourdomain", "yourdomain"),
            ("/srv/your-notes", "/srv/your-notes"),
            ("--stdio", "--stdio"),
            ("-", "-"),
            ("*", "*"),
            ("..", ".."),
            ("../x", "../x"),
            (".", "."),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
