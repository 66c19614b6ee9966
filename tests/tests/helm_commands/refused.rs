//! Charts of strangers that helm refuses are refused in its words.

use std::{os::unix::fs::symlink, path::Path};

use mcpt_tests::beside_helm::{helm, mcpt, said, write};

fn chart(folder: &Path, name: &str, files: &[(&str, &str)]) {
    let description = format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n");
    write(&folder.join(name).join("Chart.yaml"), &description);
    for (path, text) in files {
        write(&folder.join(name).join(path), text);
    }
}

#[test]
fn what_helm_refuses_is_refused_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let schemas = [
        r##"{"properties": {"a": {"$id": "#/properties/a", "type": "object", "properties": {"b": {"$id": "#/b"}}}}}"##,
        r##"{"$schema": "http://json-schema.org/schema#", "properties": {"a": {"$id": "#/a"}}, "required": "a"}"##,
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "strin"}}}"#,
        r#"{"$schema": "https://json-schema.org/draft/2019-09/schema", "minimum": "1"}"#,
        r#"{"$schema": "http://json-schema.org/draft-04/schema", "required": []}"#,
        r#"{"$schema": "http://json-schema.org/draft-06/schema#", "items": 1}"#,
    ];
    let names: Vec<String> = (0..schemas.len()).map(|at| format!("schema{at}")).collect();
    for (name, schema) in names.iter().zip(schemas) {
        chart(
            folder,
            name,
            &[("values.schema.json", schema), ("values.yaml", "a: {}\n")],
        );
    }
    chart(folder, "link", &[("a/b.txt", "")]);
    symlink("../../none/x", folder.join("link/a/away")).unwrap();
    chart(folder, "within", &[(".helmignore", "LICENSE\n")]);
    symlink("none", folder.join("within/LICENSE")).unwrap();
    let mut failures = Vec::new();
    for name in names.iter().map(String::as_str).chain(["link", "within"]) {
        let arguments = ["template", name];
        let [ours, theirs] = [mcpt, helm].map(|run| {
            let said = said(&run(&arguments, folder));
            // In which order helm takes the members of a schema is chance.
            let mut error: Vec<String> = said
                .error
                .lines()
                .map(|line| line.trim_end().to_owned())
                .collect();
            error.sort_unstable();
            (said.code, error)
        });
        assert_ne!(theirs.0, Some(0), "{name}");
        if ours != theirs {
            failures.push(format!("== {name}\n-- mcpt {ours:#?}\n-- helm {theirs:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
