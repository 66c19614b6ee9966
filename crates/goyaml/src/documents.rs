//! Texts of several documents.

use crate::Error;

/// Cuts a text at its `---` lines, as the YAML reader of Kubernetes does, without the lines themselves and without empty
/// documents.
///
/// # Errors
/// When something else than a comment follows a `---`.
pub fn documents(text: &str) -> Result<Vec<&str>, Error> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(after) = line.strip_prefix("---") {
            let after = after.trim();
            if !after.is_empty() && !after.starts_with('#') {
                return Err(Error::Separator(after.to_owned()));
            }
            documents.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.is_empty());
    Ok(documents)
}
