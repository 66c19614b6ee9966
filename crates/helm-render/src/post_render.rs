//! Another program between rendering and sorting, as Helm 4 puts it there: it gets the objects of all files as one stream, each with
//! the name of its file in an annotation, and by that annotation what it gives back is files again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    error::{Error, ProgramError},
    manifests::split_documents,
};

/// In which an object says the file that it comes from.
const FILE: &str = "postrenderer.helm.sh/postrender-filename";

/// The objects of all files, of hooks too, as one stream of documents.
fn merged(files: &BTreeMap<String, String>) -> Result<String, Error> {
    let mut stream = String::new();
    for (path, text) in files {
        let base = path.rsplit('/').next().unwrap_or(path);
        if base.starts_with('_') {
            continue;
        }
        let refuse = |error: goyaml::Error| {
            post(format!("error merging manifests: parsing {path}: {error}"))
        };
        for document in split_documents(text) {
            let mut object = goyaml::from_str_exact(document).map_err(refuse)?;
            if object.is_null() {
                continue;
            }
            if !set(&mut object, path) {
                let why = "error merging manifests: annotating";
                return Err(post(format!("{why} {path}: it is no object")));
            }
            if !stream.is_empty() {
                stream.push_str("---\n");
            }
            stream.push_str(&goyaml::to_string(&object).map_err(refuse)?);
        }
    }
    Ok(stream)
}

/// Marks an object with its file; false when it is none.
fn set(object: &mut Value, path: &str) -> bool {
    let mut at = object;
    for key in ["metadata", "annotations"] {
        let Value::Object(map) = at else {
            return false;
        };
        at = map.entry(key).or_insert_with(|| json!({}));
        if at.is_null() {
            *at = json!({});
        }
    }
    let Value::Object(annotations) = at else {
        return false;
    };
    annotations.insert(FILE.to_owned(), path.into());
    true
}

/// The file that an object says it comes from, which it does not say any more then. What is empty after that goes, as with Helm.
fn take(object: &mut Value) -> Option<String> {
    let object = object.as_object_mut()?;
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let mut path = None;
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        path = annotations.remove(FILE);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if metadata.is_empty() {
        object.remove("metadata");
    }
    path?.as_str().map(str::to_owned)
}

/// The files of a stream of documents.
fn split(stream: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let refuse = |error: &dyn std::fmt::Display| {
        post(format!(
            "error while parsing post rendered output: error parsing YAML: {error}"
        ))
    };
    let documents = goyaml::documents(stream).map_err(|error| refuse(&error))?;
    let mut number = 0;
    for document in documents {
        let mut object = goyaml::from_str_exact(document).map_err(|error| refuse(&error))?;
        if object.is_null() {
            continue;
        }
        let path = take(&mut object).filter(|path| !path.is_empty());
        let path = path.unwrap_or_else(|| format!("generated-by-postrender-{number}.yaml"));
        number += 1;
        let text = goyaml::to_string(&object).map_err(|error| refuse(&error))?;
        let file = files.entry(path).or_default();
        if !file.is_empty() {
            file.push_str("---\n");
        }
        file.push_str(&text);
    }
    Ok(files)
}

/// What `program` makes of the files.
pub(crate) fn through(
    files: &BTreeMap<String, String>,
    program: impl FnOnce(&str) -> Result<String, ProgramError>,
) -> Result<BTreeMap<String, String>, Error> {
    let stream = merged(files)?;
    let made = program(&stream)
        .map_err(|error| post(format!("error while running post render on files: {error}")))?;
    split(&made)
}

fn post(reason: String) -> Error {
    Error::PostRender { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        all.iter().map(owned).collect()
    }

    #[test]
    fn files_are_one_stream_and_files_again() {
        let before = files(&[
            ("t/templates/_partial.tpl", "nothing"),
            (
                "t/templates/a.yaml",
                "kind: A\n---\nkind: B\nmetadata: {annotations: {own: x}}\n",
            ),
            ("t/templates/empty.yaml", "\n# nothing\n"),
            ("t/templates/z.yaml", "kind: Z\nsize: 1000000\n"),
        ]);
        let mut seen = String::new();
        let after = through(&before, |stream| {
            stream.clone_into(&mut seen);
            Ok(format!("{stream}---\nkind: New\n"))
        });
        let mark = |path: &str| format!("postrenderer.helm.sh/postrender-filename: {path}");
        assert_eq!(
            seen.matches(&mark("t/templates/a.yaml")).count(),
            2,
            "{seen}"
        );
        assert_eq!(
            seen.matches(&mark("t/templates/z.yaml")).count(),
            1,
            "{seen}"
        );
        assert_eq!(
            after.unwrap(),
            files(&[
                ("generated-by-postrender-3.yaml", "kind: New\n"),
                (
                    "t/templates/a.yaml",
                    "kind: A\n---\nkind: B\nmetadata:\n  annotations:\n    own: x\n"
                ),
                ("t/templates/z.yaml", "kind: Z\nsize: 1000000\n"),
            ])
        );
    }

    #[test]
    fn what_is_no_object_and_what_fails_is_told() {
        let list = files(&[("t/templates/a.yaml", "- 1\n")]);
        let told = through(&list, |stream| Ok(stream.to_owned())).unwrap_err();
        assert!(told.to_string().contains("t/templates/a.yaml"), "{told}");
        let one = files(&[("t/templates/a.yaml", "kind: A\n")]);
        let told = through(&one, |_| Err(ProgramError("exit status 3".to_owned()))).unwrap_err();
        let wanted = "error while running post render on files: exit status 3";
        assert_eq!(told.to_string(), wanted);
        let told = through(&one, |_| Ok("a: [\n".to_owned())).unwrap_err();
        assert!(
            told.to_string().starts_with("error while parsing post"),
            "{told}"
        );
    }
}
