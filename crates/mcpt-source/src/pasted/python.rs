//! Runners of Python packages: uvx, `uv tool run`, `uv run --with`, `pipx run`, and Python itself.

mod known;

use std::{collections::VecDeque, path::Path};

use self::known::{PIPX, PYTHON, UV_RUN, UV_RUN_OWN, UVX};
use super::{PastedError, carriers, options::OptionSet, refuse_blank, refused};
use crate::{PypiPackage, Source, draft::Draft};

/// What a command of one of these programs starts.
pub(super) fn source(
    program: &str,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    match program {
        "uvx" => uvx(words, draft, depth),
        "uv" => uv(words, draft, depth),
        "pipx" if words.front().is_some_and(|word| word == "run") => {
            words.pop_front();
            runner("pipx run", &PIPX, words, draft, depth)
        }
        "conda" | "mamba" | "micromamba" | "poetry" | "pipenv" | "hatch" | "pdm" | "rye"
        | "pixi" => Err(refused(
            program,
            "this starts something of an environment of this machine: name the package as pypi:NAME",
        )),
        _ => Err(refused(
            program,
            "this installs something and starts no server: name the package itself, as pypi:NAME",
        )),
    }
}

/// Whether a program is Python: `python`, `python3.12`, `py`.
pub(super) fn is_interpreter(program: &str) -> bool {
    program == "py"
        || program
            .strip_prefix("python")
            .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// What Python starts: a module of a package that is called like it, or a file of this machine.
pub(super) fn interpreter(
    word: &str,
    mut words: VecDeque<String>,
    draft: &mut Draft,
) -> Result<Source, PastedError> {
    let all = words.clone();
    // `py -3.12` chooses a version.
    if words
        .front()
        .is_some_and(|word| word.starts_with("-2") || word.starts_with("-3"))
    {
        words.pop_front();
    }
    let mut at_module = is_module(&words);
    while !at_module && PYTHON.next(&mut words)?.is_some() {
        at_module = is_module(&words);
    }
    draft.pass_all();
    let module = at_module.then(|| take_module(&mut words)).flatten();
    if let Some(module) = module.filter(|module| !module.contains('.')) {
        refuse_blank(&module)?;
        if matches!(module.as_str(), "pip" | "venv" | "uv") {
            return Err(refused(
                "python",
                "this installs something and starts no server: name the package itself, as pypi:NAME",
            ));
        }
        let mut package: PypiPackage = module.replace('_', "-").parse()?;
        draft.note(format!(
            "the package is taken to be called like its module: pypi:{}",
            package.name
        ));
        package.module = Some(module);
        draft.args(words);
        return Ok(Source::Pypi(package));
    }
    if all.is_empty() {
        return Err(PastedError::Missing {
            program: "python",
            what: "the module or the file",
        });
    }
    draft.args(all);
    Ok(Source::Program(word.to_owned()))
}

/// A file of Python, with what may be named in it: `server.py:app`.
fn is_script(word: &str) -> bool {
    let file = word.split(':').next().unwrap_or(word);
    Path::new(file).extension().is_some_and(|end| end == "py")
}

fn is_module(words: &VecDeque<String>) -> bool {
    words.front().is_some_and(|word| word.starts_with("-m"))
}

/// `-m MODULE` or `-mMODULE`.
fn take_module(words: &mut VecDeque<String>) -> Option<String> {
    let word = words.pop_front()?;
    match word.strip_prefix("-m") {
        Some("") => words.pop_front(),
        Some(module) => Some(module.to_owned()),
        None => None,
    }
}

/// What options say of a package.
#[derive(Default)]
struct PackageOptions {
    from: Option<String>,
    with: Vec<PypiPackage>,
    python: Option<String>,
}

impl PackageOptions {
    fn take(
        &mut self,
        program: &'static str,
        name: &str,
        value: String,
        draft: &mut Draft,
    ) -> Result<(), PastedError> {
        match name {
            "from" | "spec" => self.from = Some(value),
            "with" | "w" => {
                for one in packages(&value) {
                    self.with.push(package(program, one.trim())?);
                }
            }
            "p" | "python" => self.python = Some(value),
            "index" | "default-index" | "i" | "index-url" | "extra-index-url" | "f" | "find-links" => draft.note(
                "the index that the command names is left out: packages come from the one that this machine is set to",
            ),
            "env-file" => draft.note("the file with variables is not read: give them one by one"),
            "pre" | "prerelease" | "resolution" | "fork-strategy" | "exclude-newer"
            | "exclude-newer-package" | "constraints" | "constraint" | "c" | "build-constraints"
            | "build-constraint" | "b" | "overrides" | "override" | "excludes" | "python-platform"
            | "no-build" | "no-build-package" | "no-binary" | "no-binary-package" | "no-sources"
            | "no-sources-package" | "no-index" | "config-setting" | "C" | "config-file"
            | "index-strategy" | "pip-args" => draft.note(format!(
                "what {program} is told about versions is left out: {name}"
            )),
            "with-editable" | "with-requirements" => {
                return Err(refused(
                    program,
                    "files of this machine cannot be installed with a package: name packages of an index",
                ));
            }
            // What is unknown was said to be left out.
            _ => {}
        }
        Ok(())
    }
}

/// The packages of a list: a comma before a further specifier separates none.
fn packages(list: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in list.split(',') {
        match found.last_mut() {
            Some(last)
                if part.trim_start().starts_with(['<', '>', '=', '~', '!'])
                    || last.matches('[').count() > last.matches(']').count() =>
            {
                last.push(',');
                last.push_str(part);
            }
            _ => found.push(part.to_owned()),
        }
    }
    found
}

fn uvx(words: VecDeque<String>, draft: &mut Draft, depth: usize) -> Result<Source, PastedError> {
    runner("uvx", &UVX, words, draft, depth)
}

/// What a program runs that makes a place for a package and runs it there.
fn runner(
    name: &'static str,
    options: &OptionSet,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut asked = PackageOptions::default();
    while let Some(given) = options.next(&mut words)? {
        given.note_unknown(options, draft);
        asked.take(name, given.name, given.value, draft)?;
    }
    tool(name, asked, words, draft, depth)
}

/// A script of a package that is made for running: the first word is both, unless the package was said before.
fn tool(
    program: &'static str,
    asked: PackageOptions,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let word = words.pop_front();
    let mut found = match (&asked.from, &word) {
        (Some(from), _) => package(program, from)?,
        (None, Some(word)) => package(program, word)?,
        (None, None) => {
            return Err(PastedError::Missing {
                program,
                what: "the package",
            });
        }
    };
    if asked.from.is_some()
        && let Some(word) = word
    {
        // Windows has it behind the names of programs.
        let word = word.strip_suffix(".exe").unwrap_or(&word).to_owned();
        if is_interpreter(&word) && is_module(&words) {
            found.module = take_module(&mut words);
        } else if found.name.as_str() != word {
            refuse_blank(&word)?;
            found.script = Some(word);
        }
    }
    found.with = asked.with;
    found.python = version_of_python(program, asked.python.as_deref())?;
    started(found, words, draft, depth)
}

/// The version of Python that is meant: `3.12` of `3.12`, `3.12.4`, `python3.12`, `cpython@3.12`, `312`; none when any will do.
fn version_of_python(
    program: &'static str,
    said: Option<&str>,
) -> Result<Option<String>, PastedError> {
    let Some(said) = said else { return Ok(None) };
    let name = said.trim().to_lowercase();
    let bare = ["cpython", "python"]
        .iter()
        .find_map(|start| name.strip_prefix(start))
        .unwrap_or(&name)
        .trim_start_matches(['@', '-']);
    if matches!(bare, "" | "3") {
        return Ok(None);
    }
    let minor = match bare.strip_prefix("3.") {
        Some(rest) => rest.split('.').next(),
        None => bare.strip_prefix('3'),
    };
    let minor = minor.and_then(|minor| minor.parse::<u8>().ok());
    match minor {
        Some(minor) => Ok(Some(format!("3.{minor}"))),
        None => Err(refused(
            program,
            format!(
                "{:?} is no version of Python that can be had: say one as 3.12",
                said.chars().take(40).collect::<String>()
            ),
        )),
    }
}

fn started(
    package: PypiPackage,
    words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let carrier = carriers::of_pypi(&package.name.normalized());
    if let Some(carrier) = carrier.filter(|_| package.script.is_none()) {
        return carriers::program(carrier, words, draft, depth);
    }
    draft.pass_all();
    draft.args(words);
    Ok(Source::Pypi(package))
}

fn uv(mut words: VecDeque<String>, draft: &mut Draft, depth: usize) -> Result<Source, PastedError> {
    let all = words.clone();
    let mut project = false;
    while let Some(given) = UV_RUN.next(&mut words)? {
        given.note_unknown(&UV_RUN, draft);
        project |= matches!(given.name, "directory" | "project");
    }
    match words.pop_front().as_deref() {
        Some("tool") if words.front().is_some_and(|word| word == "run") => {
            words.pop_front();
            return uvx(words, draft, depth);
        }
        Some("x") => return uvx(words, draft, depth),
        Some("run") => {}
        Some(_) => {
            return Err(refused(
                "uv",
                "this installs something and starts no server: name the package itself, as pypi:NAME",
            ));
        }
        None => {
            return Err(PastedError::Missing {
                program: "uv",
                what: "the command",
            });
        }
    }
    let mut asked = PackageOptions::default();
    let mut module = None;
    loop {
        // These are known to `uv run` alone.
        let own = words.front().and_then(|word| {
            let name = word.trim_start_matches('-');
            (word.starts_with('-') && UV_RUN_OWN.contains(&name)).then(|| name.to_owned())
        });
        if let Some(own) = own {
            words.pop_front();
            let value = words.pop_front();
            if matches!(own.as_str(), "m" | "module") {
                module = value;
                break;
            }
            continue;
        }
        let Some(given) = UV_RUN.next(&mut words)? else {
            break;
        };
        project |= matches!(given.name, "directory" | "project" | "script" | "s");
        given.note_unknown(&UV_RUN, draft);
        asked.take("uv run", given.name, given.value, draft)?;
    }
    let word = words.front().cloned().unwrap_or_default();
    let file = is_script(&word) || word.contains('/') || word.contains('\\');
    if module.is_none() && is_interpreter(&word) {
        let mut rest = words.clone();
        rest.pop_front();
        if is_module(&rest) {
            module = take_module(&mut rest);
            words = rest;
        }
    } else if module.is_none() {
        words.pop_front();
    }
    let of_a_project =
        project || file || asked.with.is_empty() || (module.is_none() && is_interpreter(&word));
    // Packages with which a file is run are no server themselves: `mcp run server.py`.
    if of_a_project || words.iter().any(|word| is_script(word)) {
        draft.pass_all();
        draft.args(all);
        return Ok(Source::Program("uv".to_owned()));
    }
    let same = |package: &PypiPackage| {
        let name = module.as_deref().unwrap_or(&word);
        crate::PypiName::new(name).is_ok_and(|name| name == package.name)
    };
    let main = asked.with.iter().position(same);
    let framework = |package: &PypiPackage| matches!(package.name.as_str(), "mcp" | "fastmcp");
    if main.is_none() && module.is_some() && asked.with.iter().any(framework) {
        // A server of this machine, with what it is written with.
        draft.pass_all();
        draft.args(all);
        return Ok(Source::Program("uv".to_owned()));
    }
    let main = main.unwrap_or(0);
    let mut found = asked.with.remove(main);
    found.with = asked.with;
    found.python = version_of_python("uv run", asked.python.as_deref())?;
    if module.is_some() {
        found.module = module;
    } else if word.is_empty() {
        return Err(PastedError::Missing {
            program: "uv run",
            what: "the script",
        });
    } else if found.name.as_str() != word {
        found.script = Some(word);
    }
    started(found, words, draft, depth)
}

/// A package as these programs take it: nothing but a name of an index can be run.
fn package(program: &'static str, word: &str) -> Result<PypiPackage, PastedError> {
    refuse_blank(word)?;
    let elsewhere = [
        "git+", "http:", "https:", "file:", "./", "../", "/", "~", ".",
    ]
    .iter()
    .any(|start| word.starts_with(start))
        || Path::new(word).extension().is_some_and(|end| end == "whl")
        || word.contains("@ git+")
        || word.contains("@git+");
    if elsewhere {
        return Err(refused(
            program,
            format!(
                "{:?} is a repository, a folder or an archive: only packages of an index can be run, as pypi:NAME",
                word.chars().take(80).collect::<String>()
            ),
        ));
    }
    Ok(word.parse()?)
}
