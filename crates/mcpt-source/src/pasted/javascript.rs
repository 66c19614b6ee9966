//! Runners of npm packages: npx, `npm exec`, bunx, `pnpm dlx`, `yarn dlx`, `deno run npm:…`.

use std::collections::VecDeque;

use super::{
    PastedError, adders, carriers, options::OptionSet, refuse_blank, refused, start, words,
};
use crate::{NpmPackage, Source, draft::Draft};

const NPX: OptionSet = OptionSet {
    program: "npx",
    flags: &[
        "y",
        "yes",
        "q",
        "quiet",
        "silent",
        "s",
        "no-install",
        "no",
        "prefer-online",
        "prefer-offline",
        "offline",
        "ignore-existing",
        "no-audit",
        "no-fund",
        "no-update-notifier",
        "loglevel=silent",
        "verbose",
        "legacy-peer-deps",
        "force",
        "f",
        "ignore-scripts",
        "no-color",
        "no-progress",
        "no-save",
        "no-package-lock",
        "foreground-scripts",
        "g",
        "global",
        "d",
    ],
    values: &[
        "p",
        "package",
        "c",
        "call",
        "registry",
        "cache",
        "userconfig",
        "loglevel",
        "n",
        "node-options",
        "node-arg",
        "prefix",
        "fetch-timeout",
        "omit",
        "include",
        "location",
        "tag",
        "w",
        "workspace",
    ],
};

const BUNX: OptionSet = OptionSet {
    program: "bunx",
    flags: &[
        "bun",
        "silent",
        "verbose",
        "no-install",
        "no-cache",
        "prefer-offline",
        "prefer-latest",
        "y",
        "yes",
        "b",
        "smol",
    ],
    values: &["p", "package"],
};

const PNPM: OptionSet = OptionSet {
    program: "pnpm dlx",
    flags: &["silent", "s", "c", "shell-mode", "quiet", "y", "yes"],
    values: &["package", "p", "allow-build", "registry", "reporter"],
};

const YARN: OptionSet = OptionSet {
    program: "yarn dlx",
    flags: &["q", "quiet", "y", "yes"],
    values: &["p", "package"],
};

const DENO: OptionSet = OptionSet {
    program: "deno run",
    flags: &[
        "A",
        "allow-all",
        "allow-net",
        "allow-read",
        "allow-env",
        "allow-write",
        "allow-run",
        "allow-sys",
        "allow-ffi",
        "N",
        "R",
        "E",
        "W",
        "q",
        "quiet",
        "no-prompt",
        "no-lock",
        "no-check",
        "node-modules-dir",
        "reload",
        "r",
        "unstable",
        "unstable-kv",
        "unstable-cron",
        "unstable-net",
        "unstable-sloppy-imports",
        "unstable-node-globals",
        "allow-import",
        "allow-scripts",
        "allow-hrtime",
        "I",
        "S",
        "P",
        "permission-set",
        "env-file",
        "no-config",
        "no-npm",
        "no-remote",
        "cached-only",
        "y",
        "yes",
    ],
    values: &["config", "c", "import-map", "lock", "location", "preload"],
};

/// Packages that run a file of this machine and are no server themselves.
const FILE_RUNNERS: [&str; 5] = ["tsx", "ts-node", "node", "nodemon", "babel-node"];

/// What a command of one of these programs starts.
pub(super) fn source(
    program: &str,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let known = match program {
        "npx" | "pnpx" | "npm" => &NPX,
        "bunx" | "bun" => &BUNX,
        "pnpm" => &PNPM,
        "yarn" => &YARN,
        _ => &DENO,
    };
    let mut asked = PackageOptions::default();
    if matches!(program, "npm" | "pnpm" | "yarn" | "deno") {
        // These take options before the word that says what they do, too.
        asked.take(known, &mut words, draft)?;
    }
    let mut npm = false;
    match (program, words.front().map(String::as_str)) {
        ("npx" | "pnpx" | "bunx", _) => {}
        ("npm", Some("exec" | "x")) | ("bun", Some("x")) | ("pnpm" | "yarn", Some("dlx")) => {
            words.pop_front();
            npm = program == "npm";
        }
        ("deno", Some("run" | "x")) => {
            words.pop_front();
            return deno(words, draft);
        }
        (_, Some("install" | "i" | "add" | "ci")) => {
            return Err(refused(
                program,
                "this installs something and starts no server: name the package itself, as npm:NAME",
            ));
        }
        ("bun", Some(_)) => {
            draft.pass_all();
            draft.args(words);
            return Ok(Source::Program(program.to_owned()));
        }
        _ => {
            return Err(refused(
                program,
                "this starts a script of a project of this machine: give the command that the script runs, or name its package as npm:NAME",
            ));
        }
    }
    let signs = |words: &VecDeque<String>| words.iter().filter(|word| *word == "--").count();
    let before = signs(&words);
    asked.take(known, &mut words, draft)?;
    if npm && signs(&words) == before {
        // npm takes the first one away wherever it is; npx leaves one behind the package.
        let sign = words.iter().position(|word| word == "--");
        sign.map(|at| words.remove(at));
    }
    run(known, asked, words, draft, depth)
}

/// What options say of a package.
#[derive(Default)]
struct PackageOptions {
    packages: Vec<NpmPackage>,
    call: Option<String>,
}

impl PackageOptions {
    /// Takes the options before the first word that is none.
    fn take(
        &mut self,
        known: &OptionSet,
        words: &mut VecDeque<String>,
        draft: &mut Draft,
    ) -> Result<(), PastedError> {
        while let Some(given) = known.next(words)? {
            match given.name {
                "p" | "package" => self.packages.push(package(&given.value)?),
                "c" | "call" if known.program == "npx" => self.call = Some(given.value),
                "registry" | "userconfig" => draft.note(
                    "the registry that the command names is left out: packages come from the one that this machine is set to",
                ),
                "no-install" | "no" | "prefix" | "ignore-scripts" | "tag" => draft.note(format!(
                    "{} is given {}, which is left out: the package is fetched from a registry, in the version that is named",
                    known.program, given.name
                )),
                _ => given.note_unknown(known, draft),
            }
        }
        Ok(())
    }
}

fn run(
    known: &OptionSet,
    asked: PackageOptions,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut packages = asked.packages;
    if let Some(call) = asked.call {
        let (_, mut commands) = words::commands(&call)?;
        if commands.len() != 1 {
            return Err(PastedError::Several(String::new()));
        }
        words = commands.remove(0).into();
    }
    let Some(word) = words.pop_front() else {
        if packages.is_empty() {
            return Err(PastedError::Missing {
                program: known.program,
                what: "the package",
            });
        }
        return started(packages.remove(0), words, draft, depth);
    };
    if packages.is_empty() {
        let package = package(&word)?;
        return started(package, words, draft, depth);
    }
    // The package that is called like its program is the one that is run; the others are there with it, as a Node.js is.
    let called = |package: &NpmPackage| package.name.unscoped() == word;
    let runtime = |package: &NpmPackage| matches!(package.name.as_str(), "node" | "npm" | "bun");
    let main = packages.iter().position(called);
    let main = main.or_else(|| packages.iter().position(|package| !runtime(package)));
    let mut package = packages.remove(main.unwrap_or(0));
    if package.name.unscoped() != word {
        package.bin = Some(word);
    }
    package.with = packages;
    started(package, words, draft, depth)
}

/// What a package with these arguments is: a server, or what carries another one's messages.
fn started(
    package: NpmPackage,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let name = package.name.as_str();
    if let Some(carrier) = carriers::of_npm(name) {
        return carriers::program(carrier, words, draft, depth);
    }
    if FILE_RUNNERS.contains(&name) {
        draft.pass_all();
        draft.args(words);
        return Ok(Source::Program(name.to_owned()));
    }
    match name {
        "@smithery/cli" | "smithery" | "mcp-get" | "@michaellatman/mcp-get" => {
            return Err(refused(
                name,
                "this is another program that runs servers: name the package that it runs",
            ));
        }
        "add-mcp" | "install-mcp" | "mcp-add" => {
            return adders::installer(name, words, draft, depth);
        }
        "cross-env" | "env-cmd" | "dotenv" | "dotenv-cli" | "@dotenvx/dotenvx" => {
            let program = match name {
                "dotenv-cli" => "dotenv",
                "@dotenvx/dotenvx" => "dotenvx",
                name => name,
            };
            words.push_front(program.to_owned());
            return start(words, draft, depth + 1);
        }
        _ => {}
    }
    draft.pass_all();
    draft.args(words);
    Ok(Source::Npm(package))
}

/// A package as these programs take it: nothing but a name of a registry can be run.
pub(super) fn package(word: &str) -> Result<NpmPackage, PastedError> {
    refuse_blank(word)?;
    let elsewhere = [
        "github:",
        "git+",
        "git:",
        "gitlab:",
        "bitbucket:",
        "http:",
        "https:",
        "file:",
        "git@",
    ]
    .iter()
    .any(|start| word.starts_with(start));
    // `owner/repository` is one of GitHub, `./folder` a folder.
    let path = !word.starts_with('@') && word.contains('/') || word.starts_with('.');
    if elsewhere || path {
        return Err(refused(
            "npx",
            format!(
                "{:?} is a repository, a folder or an archive: only packages of a registry can be run, as npm:NAME",
                word.chars().take(80).collect::<String>()
            ),
        ));
    }
    Ok(word.parse()?)
}

fn deno(mut words: VecDeque<String>, draft: &mut Draft) -> Result<Source, PastedError> {
    let all = words.clone();
    let mut given = Vec::new();
    while let Some(option) = DENO.next(&mut words)? {
        given.push(option);
    }
    let Some(word) = words.pop_front() else {
        return Err(PastedError::Missing {
            program: DENO.program,
            what: "the module",
        });
    };
    draft.pass_all();
    if let Some(name) = word.strip_prefix("npm:") {
        for option in given {
            option.note_unknown(&DENO, draft);
        }
        let package = package(name)?;
        draft.note("the package is run by Node.js and not by Deno");
        draft.args(words);
        return Ok(Source::Npm(package));
    }
    if word.contains("://") || word.starts_with("jsr:") {
        return Err(refused(
            "deno",
            "only packages of an npm registry can be run: name one as npm:NAME",
        ));
    }
    // Deno itself runs it, with the rights that it is given.
    draft.args(["run".to_owned()]);
    draft.args(all);
    Ok(Source::Program("deno".to_owned()))
}
