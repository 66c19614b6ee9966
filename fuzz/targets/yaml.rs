//! YAML: what is read can be written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = goyaml::from_str_exact(text);
    let _ = goyaml::from_str_strict(text);
    let _ = goyaml::from_str_typed(text);
    for document in goyaml::documents(text).unwrap_or_default() {
        let _ = goyaml::map_from_str(document);
    }
    let Ok(value) = goyaml::from_str(text) else {
        return;
    };
    if let Ok(written) = goyaml::to_string(&value) {
        let read = goyaml::from_str(&written);
        assert_eq!(read.ok().as_ref(), Some(&value), "{written}");
    }
});
