//! Slash-separated paths, as Go's package path has them.

use gotmpl::{Type, Value};

use crate::args::Registry;

pub(crate) fn register(r: &mut Registry) {
    // Helm runs on systems where file paths are the same as these.
    for prefix in ["", "os"] {
        let name = |plain: &str| match prefix {
            "" => plain.to_owned(),
            _ => format!("{prefix}{}{}", plain[..1].to_uppercase(), &plain[1..]),
        };
        r.text(&name("base"), |s| base(s).to_owned());
        r.text(&name("dir"), |s| {
            clean(&s[..s.rfind('/').map_or(0, |slash| slash + 1)])
        });
        r.text(&name("clean"), clean);
        r.text(&name("ext"), |s| {
            let file = &s[s.rfind('/').map_or(0, |slash| slash + 1)..];
            file.rfind('.').map_or("", |dot| &file[dot..]).to_owned()
        });
        r.add(&name("isAbs"), &[Type::Str], Type::Bool, |a| {
            Ok(Value::Bool(a.bytes(0).starts_with(b"/")))
        });
    }
}

/// Go's `path.Base`.
fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// Go's `path.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
