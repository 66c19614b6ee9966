//! Which program of a package is run, by the rules of `npx` and `uvx`.

/// The program that is meant: the one that was named, else the only one, else the one that is called like the package. Names
/// are compared as `same` does.
pub(crate) fn choose(
    known: &[String],
    named: Option<&str>,
    package: &str,
    same: impl Fn(&str, &str) -> bool,
) -> Option<String> {
    let wanted = named.unwrap_or(package);
    let exact = known.iter().find(|name| name.as_str() == wanted);
    let like = || known.iter().find(|name| same(name, wanted));
    match (exact.or_else(like), known) {
        (Some(found), _) => Some(found.clone()),
        (None, [only]) if named.is_none() => Some(only.clone()),
        (None, _) => None,
    }
}

/// The names of the console scripts in `entry_points.txt` of an installed Python package.
pub(crate) fn console_scripts(text: &str) -> Vec<String> {
    let mut section = "";
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.trim();
        } else if section == "console_scripts"
            && !line.starts_with(['#', ';'])
            && let Some((name, _)) = line.split_once('=')
        {
            names.push(name.trim().to_owned());
        }
    }
    names
}

/// Whether two names are the same to Python's packaging: in small letters, each run of `-`, `_` and `.` one `-`.
pub(crate) fn same_python_name(one: &str, other: &str) -> bool {
    normalized(one) == normalized(other)
}

/// A name as Python's packaging compares it.
pub(crate) fn normalized(name: &str) -> String {
    name.to_ascii_lowercase()
        .split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_is_meant() {
        for (known, named, package, expected) in [
            (&["a"][..], None, "other", Some("a")),
            (&["a", "my_server"], None, "my-server", Some("my_server")),
            (&["a", "b"], None, "my-server", None),
            (&["a", "b"], Some("b"), "my-server", Some("b")),
            (&["a"], Some("b"), "my-server", None),
            (&["Foo.Bar", "foo-bar"], None, "foo-bar", Some("foo-bar")),
            (&[], None, "x", None),
        ] {
            let known: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
            let found = choose(&known, named, package, same_python_name);
            assert_eq!(found.as_deref(), expected, "{known:?} {named:?}");
        }
    }

    #[test]
    fn scripts_of_a_package() {
        let text = "[console_scripts]\nrun-it = a.b:main\n# no = x:y\n[gui_scripts]\nwindow = a:w\n\
            [ console_scripts ]\nmore=a:c [extra]\n";
        assert_eq!(console_scripts(text), ["run-it", "more"]);
        assert!(console_scripts("").is_empty());
    }
}
