//! Arguments of a package, and those of what runs it.

use super::{
    argument::{Settings, decoded},
    fields::Fields,
};
use crate::{Format, Note, Recipe, SharedFolder, Source};

/// Flags of container engines that have no value, whatever a file says of them.
const FLAGS: [&str; 12] = [
    "-i",
    "--interactive",
    "-t",
    "--tty",
    "-it",
    "-d",
    "--detach",
    "--rm",
    "--init",
    "--privileged",
    "--read-only",
    "-q",
];

/// The arguments of what runs the package.
const RUNTIME: &str = "runtimeArguments";

/// The words of a list of arguments, in the notation of [`Settings::raw`].
pub(super) fn words(
    fields: &Fields<'_>,
    list: &str,
    settings: &mut Settings,
    problems: &mut Vec<String>,
) -> Vec<String> {
    let mut words = Vec::new();
    for (index, argument) in fields.objects(list, problems).into_iter().enumerate() {
        match argument.text("type", problems) {
            Some("positional") => {
                let hint = argument.text("valueHint", problems);
                if hint.is_none() && argument.get("value").is_none() {
                    problems.push(format!(
                        "{}: value or valueHint is missing",
                        argument.place()
                    ));
                    continue;
                }
                let name = hint.map_or_else(|| format!("argument_{}", index + 1), str::to_owned);
                words.push(settings.raw(&argument, &name, problems));
            }
            Some("named") => {
                let Some(name) = argument.required("name", problems) else {
                    continue;
                };
                named(&argument, name, &mut words, settings, problems);
            }
            _ => problems.push(format!(
                "{}: it is positional or named",
                argument.at("type")
            )),
        }
    }
    words
}

/// `--name=value`; a name of one letter has its value behind it. One that says nothing of a value is a flag.
fn named(
    argument: &Fields<'_>,
    name: &str,
    words: &mut Vec<String>,
    settings: &mut Settings,
    problems: &mut Vec<String>,
) {
    let says_value = [
        "value",
        "default",
        "valueHint",
        "choices",
        "placeholder",
        "variables",
    ]
    .iter()
    .any(|field| argument.get(field).is_some());
    let described = argument.get("description").is_some() && argument.get("format").is_some();
    let required = argument.flag("isRequired", problems);
    let flag = argument.place().contains(RUNTIME) && FLAGS.contains(&name);
    if flag || !(says_value || described || required) {
        words.push(name.to_owned());
        return;
    }
    let raw = settings.raw(argument, name, problems);
    if raw.is_empty() {
        words.push(name.to_owned());
    } else if name.starts_with("--") {
        words.push(format!("{name}={raw}"));
    } else {
        words.push(name.to_owned());
        words.push(raw);
    }
}

/// What the arguments of the runtime mean for the recipe: those of a container engine are folders and variables, those of the
/// runners of packages choose nothing that the recipe does not say already.
pub(super) fn apply(
    fields: &Fields<'_>,
    recipe: &mut Recipe,
    settings: &mut Settings,
    problems: &mut Vec<String>,
) {
    let words = words(fields, RUNTIME, settings, problems);
    if !matches!(recipe.source, Source::Oci(_)) {
        let harmless = [
            "-y",
            "--yes",
            "-q",
            "--quiet",
            "--refresh",
            "run",
            "tool",
            "dlx",
            "exec",
        ];
        let left: Vec<String> = words
            .iter()
            .filter(|word| !harmless.contains(&word.as_str()))
            .map(|word| decoded(word).to_string())
            .collect();
        if !left.is_empty() {
            recipe.notes.push(Note(format!(
                "arguments for the program that runs the package are left out: {}",
                left.join(" ")
            )));
        }
        return;
    }
    let mut left = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        // Some put the command of the engine there, which is understood.
        if matches!(word.as_str(), "run" | "docker" | "podman") || FLAGS.contains(&word.as_str()) {
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), value.to_owned()),
            _ if word.starts_with('-') => {
                let value = words.next().unwrap_or_default();
                (word, value)
            }
            _ => (word, String::new()),
        };
        match name.as_str() {
            "-e" | "--env" => match value.split_once('=') {
                Some((name, value)) => {
                    recipe.env.insert(name.to_owned(), decoded(value));
                }
                None => {
                    recipe.notes.push(Note(format!(
                        "the variable {value} is handed on from nowhere: nothing says its value"
                    )));
                }
            },
            "-v" | "--volume" => {
                let mut parts = value.splitn(3, ':');
                if let (Some(host), Some(container)) = (parts.next(), parts.next()) {
                    let read_only = parts
                        .next()
                        .is_some_and(|options| options.split(',').any(|o| o == "ro"));
                    share(recipe, settings, host, container, read_only);
                }
            }
            "--mount" => mount(recipe, settings, &value),
            "--entrypoint" => {
                let default = |name: &str| settings.all.get(name)?.default.as_deref();
                match decoded(&value).fill(default) {
                    Ok(program) => recipe.entrypoint = Some(program),
                    Err(_) => left.push(name),
                }
            }
            "-p" | "--publish" | "--name" | "--pull" => {}
            _ => left.push(name),
        }
    }
    if !left.is_empty() {
        recipe.notes.push(Note(format!(
            "options that are a matter of the place are left out: {}",
            left.join(", ")
        )));
    }
}

fn mount(recipe: &mut Recipe, settings: &mut Settings, value: &str) {
    let field = |names: [&str; 3]| {
        value.split(',').find_map(|field| {
            let (name, value) = field.split_once('=')?;
            names.contains(&name).then_some(value)
        })
    };
    let read_only = value
        .split(',')
        .any(|field| matches!(field, "readonly" | "ro"));
    if let (Some(host), Some(container)) = (
        field(["src", "source", "src"]),
        field(["dst", "target", "destination"]),
    ) {
        share(recipe, settings, host, container, read_only);
    }
}

/// A folder of this machine. Where it is in the container is not for users to choose: the default of that setting counts.
fn share(
    recipe: &mut Recipe,
    settings: &mut Settings,
    host: &str,
    container: &str,
    read_only: bool,
) {
    let host = decoded(host);
    let value = |name: &str| settings.all.get(name)?.default.as_deref();
    let Ok(container) = decoded(container).fill(value) else {
        recipe.notes.push(Note(
            "a folder is left out: where it is in the container is not said".to_owned(),
        ));
        return;
    };
    for name in host.settings() {
        if let Some(setting) = settings.all.get_mut(name) {
            setting.format = Format::Path;
            // Only whoever deploys it says what of this machine it sees.
            setting.default = None;
            setting.required = true;
        }
    }
    recipe.folders.push(SharedFolder {
        host,
        container,
        read_only,
    });
}
