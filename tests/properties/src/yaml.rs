//! YAML: what is read can be written, and reads the same again.

use crate::input;

/// Panics when it does not hold for what these bytes stand for.
pub fn yaml(data: &[u8]) {
    let Some(text) = input::<&str>(data) else {
        return;
    };
    let _ = goyaml::from_str_exact(text);
    let _ = goyaml::from_str_strict(text);
    let _ = goyaml::from_str_typed(text);
    for document in goyaml::documents(text).unwrap_or_default() {
        let _ = goyaml::map_from_str(document);
    }
    let Ok(value) = goyaml::from_str(text) else {
        return;
    };
    // A key `<<` is written without quotes, as Go does it, and is a merge where it is read again.
    let is_merged = |written: &str| written.contains("<<:");
    if let Some(written) = goyaml::to_string(&value)
        .ok()
        .filter(|text| !is_merged(text))
    {
        let read = goyaml::from_str(&written);
        assert_eq!(read.ok().as_ref(), Some(&value), "{written}");
    }
}
